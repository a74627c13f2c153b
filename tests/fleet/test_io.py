# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs of one controller do correct I/O side by side."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from fleet import VM

MIB = 1 << 20
# Every block size with shallow and deep queues, with one job and with several: fio runs them one after the other.
VERIFIED = [(block, depth, jobs) for block in ("4k", "64k", "1m") for depth, jobs in ((1, 1), (64, 1), (16, 4))]


def verify_all(vm: VM) -> None:
    sections = []
    for number, (block, depth, jobs) in enumerate(VERIFIED):
        sections += [
            f"--name=bs{block}-qd{depth}-jobs{jobs}", "--stonewall", "--rw=randwrite", f"--bs={block}",
            f"--iodepth={depth}", f"--numjobs={jobs}", "--size=4m", f"--offset={number * 16 * MIB}",
            f"--offset_increment={4 * MIB}", "--verify=crc32c", "--do_verify=1", "--verify_fatal=1",
        ]  # fmt: skip
    vm.fio(*sections, "--group_reporting")


def test_fio_verifies_in_two_vms_at_once(vm1: VM, vm2: VM) -> None:
    before = {vm.name: vm.queue_interrupts for vm in (vm1, vm2)}
    with ThreadPoolExecutor() as pool:
        list(pool.map(verify_all, (vm1, vm2)))
    for vm in (vm1, vm2):
        used = [after - was for was, after in zip(before[vm.name], vm.queue_interrupts, strict=True)]
        assert sum(count > 0 for count in used) >= 2, f"{vm.name} used queue pairs {used}"


def test_hardware_queues_belong_to_one_vm_each(vm1: VM, vm2: VM) -> None:
    ids = [line.split()[1] for vm in (vm1, vm2) for line in vm.queues]
    assert len(ids) == len(set(ids)) == 4


def test_filesystem(vm1: VM) -> None:
    vm1.remote.run(
        f"""
        set -e
        mkfs.ext4 -qF {vm1.disk}
        mount {vm1.disk} /mnt
        trap "umount -q /mnt || true" EXIT
        cp -a /usr/lib/python3.* /mnt/python3
        (cd /usr/lib/python3.* && find . -type f -exec sha256sum {{}} +) > /tmp/sums
        umount /mnt
        fsck.ext4 -fn {vm1.disk}
        mount {vm1.disk} /mnt
        cd /mnt/python3 && sha256sum --quiet -c /tmp/sums
        cd / && fstrim /mnt && umount /mnt
        fsck.ext4 -fn {vm1.disk}
        """,
        timeout=300,
    )


@pytest.mark.parametrize("operation", ["blkdiscard -z", "blkdiscard"])
def test_zeroes_and_discards(vm1: VM, operation: str) -> None:
    vm1.fio("--name=fill", "--rw=write", "--bs=1m", "--size=8m")
    vm1.remote.run(f"{operation} -o 1048576 -l 1048576 {vm1.disk}")
    blank = vm1.remote.run(f"cmp -n 1048576 -i 1048576:0 {vm1.disk} /dev/zero", check=False)
    neighbours = vm1.remote.run(f"dd if={vm1.disk} bs=1M count=1 status=none | cmp -n 1048576 - /dev/zero", check=False)
    # What is deallocated on the lab's controllers reads as zeroes.
    assert blank.returncode == 0, blank.stderr
    assert neighbours.returncode == 1, "blocks before the range changed"
