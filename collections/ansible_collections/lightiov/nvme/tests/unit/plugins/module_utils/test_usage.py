# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._sysfs import controllers
from ansible_collections.lightiov.nvme.plugins.module_utils._usage import in_use, members
from fake_host import FakeHost

ADDRESS = "0000:01:00.0"
UUID = "8d1a5f9e-96c4-5fd1-bb5e-0c0a2e6c8a55"


@pytest.fixture
def stock(fake: FakeHost) -> FakeHost:
    fake.add_controller(ADDRESS, "S1", namespaces=2)
    fake.add_block("nvme0n1p1", "259:11", parent="nvme0n1")
    return fake


def uses(host: Host) -> list[str]:
    return in_use(host, controllers(host)[0])


def mount(fake: FakeHost, number: str, source: str, target: str) -> None:
    fake.write("/proc/self/mountinfo", f"29 1 {number} / {target} rw,relatime shared:1 - ext4 {source} rw\n")


def open_by(fake: FakeHost, node: str, name: str, process: int = 4242) -> None:
    fake.write(f"/proc/{process}/comm", f"{name}\n")
    directory = fake.path(f"/proc/{process}/fd")
    directory.mkdir()
    (directory / "3").symlink_to(node)


def test_an_idle_controller_has_no_uses(host: Host, stock: FakeHost) -> None:
    mount(stock, "8:1", "/dev/sda1", "/")
    assert uses(host) == []


def test_mounted_partition(host: Host, stock: FakeHost) -> None:
    mount(stock, "259:11", "/dev/root", "/srv/my\\040data")
    assert uses(host) == ["/dev/nvme0n1p1 is mounted on /srv/my data"]


def test_btrfs_is_found_by_its_source(host: Host, stock: FakeHost) -> None:
    mount(stock, "0:45", "/dev/nvme0n2", "/srv")
    assert uses(host) == ["/dev/nvme0n2 is mounted on /srv"]


def test_mount_on_a_logical_volume_on_the_disk(host: Host, stock: FakeHost) -> None:
    stock.add_block("dm-0", "254:0")
    stock.hold("nvme0n1p1", "dm-0")
    mount(stock, "254:0", "/dev/mapper/vg-lv", "/srv")
    assert uses(host) == ["/dev/nvme0n1p1 is part of dm-0", "/dev/dm-0 is mounted on /srv"]


def test_member_of_a_raid(host: Host, stock: FakeHost) -> None:
    stock.add_block("md127", "9:127")
    stock.hold("nvme0n2", "md127")
    assert uses(host) == ["/dev/nvme0n2 is part of md127"]


def test_swap(host: Host, stock: FakeHost) -> None:
    stock.write("/proc/swaps", "Filename Type Size Used Priority\n/dev/nvme0n1p1 partition 1 0 -2\n")
    assert uses(host) == ["/dev/nvme0n1p1 is swap space"]


@pytest.mark.parametrize("node", ["/dev/nvme0", "/dev/nvme0n1", "/dev/nvme0n1p1", "/dev/ng0n2", "/dev/vfio/12"])
def test_open_device_nodes(host: Host, stock: FakeHost, node: str) -> None:
    open_by(stock, node, "qemu-system-x86")
    assert uses(host) == [f"{node} is open by qemu-system-x86 (process 4242)"]


def test_udev_looking_at_a_disk_is_no_use(host: Host, stock: FakeHost) -> None:
    open_by(stock, "/dev/nvme0n1", "(udev-worker)")
    assert uses(host) == []


def test_open_mdev(host: Host, fake: FakeHost) -> None:
    fake.add_controller(ADDRESS, "S1", driver="lightiov")
    fake.add_mdev(ADDRESS, UUID, tenant="blue", queue_pairs="1", namespaces="1", state="ready")
    assert uses(host) == [f"mdev {UUID} is open"]


@pytest.mark.parametrize(
    ("node", "opened"), [("/dev/vfio/7", True), ("/dev/vfio/devices/vfio3", True), ("/dev/null", False)]
)
def test_a_quarantined_mdev_is_open_if_a_process_has_it(host: Host, fake: FakeHost, node: str, opened: bool) -> None:
    fake.add_controller(ADDRESS, "S1", driver="lightiov")
    fake.add_mdev(ADDRESS, UUID, tenant="blue", queue_pairs="1", namespaces="1", state="quarantined")
    fake.link(f"{fake.device(ADDRESS)}/{UUID}/iommu_group", "/sys/kernel/iommu_groups/7")
    fake.path(f"{fake.device(ADDRESS)}/{UUID}/vfio-dev/vfio3").mkdir(parents=True)
    open_by(fake, node, "qemu-system-x86")
    assert (f"mdev {UUID} is open" in uses(host)) is opened


def test_an_ordinary_file_cannot_be_claimed(host: Host, stock: FakeHost) -> None:
    stock.write("/dev/nvme0n1", "")
    assert uses(host) == []


def test_claim_of_the_kernel(host: Host, stock: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    # What ZFS does cannot be had without a disk; the error is what matters.
    def busy(path: object, _flags: int) -> int:
        raise OSError(16, "Device or resource busy", str(path))

    monkeypatch.setattr(os, "open", busy)
    assert uses(host) == ["/dev/nvme0n1 is claimed by the kernel", "/dev/nvme0n2 is claimed by the kernel"]


def test_inactive_volumes(host: Host, stock: FakeHost) -> None:
    stock.write("/run/udev/data/b259:11", "E:ID_FS_TYPE=LVM2_member\nE:ID_FS_USAGE=raid\nG:systemd\n")
    stock.write("/run/udev/data/b259:2", "E:ID_FS_TYPE=ext4\nE:ID_FS_USAGE=filesystem\n")
    assert members(host, controllers(host)[0]) == ["/dev/nvme0n1p1 holds a volume of type LVM2_member"]


def test_sockets_among_descriptors_are_passed_over(host: Host, stock: FakeHost) -> None:
    open_by(stock, "socket:[1]", "sshd")
    assert uses(host) == []
