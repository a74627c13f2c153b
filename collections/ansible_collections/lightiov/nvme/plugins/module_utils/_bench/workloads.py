# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done on a disk, and how fio is told."""

from __future__ import annotations

from dataclasses import dataclass

# What fio does before anything is counted; in the last part of it exits are traced.
RAMP_SECONDS = 1.5
TRACE_SECONDS = 0.6
# fio goes on for so long, so that it is never the first to end.
SLACK_SECONDS = 2.0
PERCENTILES = "50:90:99:99.9"


@dataclass(frozen=True)
class Workload:
    """One job of fio."""

    name: str
    title: str
    pattern: str
    block_size: str = "4k"
    depth: int = 1
    options: tuple[str, ...] = ()

    def fio(self, disk: str, seconds: float, started: str, polled: bool = False) -> list[str]:
        """fio's arguments; it makes the file `started` when the I/O begins."""
        # One engine for all contenders. Of polled ones it asks for completions instead of waiting for interrupts.
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
            f"--runtime={seconds + SLACK_SECONDS:g}s",
            # Each round does the same, and no two commands of a run are alike.
            "--randseed=1",
            "--norandommap=1",
            f"--exec_prerun=echo > {started}",
            f"--percentile_list={PERCENTILES}",
            "--output-format=json",
        ]


def _random() -> list[Workload]:
    kinds = (
        ("randread", "4 KiB random read", ()),
        ("randwrite", "4 KiB random write", ()),
        ("randrw", "4 KiB random, 70 % reads", ("--rwmixread=70",)),
    )
    return [
        Workload(f"{name}-qd{depth}", f"{title}, QD {depth}", name, depth=depth, options=options)
        for name, title, options in kinds
        for depth in (1, 8, 32)
    ]


WORKLOADS = {
    one.name: one
    for one in (
        *_random(),
        Workload("read-128k", "128 KiB sequential read, QD 8", "read", "128k", 8),
        Workload("write-128k", "128 KiB sequential write, QD 8", "write", "128k", 8),
        Workload("fsync", "4 KiB random write, each with fsync", "randwrite", options=("--fsync=1",)),
    )
}
# For a first look.
QUICK = ("randread-qd1", "randread-qd8", "randread-qd32")
