# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils import _controller as controller
from ansible_collections.lightiov.nvme.plugins.module_utils._controller import Selector
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._plan import Plan
from ansible_collections.lightiov.nvme.plugins.module_utils._record import RECORD
from ansible_collections.lightiov.nvme.plugins.module_utils._sysfs import controllers
from fake_host import FakeHost

A, B = "0000:01:00.0", "0000:02:00.0"
WRITE = ("record", RECORD)
UUID = "8d1a5f9e-96c4-5fd1-bb5e-0c0a2e6c8a55"
OTHER = "9e2b6fa0-96c4-5fd1-bb5e-0c0a2e6c8a55"


@pytest.fixture
def two(fake: FakeHost) -> FakeHost:
    fake.add_controller(A, "S1")
    fake.add_controller(B, "S2", group=13)
    return fake


def make(host: Host, *selectors: tuple[str, str], take_volumes: bool = False, predict: bool = False) -> Plan:
    parsed = [Selector.parse({by: value}) for by, value in selectors]
    return controller.plan(host, parsed, take_volumes=take_volumes, predict=predict)


def act(host: Host, *selectors: tuple[str, str], **options: Any) -> list[tuple[str, str]]:
    done = []
    while True:
        plan = make(host, *selectors, **options)
        for step in plan.steps:
            step.run()
            done.append((step.action, step.object))
        if not plan.provisional:
            return done


@pytest.mark.parametrize("selector", [("serial", "S1"), ("address", A), ("address", A.upper())])
def test_take_one_and_then_nothing_is_left_to_do(host: Host, two: FakeHost, selector: tuple[str, str]) -> None:
    assert act(host, selector) == [WRITE, ("bind", A)]
    assert (two.driver(A), two.driver(B)) == ("lightiov", "nvme")
    assert two.read(f"/etc/driverctl.d/pci-{A}") == "lightiov"
    assert act(host, selector) == []


def test_a_model_selects_all_of_it(host: Host, two: FakeHost) -> None:
    assert act(host, ("model", "QEMU NVMe Ctrl"), ("serial", "S1")) == [WRITE, ("bind", A), ("bind", B)]


def test_check_mode_foresees_everything_and_changes_nothing(host: Host, two: FakeHost) -> None:
    before = two.snapshot()
    plan = make(host, ("serial", "S1"), predict=True)
    assert [step.describe() for step in plan.steps] == [
        {"action": "record", "object": RECORD},
        {"action": "bind", "object": A, "serial": "S1"},
    ]
    assert plan.returned["controllers"][0]["driver"] == "lightiov"
    assert plan.before["controllers"][0]["driver"] == "nvme"
    assert two.snapshot() == before
    assert two.log() == []


def test_check_mode_on_a_bare_host_warns_only(host: Host, two: FakeHost) -> None:
    two.unload_driver("lightiov")
    two.remove_tool("driverctl")
    plan = make(host, ("serial", "S1"), predict=True)
    assert [step.action for step in plan.steps] == ["record", "bind"]
    assert [one.until for one in plan.unmet] == ["dkms_module", "packages"]


def test_exchange_gives_back_first(host: Host, two: FakeHost) -> None:
    act(host, ("serial", "S1"))
    assert act(host, ("serial", "S2")) == [WRITE, ("release", A), ("bind", B), WRITE]
    assert (two.driver(A), two.driver(B)) == ("nvme", "lightiov")
    assert not two.path(f"/etc/driverctl.d/pci-{A}").exists()


def test_empty_list_gives_all_back(host: Host, two: FakeHost) -> None:
    act(host, ("model", "QEMU NVMe Ctrl"))
    assert act(host) == [("release", A), ("release", B), WRITE]
    assert not two.path(RECORD).exists()
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
    assert act(host, ("serial", "S1")) == [WRITE, ("persist", A)]
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
        make(host, ("serial", "S1"), take_volumes=True, predict=predict)
    assert two.snapshot() == before


