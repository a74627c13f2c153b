# SPDX-License-Identifier: GPL-3.0-or-later
"""A LightIOV disk is an ordinary disk to udev: it is found by what is on it, at once and at the next boot."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fleet import VM

from lab import wait_until

UUID = "7d3b8e0a-2f4c-4b8e-9d55-0c1de5f00d42"


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
