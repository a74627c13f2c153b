# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils import _controller as controller
from ansible_collections.lightiov.nvme.plugins.module_utils._controller import Selector
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._plan import Plan
from fake_host import FakeHost

A, B = "0000:01:00.0", "0000:02:00.0"
UUID = "8d1a5f9e-96c4-5fd1-bb5e-0c0a2e6c8a55"


@pytest.fixture
def two(fake: FakeHost) -> FakeHost:
    fake.add_controller(A, "S1")
    fake.add_controller(B, "S2", group=13)
    return fake


def make(host: Host, *selectors: tuple[str, str], force: bool = False, predict: bool = False) -> Plan:
    parsed = [Selector.parse({by: value}) for by, value in selectors]
    return controller.plan(host, parsed, force=force, predict=predict)


def act(host: Host, *selectors: tuple[str, str], **options: Any) -> list[tuple[str, str]]:
    plan = make(host, *selectors, **options)
    for step in plan.steps:
        step.run()
    return [(step.action, step.object) for step in plan.steps]


@pytest.mark.parametrize("selector", [("serial", "S1"), ("address", A), ("address", A.upper())])
def test_take_one_and_then_nothing_is_left_to_do(host: Host, two: FakeHost, selector: tuple[str, str]) -> None:
    assert act(host, selector) == [("bind", A)]
    assert (two.driver(A), two.driver(B)) == ("lightiov", "nvme")
    assert two.read(f"/etc/driverctl.d/pci-{A}") == "lightiov"
    assert act(host, selector) == []


def test_a_model_selects_all_of_it(host: Host, two: FakeHost) -> None:
    assert act(host, ("model", "QEMU NVMe Ctrl"), ("serial", "S1")) == [("bind", A), ("bind", B)]


def test_check_mode_foresees_everything_and_changes_nothing(host: Host, two: FakeHost) -> None:
    before = two.snapshot()
    plan = make(host, ("serial", "S1"), predict=True)
    assert [step.describe() for step in plan.steps] == [{"action": "bind", "object": A, "serial": "S1"}]
    assert plan.returned["controllers"][0]["driver"] == "lightiov"
    assert plan.before["controllers"][0]["driver"] == "nvme"
    assert two.snapshot() == before
    assert two.log() == []


def test_check_mode_on_a_bare_host_warns_only(host: Host, two: FakeHost) -> None:
    two.unload_driver("lightiov")
    two.remove_tool("driverctl")
    plan = make(host, ("serial", "S1"), predict=True)
    assert len(plan.steps) == 1
    assert len(plan.warnings) == 2


def test_exchange_gives_back_first(host: Host, two: FakeHost) -> None:
    act(host, ("serial", "S1"))
    assert act(host, ("serial", "S2")) == [("release", A), ("bind", B)]
    assert (two.driver(A), two.driver(B)) == ("nvme", "lightiov")
    assert not two.path(f"/etc/driverctl.d/pci-{A}").exists()


def test_empty_list_gives_all_back(host: Host, two: FakeHost) -> None:
    act(host, ("model", "QEMU NVMe Ctrl"))
    assert act(host) == [("release", A), ("release", B)]
    assert act(host) == []


def test_release_loads_the_stock_driver_if_need_be(host: Host, two: FakeHost) -> None:
    act(host, ("serial", "S1"))
    two.unload_driver("nvme")
    act(host)
    assert two.driver(A) == "nvme"


def test_controllers_of_other_drivers_are_left_alone(host: Host, fake: FakeHost) -> None:
    fake.load_driver("vfio-pci")
    fake.add_controller(A, "S1", driver="vfio-pci")
    assert act(host) == []


def test_binding_that_would_not_survive_a_boot_is_made_to(host: Host, fake: FakeHost) -> None:
    fake.add_controller(A, "S1", driver="lightiov")
    assert act(host, ("serial", "S1")) == [("persist", A)]
    assert fake.read(f"/etc/driverctl.d/pci-{A}") == "lightiov"
    assert fake.log() == []