def test_an_inactive_volume_needs_consent(host: Host, two: FakeHost) -> None:
    two.write("/run/udev/data/b259:1", "E:ID_FS_TYPE=LVM2_member\nE:ID_FS_USAGE=raid\n")
    with pytest.raises(LightiovError, match=r"inactive volume.*LVM2_member"):
        make(host, ("serial", "S1"))
    assert act(host, ("serial", "S1"), take_volumes=True) == [WRITE, ("bind", A)]


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
        with pytest.raises(LightiovError, match=f"has the mdevs {UUID}: remove {UUID}, which"):
            make(host)

    def test_each_is_to_be_removed_by_who_has_made_it(self, host: Host, busy: FakeHost) -> None:
        busy.add_mdev(A, OTHER, label="lightiov.nvme:vm1", tenant="blue", queue_pairs="1", namespaces="1")
        remedy = rf"remove {OTHER} with lightiov\.nvme\.mdev, and {UUID}, which .* has not made, with mdevctl"
        with pytest.raises(LightiovError, match=remedy):
            make(host)

    def test_whatever_the_operator_consents_to(self, host: Host, busy: FakeHost) -> None:
        with pytest.raises(LightiovError, match=f"has the mdevs {UUID}: remove {UUID}, which"):
            make(host, take_volumes=True)

    def test_an_open_mdev_holds_it(self, host: Host, busy: FakeHost) -> None:
        busy.write(f"{busy.device(A)}/{UUID}/state", "ready\n")
        with pytest.raises(LightiovError, match=f"VMs have its mdevs {UUID} open"):
            make(host, take_volumes=True)

    def test_check_mode_takes_them_as_removed_before(self, host: Host, busy: FakeHost) -> None:
        plan = make(host, predict=True)
        assert [step.action for step in plan.steps] == ["release"]
        assert "has the mdevs" in plan.unmet[0].sentence
        assert [one.until for one in plan.unmet] == ["mdev"]


def recorded(fake: FakeHost) -> dict[str, str]:
    """Serial numbers by address, as they are written down."""
    return {address: one["serial"] for address, one in json.loads(fake.read(RECORD)).items()}


def drop(fake: FakeHost, *addresses: str) -> None:
    """The module is unloaded, so its controllers have no driver."""
    fake.unload_driver("lightiov")
    for address in addresses:
        fake.bind(address, "")


def exchange(fake: FakeHost) -> None:
    """The two controllers change slots while the host is off; at boot drivers take them by address."""
    hardware = fake.hardware
    hardware[A], hardware[B] = hardware[B], hardware[A]
    fake.write("/hardware.json", json.dumps(hardware))
    for address in (A, B):
        fake.bind(address, fake.driver(address))


