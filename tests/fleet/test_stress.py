# SPDX-License-Identifier: GPL-3.0-or-later
"""Other people's stress tests on a file system on a LightIOV disk: they verify what they read, and so does fsck."""

from __future__ import annotations

import re
from collections.abc import Iterator

import programs
import pytest
from fleet import VM

SECONDS = 60
# By each way to the disk that Linux has: system calls, POSIX and Linux AIO, io_uring, mapped files; with fsync, direct
# I/O, holes and discards.
STRESSORS = (
    "--hdd 1 --hdd-bytes 32M --hdd-opts direct,fsync,rd-rnd,wr-rnd",
    "--aio 1 --aio-requests 16",
    "--aiol 1 --aiol-requests 16",
    "--io-uring 1",
    "--iomix 1 --iomix-bytes 32M",
    "--fallocate 1 --fallocate-bytes 16M",
    "--mmap 1 --mmap-file --mmap-bytes 16M",
)

pytestmark = pytest.mark.slow


@pytest.fixture
def mounted(vm3: VM) -> Iterator[str]:
    """A directory of a file system on the VM's disk, with a file that nobody shall touch; all is right at the end."""
    programs.install(vm3.remote)
    vm3.remote.run(f"mkfs.ext4 -qF {vm3.disk} && mount -o discard {vm3.disk} /mnt && mkdir /mnt/stress")
    vm3.remote.run("head -c 32M /dev/urandom > /mnt/kept && sha256sum /mnt/kept > /root/sum && sync")
    yield "/mnt/stress"
    vm3.remote.run("umount /mnt", timeout=300)
    vm3.remote.run(f"fsck.ext4 -fn {vm3.disk} && mount {vm3.disk} /mnt && sha256sum --check /root/sum", timeout=300)
    vm3.remote.run(f"umount /mnt && wipefs -qa {vm3.disk} && rm -r {programs.WHERE}")


def test_stress_ng(vm3: VM, mounted: str) -> None:
    options = f"{' '.join(STRESSORS)} --verify --temp-path {mounted} --timeout {SECONDS}"
    said = vm3.remote.run(f"{programs.command('stress-ng', options)} 2>&1", timeout=SECONDS + 600).stdout
    results = dict(re.findall(r"(skipped|passed|failed): +(\d+)", said))
    assert results["skipped"] == results["failed"] == "0", said
    assert int(results["passed"]) == len(STRESSORS), said


def test_dbench(vm3: VM, mounted: str) -> None:
    """The file operations of an office's file server, from several clients, synced."""
    options = f"--loadfile={programs.WHERE}/client.txt --directory={mounted} --timelimit={SECONDS} --fsync 4"
    said = vm3.remote.run(f"{programs.command('dbench', options)} 2>&1", timeout=SECONDS + 600).stdout
    assert re.search(r"^Throughput [1-9]|^Throughput 0\.\d*[1-9]", said, re.MULTILINE), said[-4000:]
