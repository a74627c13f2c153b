# SPDX-License-Identifier: GPL-3.0-or-later
"""Check I/O on one disk and print the finding as JSON. Usage: check_disk.py DEVICE JOBS [MIB]

With MIB the disk is written, if it is blank: it has no signature, and every byte that the check may write is zero, as
is the last MiB. A marker at the start says during the check which bytes are written; afterwards all of them are zero
again. Any other disk is only read.
"""

from __future__ import annotations

import json
import mmap
import os
import re
import shutil
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
BLOCK = 4 * KIB  # fio puts a header on each, which tells what an interrupted check left from anybody's data
START = MIB  # where fio begins
SHARE_MIN = 256 * KIB  # of one job: twice the largest request
TOTAL_MAX = GIB  # of all jobs, whatever is asked for
ZEROES = bytes(MIB)
MARKER = re.compile(rb"LightIOV verification in progress: bytes 0 to (\d{1,12})\n\0*")
HEADER = struct.Struct("<HHIQQ")  # of fio: magic, kind of check, length, seed, offset
HEADER_MAGIC = 0xACCA


@dataclass(frozen=True)
class Plan:
    """What fio writes: a share for each job, one after the other from START on."""

    jobs: int
    share: int

    @property
    def end(self) -> int:
        return START + self.jobs * self.share

    def fio(self, path: str) -> list[str]:
        return [
            *("fio", "--name=lightiov", f"--filename={path}", "--direct=1", "--ioengine=libaio", "--iodepth=16"),
            *("--rw=randwrite", "--bsrange=4k-128k", "--verify=crc32c", f"--verify_interval={BLOCK}"),
            *("--verify_fatal=1", "--verify_state_save=0", f"--numjobs={self.jobs}", f"--size={self.share}"),
            *(f"--offset={START}", f"--offset_increment={self.share}", "--group_reporting", "--output-format=json"),
        ]

    def __str__(self) -> str:
        total = self.jobs * self.share
        return f"{total // MIB} MiB" if total % MIB == 0 else f"{total // KIB} KiB"


def plan(jobs: int, mib: int) -> Plan:
    """What is asked for in whole blocks, but at least SHARE_MIN by each job, and TOTAL_MAX by all."""
    jobs = min(jobs, TOTAL_MAX // SHARE_MIN)
    share = min(mib * MIB, TOTAL_MAX) // jobs // BLOCK * BLOCK
    return Plan(jobs, max(share, SHARE_MIN))


def marker(end: int) -> bytes:
    return f"LightIOV verification in progress: bytes 0 to {end}\n".encode().ljust(BLOCK, b"\0")


def left_until(first_block: bytes) -> int:
    """Where that ends which an interrupted check has left; 0 if none has."""
    found = MARKER.fullmatch(first_block)
    return int(found[1]) if found else 0


def is_blank(data: bytes, offset: int, left: int) -> bool:
    """All zero, but for what a check wrote in the bytes that it has named."""
    if data == ZEROES[: len(data)]:
        return True
    blocks = ((offset + start, data[start : start + BLOCK]) for start in range(0, len(data), BLOCK))
    return all(not block.strip(b"\0") or (at < left and is_of_a_check(block, at)) for at, block in blocks)


def is_of_a_check(block: bytes, offset: int) -> bool:
    if offset == 0:
        return left_until(block) > 0
    magic, _kind, length, _seed, position = HEADER.unpack_from(block)
    return offset >= START and (magic, length, position) == (HEADER_MAGIC, BLOCK, offset)


class Disk:
    """A block device without the page cache in between."""

    def __init__(self, path: str, flags: int) -> None:
        self.fd = os.open(path, flags | os.O_DIRECT)
        self.size = os.lseek(self.fd, 0, os.SEEK_END)
        self.buffer = mmap.mmap(-1, MIB)

    def read(self, offset: int, length: int = MIB) -> bytes:
        view = memoryview(self.buffer)[:length]
        if os.preadv(self.fd, [view], offset) != length:
            raise OSError(f"short read at {offset}")
        return bytes(view)

    def write(self, offset: int, data: bytes) -> None:
        self.buffer[: len(data)] = data
        if os.pwrite(self.fd, memoryview(self.buffer)[: len(data)], offset) != len(data):
            raise OSError(f"short write at {offset}")


def pieces(start: int, end: int) -> list[tuple[int, int]]:
    """Offset and length of what is read or written at once."""
    return [(offset, min(MIB, end - offset)) for offset in range(start, end, MIB)]


def has_signature(path: str) -> bool:
    """File system, partition table, LVM, RAID ... blkid exits with 2 when it finds none."""
    return subprocess.run(["blkid", "--probe", path], capture_output=True, check=False).returncode != 2


def open_alone(path: str) -> Disk | None:
    """None if the disk is mounted or otherwise in use. While it is open so, nobody can mount it."""
    try:
        return Disk(path, os.O_RDWR | os.O_EXCL)
    except OSError:
        return None


def blank_until(disk: Disk, wanted: Plan) -> int:
    """The bytes from the start that are blank and hold all that the plan writes; 0 if they are not, or too few."""
    left = left_until(disk.read(0, BLOCK))
    end = max(wanted.end, left)
    last = disk.size - MIB
    if end > last or end % BLOCK:
        return 0
    read = pieces(0, end) + pieces(last, disk.size)
    return end if all(is_blank(disk.read(offset, length), offset, left) for offset, length in read) else 0


def write_check(disk: Disk, path: str, wanted: Plan, end: int) -> str:
    """Write what the plan says; what was found blank, up to end, is blank again afterwards."""
    if shutil.which("fio") is None:
        raise OSError("fio is not installed: install it, or do without lightiov_verify_write")
    disk.write(0, marker(end))
    fio = subprocess.run(wanted.fio(path), capture_output=True, text=True, check=False)
    if fio.returncode:
        raise OSError(" ".join((fio.stderr or fio.stdout).split()))
    for offset, length in [*pieces(BLOCK, end), (0, BLOCK)]:
        disk.write(offset, ZEROES[:length])
        os.fsync(disk.fd)
    return f"{wanted} written and verified"


def read_check(path: str) -> str:
    disk = Disk(path, os.O_RDONLY)
    length = min(16, disk.size // MIB)
    for index in range(length):
        disk.read(index * MIB)
    return f"{length} MiB read"


def check(path: str, jobs: int, mib: int) -> str:
    disk = open_alone(path) if mib > 0 and not has_signature(path) else None
    if disk is None:
        return read_check(path)
    wanted = plan(jobs, mib)
    end = blank_until(disk, wanted)
    return write_check(disk, path, wanted, end) if end else read_check(path)


def possible_cpus() -> int:
    """As the kernel lists them: 0-7, or 0,2-3."""
    ranges = (part.split("-") for part in Path("/sys/devices/system/cpu/possible").read_text().split(","))
    return sum(int(ends[-1]) - int(ends[0]) + 1 for ends in ranges)


def main() -> None:
    path, queue_pairs = os.path.realpath(sys.argv[1]), int(sys.argv[2])
    mib = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    cpus = possible_cpus()
    used = min(cpus, queue_pairs)
    try:
        finding = check(path, used, mib)
    except OSError as error:
        sys.exit(f"{path}: {error}")
    if used < queue_pairs:
        finding += f", {cpus} vCPUs use {used} of {queue_pairs} queue pairs"
    json.dump({"device": path, "finding": finding, "queue_pairs_used": used}, sys.stdout)


if __name__ == "__main__":
    main()