class TestModuleNotLoaded:
    def test_its_controllers_are_known_from_the_record(self, host: Host, two: FakeHost) -> None:
        act(host, ("serial", "S1"))
        drop(two, A)
        one = controllers(host)[0]
        assert (one.serial, one.model, one.firmware) == ("S1", "QEMU NVMe Ctrl", "8.2.0")
        assert (one.driver, one.held, one.recorded, one.identified) == ("", True, True, False)

    def test_what_happens_once_it_is_loaded_is_foretold(self, host: Host, two: FakeHost) -> None:
        act(host, ("serial", "S1"))
        drop(two, A)
        plan = make(host, ("serial", "S1"), predict=True)
        assert [(step.action, step.object) for step in plan.steps] == [("bind", A)]
        assert [one.until for one in plan.unmet] == ["dkms_module"]
        assert plan.after["controllers"][0] == {
            "address": A,
            "serial": "S1",
            "model": "QEMU NVMe Ctrl",
            "driver": "lightiov",
            "override": "lightiov",
            "recorded": False,
        }
        with pytest.raises(LightiovError, match="driver lightiov is not loaded"):
            make(host, ("serial", "S1"))

    def test_without_a_record_it_may_be_any(self, host: Host, two: FakeHost) -> None:
        act(host, ("serial", "S1"))
        drop(two, A)
        two.path(RECORD).unlink()
        plan = make(host, ("serial", "S1"), predict=True)
        assert plan.steps == []
        assert [one.until for one in plan.unmet] == ["dkms_module"]
        with pytest.raises(LightiovError, match=f"{A} is bound to nothing, so it does not say who it is"):
            make(host, ("serial", "S1"))

    @pytest.mark.parametrize("written", [True, False])
    def test_one_left_without_a_driver_is_bound_to_see_who_it_is(
        self, host: Host, two: FakeHost, written: bool
    ) -> None:
        act(host, ("serial", "S1"))
        two.bind(A, "")
        if not written:
            two.path(RECORD).unlink()
        assert act(host, ("serial", "S1")) == [("bind", A)] + [WRITE] * (not written)
        assert recorded(two) == {A: "S1"}
        assert act(host, ("serial", "S1")) == []

    def test_one_that_turns_out_to_be_another_goes_back(self, host: Host, two: FakeHost) -> None:
        act(host, ("serial", "S1"))
        exchange(two)
        two.bind(A, "")
        two.bind(B, "")
        # B was never LightIOV's, so nothing may be done to it, and S1 cannot be found.
        with pytest.raises(LightiovError, match="has the serial 'S1'"):
            act(host, ("serial", "S1"))
        assert (two.driver(A), two.driver(B)) == ("lightiov", "")
        two.bind(B, "nvme")
        assert act(host, ("serial", "S1")) == [WRITE, ("release", A), ("bind", B)]
        assert recorded(two) == {B: "S1"}

    def test_nothing_is_bound_when_the_list_cannot_be(self, host: Host, two: FakeHost) -> None:
        two.bind(A, "")
        before = two.snapshot()
        with pytest.raises(LightiovError, match="has the serial 'S9'"):
            make(host, ("address", A), ("serial", "S9"))
        assert two.snapshot() == before

    def test_one_chosen_by_address_is_written_down_once_it_is_known(self, host: Host, two: FakeHost) -> None:
        two.bind(A, "")
        assert act(host, ("address", A)) == [("bind", A), WRITE]
        assert recorded(two) == {A: "S1"}

    def test_one_that_leaves_goes_back_to_the_stock_driver(self, host: Host, two: FakeHost) -> None:
        act(host, ("serial", "S1"))
        drop(two, A)
        assert act(host) == [("release", A), WRITE]
        assert two.driver(A) == "nvme"
        assert not two.path(f"/etc/driverctl.d/pci-{A}").exists()
        assert not two.path(RECORD).exists()

    def test_one_bound_by_hand_is_not_disturbed(self, host: Host, two: FakeHost) -> None:
        act(host, ("serial", "S1"))
        two.load_driver("vfio-pci")
        two.bind(A, "vfio-pci")
        assert act(host) == [("forget", A), WRITE]
        assert two.driver(A) == "vfio-pci"

    def test_nor_one_that_the_operator_wants_without_a_driver(self, host: Host, two: FakeHost) -> None:
        act(host, ("serial", "S1"))
        two.bind(A, "")
        two.write(f"/etc/driverctl.d/pci-{A}", "none\n")
        assert act(host) == [WRITE]
        assert two.driver(A) == ""

    def test_the_driver_refuses_one_of_its_own(self, host: Host, two: FakeHost) -> None:
        act(host, ("serial", "S1"))
        two.write("/hardware.json", two.read("/hardware.json").replace('"broken": false', '"broken": true'))
        two.bind(A, "")
        with pytest.raises(LightiovError, match="not accepted by the driver lightiov and stays without one"):
            act(host, ("serial", "S1"))
        assert two.driver(A) == ""

    def test_a_spoilt_record_is_named(self, host: Host, two: FakeHost) -> None:
        two.write(RECORD, "{")
        with pytest.raises(LightiovError, match=f"{RECORD} is not a record of controllers"):
            make(host)