def test_overrides_of_controllers_that_are_gone_or_elsewhere_are_forgotten(host: Host, two: FakeHost) -> None:
    two.write("/etc/driverctl.d/pci-0000:09:00.0", "lightiov\n")
    two.write("/etc/driverctl.d/pci-0000:08:00.0", "vfio-pci\n")
    two.write(f"/etc/driverctl.d/pci-{A}", "lightiov\n")
    two.write(f"{two.device(A)}/driver_override", "lightiov\n")
    assert act(host) == [("forget", A), ("forget", "0000:09:00.0")]
    assert two.path("/etc/driverctl.d/pci-0000:08:00.0").exists()
    assert two.read(f"{two.device(A)}/driver_override") == ""
    assert two.driver(A) == "nvme"


@pytest.mark.parametrize(
    ("selector", "message"),
    [
        (("serial", "S9"), r"has the serial 'S9': choose from those present: S1 \(0000:01:00.0\)"),
        (("model", "Fast"), "has the model 'Fast'"),
        (("address", "0000:09:00.0"), "has the address '0000:09:00.0'"),
        (("address", "01:00.0"), "no PCI address"),
    ],
)
def test_selectors_that_match_nothing(host: Host, two: FakeHost, selector: tuple[str, str], message: str) -> None:
    with pytest.raises(LightiovError, match=message):
        make(host, ("serial", "S1"), selector)


def test_selector_needs_one_criterion() -> None:
    with pytest.raises(LightiovError, match="exactly one"):
        Selector.parse({"serial": "S1", "address": A})


def test_ambiguous_serial(host: Host, two: FakeHost) -> None:
    two.add_controller("0000:03:00.0", "S1")
    with pytest.raises(LightiovError, match="not unique"):
        make(host, ("serial", "S1"))


@pytest.mark.parametrize("predict", [False, True])
def test_a_mounted_controller_is_never_taken(host: Host, two: FakeHost, predict: bool) -> None:
    two.write("/proc/self/mountinfo", "29 1 259:1 / /srv rw - ext4 /dev/nvme0n1 rw\n")
    before = two.snapshot()
    with pytest.raises(LightiovError, match=r"S1 \(0000:01:00.0\) is in use, /dev/nvme0n1 is mounted on /srv"):
        make(host, ("serial", "S1"), force=True, predict=predict)
    assert two.snapshot() == before


def test_an_inactive_volume_needs_force(host: Host, two: FakeHost) -> None:
    two.write("/run/udev/data/b259:1", "E:ID_FS_TYPE=LVM2_member\nE:ID_FS_USAGE=raid\n")
    with pytest.raises(LightiovError, match=r"inactive volume.*LVM2_member"):
        make(host, ("serial", "S1"))
    assert act(host, ("serial", "S1"), force=True) == [("bind", A)]


def test_no_iommu(host: Host, fake: FakeHost) -> None:
    fake.add_controller(A, "S1", group=None)
    with pytest.raises(LightiovError, match="not behind an IOMMU"):
        make(host, ("serial", "S1"))


def test_a_controller_that_the_driver_refuses_goes_back(host: Host, fake: FakeHost) -> None:
    fake.add_controller(A, "S1", broken=True)
    with pytest.raises(LightiovError, match="not accepted by the driver lightiov and went back to nvme"):
        act(host, ("serial", "S1"))
    assert fake.driver(A) == "nvme"
    assert not fake.path(f"/etc/driverctl.d/pci-{A}").exists()


class TestRelease:
    @pytest.fixture
    def busy(self, fake: FakeHost) -> FakeHost:
        fake.add_controller(A, "S1", driver="lightiov")
        fake.add_mdev(A, UUID, tenant="blue", queue_pairs="1", namespaces="1")
        return fake

    def test_mdevs_hold_it(self, host: Host, busy: FakeHost) -> None:
        with pytest.raises(LightiovError, match=f"has the mdevs {UUID}: remove them"):
            make(host)

    def test_unless_forced(self, host: Host, busy: FakeHost) -> None:
        assert act(host, force=True) == [("release", A)]

    def test_an_open_mdev_holds_it_even_so(self, host: Host, busy: FakeHost) -> None:
        busy.write(f"{busy.device(A)}/{UUID}/state", "ready\n")
        with pytest.raises(LightiovError, match=f"VMs have its mdevs {UUID} open"):
            make(host, force=True)

    def test_check_mode_takes_them_as_removed_before(self, host: Host, busy: FakeHost) -> None:
        plan = make(host, predict=True)
        assert [step.action for step in plan.steps] == ["release"]
        assert "has the mdevs" in plan.warnings[0]
