# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done on a disk: jobs of fio, and applications on a file system."""

from __future__ import annotations

import shlex
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ansible_collections.lightiov.nvme.plugins.module_utils._bench import fio, rocksdb, sysbench

# What fio does before anything is counted; in the last part of it exits are traced.
RAMP_SECONDS = 1.5
TRACE_SECONDS = 0.6
# A workload goes on for so long, so that it is never the first to end: an emulated VM is slow to say what it has
# counted. fio ends when it is told.
SLACK_SECONDS = 6.0
FIO_SLACK_SECONDS = 60.0
PERCENTILES = ("--lat_percentiles=1", "--clat_percentiles=0", "--percentile_list=50:90:99:99.9")


class Workload(ABC):
    """What runs in a directory for files on a machine; it makes the file `started` there when the I/O begins."""

    name: str
    title: str
    modules: tuple[str, ...] = ()
    # What it needs of a disk.
    mib: int = 1

    @property
    def programs(self) -> tuple[str, ...]:
        """Beside those that every VM has."""
        return ()

    @property
    def polls(self) -> bool:
        """Whether it can ask for completions instead of waiting for interrupts."""
        return False

    def prepare(self, disk: str, files: str) -> str:
        """A shell command, for what is not measured."""
        return ":"

    @abstractmethod
    def command(self, disk: str, files: str, seconds: float, polled: bool) -> list[str]:
        """It runs for longer than these seconds, and RAMP_SECONDS before them."""

    def end(self, files: str) -> str:
        """A shell command, once all is counted, for what need not go on."""
        return ":"

    @abstractmethod
    def parse(self, output: str) -> dict[str, float]:
        """Its measures."""

    def clean_up(self, files: str) -> str:
        """A shell command."""
        return ":"


@dataclass(frozen=True)
class Fio(Workload):
    """One job of fio."""

    name: str
    title: str
    pattern: str
    block_size: str = "4k"
    depth: int = 1
    options: tuple[str, ...] = ()

    @property
    def polls(self) -> bool:
        """A ring of io_uring that is polled takes no fsync."""
        return "--fsync=1" not in self.options

    def command(self, disk: str, files: str, seconds: float, polled: bool = False) -> list[str]:
        # One engine for all contenders.
        return [
            "fio",
            f"--name={self.name}",
            f"--filename={disk}",
            "--ioengine=io_uring",
            *(["--hipri=1"] if polled else []),
            "--direct=1",
            f"--rw={self.pattern}",
            f"--bs={self.block_size}",
            f"--iodepth={self.depth}",
            *self.options,
            "--time_based=1",
            f"--ramp_time={RAMP_SECONDS:g}s",
            f"--runtime={seconds + FIO_SLACK_SECONDS:g}s",
            # Each round does the same, and no two commands of a run are alike.
            "--randseed=1",
            "--norandommap=1",
            f"--exec_prerun=echo > {files}/started",
            *PERCENTILES,
            "--output-format=json",
        ]

    def end(self, files: str) -> str:
        return f"read -r pid < {files}/pid && kill $pid 2> /dev/null || :"

    def parse(self, output: str) -> dict[str, float]:
        return fio.parse(output)


@dataclass(frozen=True)
class Application(Workload):
    """A program with files on a file system that is made for it. What it counts are its own operations."""

    name: str
    title: str
    program: str
    # A command that makes the files where it is started, one that works on them for so many seconds, what that says.
    fill: Callable[[], list[str]]
    work: Callable[[float], list[str]]
    read: Callable[[str], dict[str, float]]
    modules = ("ext4",)
    # Of RocksDB's data there may be three generations at a time.
    mib = 128

    @property
    def programs(self) -> tuple[str, ...]:
        return (self.program, "mkfs.ext4", "umount")

    def prepare(self, disk: str, files: str) -> str:
        where = f"{files}/mnt"
        # What was written all over the disk stays: discarded, it would be quicker to read.
        file_system = f"mkdir -p {where} && mkfs.ext4 -qF -E nodiscard {disk} && mount {disk} {where}"
        return f"{file_system} && cd {where} && {shlex.join(self.fill())}"

    def command(self, disk: str, files: str, seconds: float, polled: bool = False) -> list[str]:
        work = shlex.join(self.work(RAMP_SECONDS + seconds + SLACK_SECONDS))
        return ["sh", "-c", f"echo > {files}/started; cd {files}/mnt && exec {work}"]

    def parse(self, output: str) -> dict[str, float]:
        return self.read(output)

    def clean_up(self, files: str) -> str:
        return f"umount {files}/mnt"


def _random() -> list[Fio]:
    kinds = (
        ("randread", "4 KiB random read", ()),
        ("randwrite", "4 KiB random write", ()),
        ("randrw", "4 KiB random, 70 % reads", ("--rwmixread=70",)),
    )
    return [
        Fio(f"{name}-qd{depth}", f"{title}, QD {depth}", name, depth=depth, options=options)
        for name, title, options in kinds
        for depth in (1, 8, 32)
    ]


WORKLOADS: dict[str, Workload] = {
    one.name: one
    for one in (
        *_random(),
        Fio("read-128k", "128 KiB sequential read, QD 8", "read", "128k", 8),
        Fio("write-128k", "128 KiB sequential write, QD 8", "write", "128k", 8),
        Fio("fsync", "4 KiB random write, each with fsync", "randwrite", options=("--fsync=1",)),
        Application(
            "rocksdb",
            "RocksDB on ext4, 90 % random reads, 10 % writes with fsync (operations)",
            "db_bench",
            rocksdb.fill,
            rocksdb.run,
            rocksdb.parse,
        ),
        Application(
            "sysbench",
            "sysbench fileio on ext4, 16 KiB random, 60 % reads, all files synced after each 10 (operations)",
            "sysbench",
            sysbench.fill,
            sysbench.run,
            sysbench.parse,
        ),
    )
}


def modules_of(workloads: Iterable[str]) -> list[str]:
    """What these need of a VM's kernel, each once."""
    return sorted({module for name in workloads for module in WORKLOADS[name].modules})


# For a first look.
QUICK = ("randread-qd1", "randread-qd8", "randread-qd32")
