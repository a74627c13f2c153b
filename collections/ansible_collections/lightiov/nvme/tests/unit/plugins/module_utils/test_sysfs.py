# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._sysfs import Namespace, controllers, parse_namespaces
from fake_host import FakeHost

UUID = "8d1a5f9e-96c4-5fd1-bb5e-0c0a2e6c8a55"


def test_a_host_without_controllers_has_none(host: Host, fake: FakeHost) -> None:
    fake.write("/sys/bus/pci/devices/0000:00:1f.2/class", "0x010601\n")
    assert controllers(host) == []


NGUID = "eui.0123456789abcdef0025385b01400c1d"


def test_controller_of_the_stock_driver(host: Host, fake: FakeHost) -> None:
    fake.add_controller("0000:01:00.0", "S1", namespaces=2, ids={2: "eui.0025385b01400c1e"})
    (one,) = controllers(host)
    assert (one.address, one.serial, one.model, one.firmware) == ("0000:01:00.0", "S1", "QEMU NVMe Ctrl", "8.2.0")
    assert (one.driver, one.override, one.iommu_group, one.numa_node) == ("nvme", "", 12, None)
    assert (one.queue_pairs, one.admin, one.state) == (None, "/dev/nvme0", "live")
    assert one.namespaces == [
        Namespace(1, 4096, 262144, device="/dev/nvme0n1", id=None),
        Namespace(2, 4096, 262144, device="/dev/nvme0n2", id="eui.0025385b01400c1e"),
    ]


def test_controller_of_lightiov(host: Host, fake: FakeHost) -> None:
    fake.add_controller("0000:01:00.0", "S1", namespaces=2, driver="lightiov", ids={2: NGUID})
    fake.add_mdev("0000:01:00.0", UUID, tenant="blue", queue_pairs="2", namespaces="2")
    fake.write("/etc/driverctl.d/pci-0000:01:00.0", "lightiov\n")
    (one,) = controllers(host)
    assert (one.serial, one.driver, one.override, one.admin) == ("S1", "lightiov", "lightiov", "/dev/lightiov0")
    assert (one.queue_pairs, one.queue_pairs_free, one.vectors, one.tenant) == (64, 62, 64, "blue")
    assert one.namespaces == [
        Namespace(1, 4096, 262144, id="", granularity=16384),
        Namespace(2, 4096, 262144, owner=UUID, id=NGUID, granularity=16384),
    ]
    assert one.mdevs == [UUID]


def test_controller_without_a_driver_has_an_address_only(host: Host, fake: FakeHost) -> None:
    fake.add_controller("0000:01:00.0", "S1", driver="", group=None)
    (one,) = controllers(host)
    assert (one.serial, one.driver, one.iommu_group, one.namespaces) == ("", "", None, [])
    assert str(one) == "0000:01:00.0"


def test_namespace_lines() -> None:
    assert parse_namespaces("") == []
    assert parse_namespaces(f"1 512 8 -\n7 4096 16 {UUID}\n") == [
        Namespace(1, 512, 8),
        Namespace(7, 4096, 16, owner=UUID),
    ]
    assert parse_namespaces("1 512 8 2mdevs - 4096\n") == [
        Namespace(1, 512, 8, owner="2mdevs", id="", granularity=4096)
    ]
