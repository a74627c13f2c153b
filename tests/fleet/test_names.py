# SPDX-License-Identifier: GPL-3.0-or-later
"""A LightIOV disk is an ordinary disk to udev: it is found by what is on it, at once and at the next boot."""

from __future__ import annotations

import base64
import json
import struct
import uuid
import zlib
from collections.abc import Iterator

import pytest
from fleet import VM, stock_disk

from lab import Host, Remote, wait_until

UUID = "7d3b8e0a-2f4c-4b8e-9d55-0c1de5f00d42"
PARTITION = "0b5e4a7c-93d1-4a53-8a1f-5f0f8de0c7aa"
LINUX_DATA = "0fc63daf-8483-4772-8e79-3d69d8477de4"
OTHER = "LIOV2B"  # a controller of vm3's host that is with the stock driver
MIB = 1 << 20


def links(vm: VM) -> set[str]:
    """Names of the VM's disk and of its partitions, below /dev/disk."""
    return set(vm.remote.run("cd /dev/disk && find . -lname '*liov*' -printf '%P\\n'").stdout.split())


def wait_for_link(vm: VM, name: str) -> None:
    wait_until(lambda: name in links(vm), f"{vm.name}: /dev/disk/{name}")


@pytest.fixture
def file_system(vm3: VM) -> Iterator[str]:
    """One with a UUID and a label on the VM's disk; afterwards the disk is blank."""
    disk = vm3.disk
    vm3.remote.run(f"mkfs.ext4 -qF -U {UUID} -L orders {disk} 64m")
    yield disk
    vm3.remote.run(f"umount -q {disk}; blkdiscard --zeroout --length 64m {disk}")
    wait_until(lambda: f"by-uuid/{UUID}" not in links(vm3), f"{vm3.name}: the end of /dev/disk/by-uuid/{UUID}")


def test_names_by_content_and_place(vm3: VM, file_system: str) -> None:
    wait_for_link(vm3, f"by-uuid/{UUID}")
    found = links(vm3)
    assert "by-label/orders" in found
    kinds = {name.partition("/")[0] for name in found}
    assert kinds >= {"by-id", "by-path", "by-diskseq"}
    assert vm3.remote.run(f"lsblk --noheadings --nodeps --output SERIAL,UUID {file_system}").stdout.split() == [
        "LIOV2A", UUID
    ]  # fmt: skip


def identity(machine: Remote, disk: str) -> dict[str, str]:
    """What lsblk, which asks udev, tells of a disk."""
    shown = machine.run(f"lsblk --json --nodeps --output SERIAL,WWN,MODEL {disk}").stdout
    found: dict[str, str] = json.loads(shown)["blockdevices"][0]
    return found


def test_identity_as_of_the_drive_with_the_stock_driver(host2: Host, vm3: VM) -> None:
    """The two drives are of one model."""
    shown = identity(vm3.remote, vm3.disk)
    assert shown["serial"] == vm3.serial
    assert shown["wwn"] == vm3.remote.run(f"cat /sys/block/{vm3.disk.removeprefix('/dev/')}/wwid").stdout.strip()
    assert shown["model"] == identity(host2, stock_disk(host2, OTHER))["model"]


def partition_table(block: int, blocks: int) -> bytes:
    """A GUID partition table with one partition, of 16 MiB, and without its copy at the end of the disk.

    VMs of the lab have no program that writes one.
    """
    first, last = MIB // block, 17 * MIB // block - 1
    entry = uuid.UUID(LINUX_DATA).bytes_le + uuid.UUID(PARTITION).bytes_le + struct.pack("<QQQ", first, last, 0)
    entries = (entry + "orders".encode("utf-16-le")).ljust(128 * 128, b"\0")

    def header(checksum: int) -> bytes:
        sizes = struct.pack("<8sIIII", b"EFI PART", 0x10000, 92, checksum, 0)
        places = struct.pack("<QQQQ16s", 1, blocks - 1, first, blocks - first, uuid.UUID(UUID).bytes_le)
        return sizes + places + struct.pack("<QIII", 2, 128, 128, zlib.crc32(entries))

    protective = bytes(446) + struct.pack("<B3xB3xII", 0, 0xEE, 1, 0xFFFFFFFF) + bytes(48) + b"\x55\xaa"
    return protective.ljust(block, b"\0") + header(zlib.crc32(header(0))).ljust(block, b"\0") + entries


