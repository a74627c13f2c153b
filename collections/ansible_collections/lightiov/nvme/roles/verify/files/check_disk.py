# SPDX-License-Identifier: GPL-3.0-or-later
"""Check I/O on one disk and print the finding as JSON. Usage: check_disk.py DEVICE JOBS [MIB]

With MIB the disk is written, if it is blank: no signature, and zeroes where the check writes and at the end. A marker
says during the check that what is there is ours; afterwards the disk is blank again. Any other disk is only read.
"""

import json
import mmap
import os
import shutil
import subprocess
import sys
from pathlib import Path

MIB = 1 << 20
MARKER = b"LightIOV verification in progress\n".ljust(4096, b"\0")
ZEROES = bytes(MIB)


class Disk:
    """A block device without the page cache in between."""

    def __init__(self, path, flags):
        self.fd = os.open(path, flags | os.O_DIRECT)
        self.size = os.lseek(self.fd, 0, os.SEEK_END)
        self.buffer = mmap.mmap(-1, MIB)

    def read(self, offset, length=MIB):
        view = memoryview(self.buffer)[:length]
        if os.preadv(self.fd, [view], offset) != length:
            raise OSError(f"short read at {offset}")
        return bytes(view)

    def write(self, offset, data):
        self.buffer[: len(data)] = data
        if os.pwrite(self.fd, memoryview(self.buffer)[: len(data)], offset) != len(data):
            raise OSError(f"short write at {offset}")


def has_signature(path):
    """File system, partition table, LVM, RAID ... blkid exits with 2 when it finds none."""
    return subprocess.run(["blkid", "--probe", path], capture_output=True, check=False).returncode != 2


def may_write(path, mib):
    disk = Disk(path, os.O_RDONLY)
    if disk.size < (mib + 2) * MIB or has_signature(path):
        return False
    if disk.read(0, len(MARKER)) == MARKER:
        return True
    return all(disk.read(offset) == ZEROES for offset in [*range(0, (mib + 1) * MIB, MIB), disk.size - MIB])


def write_check(path, jobs, mib):
    if shutil.which("fio") is None:
        raise OSError("fio is not installed: install it, or do without lightiov_verify_write")
    disk = Disk(path, os.O_RDWR)
    disk.write(0, MARKER)
    share = mib // jobs
    command = [
        *("fio", "--name=lightiov", f"--filename={path}", "--direct=1", "--ioengine=libaio", "--iodepth=16"),
        *("--rw=randwrite", "--bsrange=4k-128k", "--verify=crc32c", "--verify_fatal=1"),
        *(f"--numjobs={jobs}", f"--size={share}m", "--offset=1m", f"--offset_increment={share}m"),
        *("--group_reporting", "--output-format=json"),
    ]
    fio = subprocess.run(command, capture_output=True, text=True, check=False)
    if fio.returncode:
        raise OSError(" ".join((fio.stderr or fio.stdout).split()))
    for offset in range(MIB, (mib + 1) * MIB, MIB):
        disk.write(offset, ZEROES)
    disk.write(0, ZEROES)
    os.fsync(disk.fd)
    return f"{share * jobs} MiB written and verified"


def read_check(path):
    disk = Disk(path, os.O_RDONLY)
    length = min(16, disk.size // MIB)
    for index in range(length):
        disk.read(index * MIB)
    return f"{length} MiB read"


def possible_cpus():
    """As the kernel lists them: 0-7, or 0,2-3."""
    ranges = (part.split("-") for part in Path("/sys/devices/system/cpu/possible").read_text().split(","))
    return sum(int(ends[-1]) - int(ends[0]) + 1 for ends in ranges)


def main():
    path, jobs = os.path.realpath(sys.argv[1]), int(sys.argv[2])
    mib = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    try:
        finding = write_check(path, jobs, mib) if mib and may_write(path, mib) else read_check(path)
    except OSError as error:
        sys.exit(f"{path}: {error}")
    cpus = possible_cpus()
    if cpus < jobs:
        finding += f", {cpus} vCPUs use {cpus} of {jobs} queue pairs"
    json.dump({"device": path, "finding": finding, "queue_pairs_used": min(cpus, jobs)}, sys.stdout)


if __name__ == "__main__":
    main()
