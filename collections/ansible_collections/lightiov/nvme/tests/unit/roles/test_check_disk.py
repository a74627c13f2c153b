# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What role verify writes in a VM: what it has read and found blank, and no byte more."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "roles/verify/files/check_disk.py"
MIB = 1 << 20
SIZE = 24 * MIB

# Writes all that the options allow, also where fio takes size 0 for the rest of the disk, and keeps what it was told.
FAKE_FIO = """#!/usr/bin/env python3
import json, os, struct, sys
options = dict(argument[2:].split("=", 1) for argument in sys.argv[1:] if "=" in argument)
disk = os.open(options["filename"], os.O_RDWR)
end = os.lseek(disk, 0, os.SEEK_END)
ranges = []
for job in range(int(options["numjobs"])):
    start = int(options["offset"]) + job * int(options["offset_increment"])
    length = int(options["size"]) or end - start
    for offset in range(start, start + length, 4096):
        block = struct.pack("<HHIQQ", 0xACCA, 2, 4096, 7, offset).ljust(4096, b"x")
        os.pwrite(disk, block[:start + length - offset], offset)
    ranges.append([start, start + length])
with open(os.environ["FAKE_FIO_RANGES"], "w") as file:
    json.dump(ranges, file)
sys.exit(int(os.environ.get("FAKE_FIO_EXIT", "0")))
"""


def load() -> ModuleType:
    specification = importlib.util.spec_from_file_location("check_disk", SCRIPT)
    module = importlib.util.module_from_spec(specification)
    sys.modules["check_disk"] = module  # where dataclasses look for it
    specification.loader.exec_module(module)
    return module


check_disk = load()


class Check:
    """Runs the script on a file as the disk of a VM, with a fio that goes as far as it may."""

    def __init__(self, directory: Path) -> None:
        self.disk = directory / "disk"
        self.disk.write_bytes(bytes(SIZE))
        self.ranges_file = directory / "ranges"
        fio = directory / "bin/fio"
        fio.parent.mkdir()
        fio.write_text(FAKE_FIO)
        fio.chmod(0o755)
        path = f"{fio.parent}:{os.environ['PATH']}:/usr/sbin:/sbin"
        self.environment = {**os.environ, "PATH": path, "FAKE_FIO_RANGES": str(self.ranges_file)}

    def run(self, *arguments: int, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, SCRIPT, self.disk, *map(str, arguments)],
            env={**self.environment, **environment}, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def finding(self, *arguments: int) -> str:
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["finding"]

    @property
    def ranges(self) -> list[tuple[int, int]]:
        return json.loads(self.ranges_file.read_text()) if self.ranges_file.exists() else []

    def put(self, offset: int, data: bytes) -> None:
        with self.disk.open("r+b") as disk:
            disk.seek(offset)
            disk.write(data)

    def other_than_zero(self) -> list[int]:
        """Offsets of the blocks that hold anything."""
        content = self.disk.read_bytes()
        return [offset for offset in range(0, SIZE, 4096) if content[offset : offset + 4096].strip(b"\0")]


@pytest.fixture
def check() -> Iterator[Check]:
    # Past the page cache, as the script reads, no tmpfs is read before Linux 6.6.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        yield Check(Path(directory))


@pytest.mark.parametrize("jobs", [1, 2, 3, 7, 16, 17, 64, 512, 65535])
@pytest.mark.parametrize("mib", [1, 16, 100, 1 << 20])
def test_plan_has_a_floor_and_a_ceiling(jobs: int, mib: int) -> None:
    plan = check_disk.plan(jobs, mib)
    assert plan.share >= check_disk.SHARE_MIN
    assert plan.share % check_disk.BLOCK == 0
    assert 0 < plan.jobs <= jobs
    assert plan.end - check_disk.START <= check_disk.TOTAL_MAX
    assert plan.end - check_disk.START <= max(mib * MIB, plan.jobs * check_disk.SHARE_MIN)


def test_more_queue_pairs_than_mib() -> None:
    """Their share must not be 0, which fio takes for the whole disk."""
    options = check_disk.plan(64, 16).fio("/dev/liov0n1")
    assert f"--size={256 << 10}" in options
    assert f"--offset_increment={256 << 10}" in options


def test_all_that_fio_may_write_was_read_and_is_blank_again(check: Check) -> None:
    cpus = check_disk.possible_cpus()
    plan = check_disk.plan(min(64, cpus), 1)
    # The first byte after what is read. Whoever's it is, it stays, and keeps nothing from being checked.
    check.put(plan.end, b"somebody's")
    assert "written and verified" in check.finding(64, 1)
    assert check.ranges
    assert min(start for start, _end in check.ranges) == check_disk.START
    assert max(end for _start, end in check.ranges) == plan.end
    assert check.other_than_zero() == [plan.end]


@pytest.mark.parametrize("where", ["first", "before", "start", "last", "end of disk"])
def test_one_byte_makes_it_a_reading(check: Check, where: str) -> None:
    end = check_disk.plan(1, 2).end
    places = {"first": 0, "before": MIB - 1, "start": MIB, "last": end - 1, "end of disk": SIZE - 1}
    check.put(places[where], b"x")
    before = check.disk.read_bytes()
    assert check.finding(1, 2).startswith("16 MiB read")
    assert check.ranges == []
    assert check.disk.read_bytes() == before


def test_disk_too_small(check: Check) -> None:
    assert check.finding(1, SIZE // MIB - 1).startswith("16 MiB read")
    assert check.ranges == []


def test_signature(check: Check) -> None:
    subprocess.run(["/sbin/mkswap", check.disk], check=True, capture_output=True)
    assert "read" in check.finding(1, 2)
    assert check.ranges == []


def test_interrupted_check_is_tidied_up(check: Check) -> None:
    """Also where the check before was a larger one."""
    assert check.run(1, 8, FAKE_FIO_EXIT="1").returncode == 1
    assert len(check.other_than_zero()) > 8 * MIB // 4096
    assert check.finding(1, 2) == "2 MiB written and verified"
    assert check.other_than_zero() == []


@pytest.mark.parametrize("offset", [4096, MIB + 8192, 10 * MIB])
def test_data_written_after_an_interrupted_check_stays(check: Check, offset: int) -> None:
    """The marker says what was written, not that nobody wrote there since, or beside it."""
    check.run(1, 8, FAKE_FIO_EXIT="1")
    check.put(offset, b"somebody's data".ljust(4096))
    before = check.disk.read_bytes()
    assert "read" in check.finding(1, 16)
    assert check.disk.read_bytes() == before


def test_fio_itself(check: Check) -> None:
    """Its blocks are known for what they are, and it stays where it was sent."""
    check.environment["PATH"] = os.environ["PATH"]
    plan = check_disk.plan(check_disk.possible_cpus(), 3)
    check.put(plan.end, b"somebody's")
    check.put(check_disk.START - 4096, bytes(4096))
    disk = check_disk.Disk(str(check.disk), os.O_RDWR)
    disk.write(0, check_disk.marker(plan.end))
    subprocess.run(plan.fio(str(check.disk)), check=True, capture_output=True)
    written = check.other_than_zero()
    assert written == [0, *range(check_disk.START, plan.end, 4096), plan.end]
    assert check_disk.blank_until(disk, plan) == plan.end
    assert "written and verified" in check.finding(64, 3)
    assert check.other_than_zero() == [plan.end]