@pytest.fixture
def partitioned(vm3: VM) -> Iterator[str]:
    """The VM's disk with a partition, and afterwards blank: udev, which watches it, has the kernel look at both."""
    disk = vm3.disk
    size = int(vm3.remote.run(f"blockdev --getsize64 {disk}").stdout)
    block = vm3.limit("logical_block_size")
    table = base64.b64encode(partition_table(block, size // block)).decode()
    vm3.remote.run(f"base64 -d | dd of={disk} conv=notrunc,fsync status=none", stdin=table)
    yield disk
    vm3.remote.run(f"blkdiscard --zeroout --length 2m {disk}")
    wait_until(lambda: f"by-partuuid/{PARTITION}" not in links(vm3), f"{vm3.name}: the end of the partition")


def test_names_of_a_partition(vm3: VM, partitioned: str) -> None:
    wait_for_link(vm3, f"by-partuuid/{PARTITION}")
    assert "by-partlabel/orders" in links(vm3)
    found = (
        "readlink -f /dev/disk/by-partuuid/{} /dev/disk/by-partlabel/orders /dev/disk/by-id/lightiov-*-ns[0-9]-part1"
    )
    assert set(vm3.remote.run(found.format(PARTITION)).stdout.split()) == {f"{partitioned}p1"}


@pytest.fixture
def blank(vm3: VM) -> Iterator[str]:
    """The VM's disk; afterwards nothing of a volume group or an array is on it."""
    yield vm3.disk
    vm3.remote.run("umount -q /mnt; vgremove -qq -y orders; mdadm --stop --scan", check=False)
    vm3.remote.run(f"wipefs -qa {vm3.disk} && blkdiscard --zeroout --length 16m {vm3.disk}")


def holds_data(vm: VM, device: str) -> bool:
    """Is the file system there that the test made on it?"""
    check = f"test -b {device} && mount {device} /mnt && grep -q orders /mnt/of"
    return vm.remote.run(f"{check}; result=$?; umount -q /mnt; exit $result", check=False).returncode == 0


def make_data(vm: VM, device: str) -> None:
    vm.remote.run(f"mkfs.ext4 -qF {device} && mount {device} /mnt && echo orders > /mnt/of && umount /mnt && sync")


@pytest.mark.slow
def test_volume_group_after_a_reboot(vm3: VM, blank: str) -> None:
    vm3.remote.run(
        f"pvcreate -qq -y {blank} && vgcreate -qq orders {blank} && lvcreate -qq -y -Wn -l 16 -n data orders"
    )
    make_data(vm3, "/dev/orders/data")
    vm3.restart()
    wait_until(lambda: holds_data(vm3, "/dev/orders/data"), f"{vm3.name}: its volume group")
    assert "liov" in vm3.remote.run("lvs --noheadings --options devices orders").stdout


@pytest.mark.slow
def test_array_after_a_reboot(vm3: VM, blank: str) -> None:
    vm3.remote.run(f"mdadm --create /dev/md/orders --run --level=1 --raid-devices=1 --force --bitmap=none {blank}")
    make_data(vm3, "/dev/md/orders")
    vm3.restart()
    wait_until(lambda: "liov" in vm3.remote.run("cat /proc/mdstat").stdout, f"{vm3.name}: its array")
    array = vm3.remote.run("awk '/liov/ { print \"/dev/\" $1 }' /proc/mdstat").stdout.strip()
    assert holds_data(vm3, array)


@pytest.mark.slow
def test_fstab_by_uuid(vm3: VM, file_system: str) -> None:
    wait_for_link(vm3, f"by-uuid/{UUID}")
    vm3.remote.run(f"mkdir -p /srv/orders && echo 'UUID={UUID} /srv/orders ext4 defaults 0 2' >> /etc/fstab && sync")
    try:
        vm3.restart()
        mounted = "findmnt --noheadings --output UUID /srv/orders"
        wait_until(lambda: UUID in vm3.remote.run(mounted, check=False).stdout, f"{vm3.name}: what fstab names")
        assert "running" in vm3.remote.run("systemctl is-system-running", check=False).stdout
    finally:
        vm3.remote.run("umount -q /srv/orders; sed -i '\\,/srv/orders,d' /etc/fstab")
