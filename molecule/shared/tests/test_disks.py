# SPDX-License-Identifier: GPL-3.0-or-later
"""Every disk of every VM: the mediated device behind it, the domain around it, and I/O on it."""

from __future__ import annotations

import json

import pytest
from conftest import Disk
from testinfra.host import Host


def test_mediated_device_is_as_wished_and_ready(disk: Disk, owner: Host) -> None:
    device = f"/sys/bus/mdev/devices/{disk.uuid}"
    assert owner.file(f"{device}/state").content_string.strip() == "ready"
    extents = [line.split() for line in owner.file(f"{device}/extents").content_string.splitlines()]
    [(nsid, _identity, first, count, flags, name)] = [rest for _slot, id_, *rest in extents if id_ == disk.id]
    assert (nsid, name, flags) == (str(disk.namespace), disk.name, "-")
    # In LBAs of 512 or 4096 bytes; a whole namespace has neither.
    assert (first, count) == ("-", "-") or (first == "0" and disk.size is not None and int(count) > 0)
    queues = [line.split() for line in owner.file(f"{device}/queues").content_string.splitlines()]
    assert len(queues) == disk.queue_pairs
    assert all(int(entries) > 1 for *_, entries in queues)


def test_mediated_device_starts_at_boot(disk: Disk, owner: Host) -> None:
    assert f"{disk.uuid} " in owner.check_output("mdevctl list --defined | grep auto") + " "


def test_domain_runs_and_starts_at_boot(disk: Disk, owner: Host) -> None:
    info = owner.check_output("LC_ALL=C virsh dominfo %s", disk.vm)
    assert "running" in info
    assert "Autostart:      enable" in info
    assert disk.uuid in owner.check_output("virsh dumpxml --inactive %s", disk.vm)


def test_driver_is_in_the_initramfs(disk: Disk, vm: Host) -> None:
    assert "lightiov_guest.ko" in vm.check_output("lsinitramfs /boot/initrd.img-$(uname -r)")


def test_vm_was_made_with_the_driver(disk: Disk, vm: Host, owner: Host) -> None:
    root = f"/var/lib/libvirt/images/{disk.vm}-root.qcow2"
    image = json.loads(owner.check_output("qemu-img info --force-share --output=json %s", root))["backing-filename"]
    assert image.startswith("/var/lib/libvirt/images/lightiov-")
    installed = vm.check_output("stat --format=%Y /var/lib/dpkg/info/lightiov-guest-$(uname -r).list")
    assert int(installed) <= int(owner.check_output("stat --format=%%W %s", root))


@pytest.mark.parametrize("size", ["4k", "256k"])
def test_data_written_is_data_read(disk: Disk, vm: Host, size: str) -> None:
    before = interrupts(vm)
    vm.check_output(
        f"fio --name=t --filename={disk.path} --direct=1 --ioengine=libaio --iodepth=8 --rw=randwrite --bs={size} "
        f"--size=4m --offset=64m --offset_increment=4m --numjobs={disk.queue_pairs} --cpus_allowed=0-1 "
        "--cpus_allowed_policy=split --verify=crc32c --verify_fatal=1"
    )
    assert all(now > then for then, now in zip(before, interrupts(vm), strict=True)), "a queue pair is idle"


def interrupts(vm: Host) -> list[int]:
    """Of each queue pair of LightIOV in the VM."""
    lines = vm.check_output("grep 'liov.*q' /proc/interrupts").splitlines()
    return [sum(int(field) for field in line.split()[1:] if field.isdigit()) for line in lines]


def test_file_system(disk: Disk, vm: Host) -> None:
    steps = [
        f"mkfs.ext4 -qF {disk.path} 64m",
        f"mount {disk.path} /mnt",
        "dd if=/dev/urandom of=/mnt/file bs=1M count=8 status=none",
        "sha256sum /mnt/file > /tmp/sum",
        "umount /mnt",
        f"mount {disk.path} /mnt",
        "sha256sum --check --quiet /tmp/sum",
        "umount /mnt",
        f"fsck.ext4 -fn {disk.path}",
        f"blkdiscard --zeroout --length 128m {disk.path}",
    ]
    vm.check_output(" && ".join(steps))