class TestExchangedSlots:
    def test_the_serial_is_followed(self, host: Host, two: FakeHost) -> None:
        act(host, ("serial", "S1"))
        exchange(two)
        assert (two.driver(A), two.driver(B)) == ("lightiov", "nvme")
        plan = make(host, ("serial", "S1"))
        assert plan.warnings == [f"Controller S1 was at {A} and is now at {B}, where LightIOV follows it"]
        assert act(host, ("serial", "S1")) == [WRITE, ("release", A), ("bind", B)]
        assert (two.driver(A), two.driver(B)) == ("nvme", "lightiov")
        assert recorded(two) == {B: "S1"}
        assert make(host, ("serial", "S1")).warnings == []

    def test_what_guests_wrote_needs_no_consent_to_be_taken_along(self, host: Host, two: FakeHost) -> None:
        act(host, ("serial", "S1"))
        exchange(two)
        two.write("/run/udev/data/b259:1", "E:ID_FS_TYPE=LVM2_member\nE:ID_FS_USAGE=raid\n")
        assert ("bind", B) in act(host, ("serial", "S1"))

    def test_what_the_host_uses_is_not(self, host: Host, two: FakeHost) -> None:
        act(host, ("serial", "S1"))
        exchange(two)
        two.write("/proc/self/mountinfo", "29 1 259:1 / /srv rw - ext4 /dev/nvme0n1 rw\n")
        with pytest.raises(LightiovError, match="is mounted on /srv"):
            make(host, ("serial", "S1"), take_volumes=True)

    def test_two_of_ours(self, host: Host, two: FakeHost) -> None:
        both = [("serial", "S1"), ("serial", "S2")]
        act(host, *both)
        exchange(two)
        assert len(make(host, *both).warnings) == 2
        assert act(host, *both) == [WRITE]
        assert recorded(two) == {A: "S2", B: "S1"}

    def test_an_empty_slot_is_forgotten(self, host: Host, two: FakeHost) -> None:
        act(host, ("serial", "S1"))
        hardware = two.hardware
        hardware["0000:03:00.0"] = hardware.pop(A)
        two.write("/hardware.json", json.dumps(hardware))
        two.path(f"/sys/bus/pci/devices/{A}").unlink()
        two.link("/sys/bus/pci/devices/0000:03:00.0", two.device("0000:03:00.0"))
        two.bind("0000:03:00.0", "nvme")
        assert act(host, ("serial", "S1")) == [WRITE, ("forget", A), ("bind", "0000:03:00.0")]
        assert recorded(two) == {"0000:03:00.0": "S1"}

    def test_a_record_is_not_believed_against_what_is_seen(self, host: Host, two: FakeHost) -> None:
        act(host, ("serial", "S1"))
        exchange(two)
        drop(two, A)
        plan = make(host, ("serial", "S1"), predict=True)
        assert [(step.action, step.object) for step in plan.steps] == [WRITE, ("release", A), ("bind", B)]


def test_given_and_taken_back_twenty_times(host: Host, two: FakeHost) -> None:
    before = two.snapshot()
    for _time in range(20):
        assert act(host, ("serial", "S2")) == [WRITE, ("bind", B)]
        assert act(host) == [("release", B), WRITE]
    assert two.snapshot() == before


@pytest.mark.parametrize(
    ("options", "selector"),
    [
        ({"serial": 1234}, ("serial", "1234")),
        ({"serial": " S1 "}, ("serial", "S1")),
        ({"model": "QEMU NVMe Ctrl                          "}, ("model", "QEMU NVMe Ctrl")),
    ],
)
def test_names_as_operators_write_them(options: dict[str, Any], selector: tuple[str, str]) -> None:
    parsed = Selector.parse(options)
    assert (parsed.by, parsed.value) == selector
