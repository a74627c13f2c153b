# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils import _domain, _libvirt, _libvirt_xml
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._plan import Plan
from fake_host import FakeHost
from fake_libvirt import ASLEEP, CONFIG, LIVE, SHUTOFF, Busy, FakeConnection, FakeDomain, LibvirtError

A = "0000:01:00.0"
U1 = "11111111-96c4-5fd1-bb5e-0c0a2e6c8a55"
U2 = "22222222-96c4-5fd1-bb5e-0c0a2e6c8a55"
VGPU = "ffffffff-96c4-5fd1-bb5e-0c0a2e6c8a55"


def device(uuid: str, alias: bool = True) -> str:
    """A host device; without the alias it is one that something else gave the domain."""
    xml = _libvirt_xml.hostdev(uuid)
    return xml if alias else re.sub("<alias.*?/>", "", xml)


@pytest.fixture
def mdevs(fake: FakeHost) -> FakeHost:
    """Two LightIOV mdevs that exist and one of another driver."""
    fake.add_controller(A, "S1", driver="lightiov")
    for number, uuid in enumerate((U1, U2), start=1):
        fake.add_mdev(A, uuid, tenant="blue", queue_pairs="1", namespaces=str(number))
    fake.add_mdev(A, VGPU, "nvidia-35")
    return fake


def make(host: Host, predict: bool = False, timeout: int = 1, absent: Sequence[str] = (), **wanted: list[str]) -> Plan:
    parsed = [_domain.Wanted.parse({"name": name, "mdevs": uuids}) for name, uuids in wanted.items()]
    return _domain.plan(host, uri="qemu:///system", wanted=parsed, absent=absent, timeout=timeout, predict=predict)


def act(host: Host, **wanted: Any) -> list[tuple[str, str, str, str]]:
    plan = make(host, **wanted)
    for step in plan.steps:
        step.run()
    return [(step.action, step.object, step.details["domain"], step.details["scope"]) for step in plan.steps]


def test_shut_off_domain(host: Host, mdevs: FakeHost, libvirt: FakeConnection) -> None:
    libvirt.add(FakeDomain("vm1"))
    assert act(host, vm1=[U1.upper()]) == [("attach", U1, "vm1", "config")]
    assert libvirt.domains[0].has(CONFIG) == [U1]
    assert libvirt.domains[0].has(LIVE) == []
    assert act(host, vm1=[U1]) == []


def test_running_domain_gets_it_live_first(host: Host, mdevs: FakeHost, libvirt: FakeConnection) -> None:
    libvirt.add(FakeDomain("vm1", active=True))
    assert act(host, vm1=[U1]) == [("attach", U1, "vm1", "live"), ("attach", U1, "vm1", "config")]
    assert act(host, vm1=[]) == [("detach", U1, "vm1", "live"), ("detach", U1, "vm1", "config")]
    assert (libvirt.domains[0].has(LIVE), libvirt.domains[0].has(CONFIG)) == ([], [])


def test_check_mode_foresees_everything_and_changes_nothing(
    host: Host, mdevs: FakeHost, libvirt: FakeConnection
) -> None:
    libvirt.add(FakeDomain("vm1", device(U1), active=True))
    plan = make(host, predict=True, vm1=[U2])
    assert [(step.action, step.object) for step in plan.steps] == 2 * [("detach", U1)] + 2 * [("attach", U2)]
    assert plan.before == {"domains": [{"name": "vm1", "active": True, "mdevs": [U1], "live": [U1]}]}
    assert plan.after == {"domains": [{"name": "vm1", "active": True, "mdevs": [U2], "live": [U2]}]}
    assert libvirt.domains[0].has(CONFIG) == [U1]


def test_check_mode_on_a_bare_host(host: Host, fake: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_libvirt, "api", None)
    plan = make(host, predict=True, vm1=[U1])
    assert [step.describe() for step in plan.steps] == [
        {"action": "attach", "object": U1, "domain": "vm1", "scope": "config"}
    ]
    with pytest.raises(LightiovError, match="install python3-libvirt"):
        make(host, vm1=[U1])


def test_an_mdev_that_is_yet_to_be_made(host: Host, fake: FakeHost, libvirt: FakeConnection) -> None:
    libvirt.add(FakeDomain("vm1"))
    assert len(make(host, predict=True, vm1=[U1]).steps) == 1
    with pytest.raises(LightiovError, match=f"mdev {U1} cannot go to domain vm1, because it does not exist"):
        make(host, vm1=[U1])


def test_an_mdev_whose_definition_a_power_cut_spoilt(host: Host, mdevs: FakeHost, libvirt: FakeConnection) -> None:
    """The mdev module writes it anew: until then it is as one that is yet to be made."""
    libvirt.add(FakeDomain("vm1", device(U1)))
    mdevs.path(f"/sys/bus/mdev/devices/{U1}").unlink()
    mdevs.write(f"/etc/mdevctl.d/{A}/{U1}", "")
    plan = make(host, predict=True, vm1=[U1])
    assert [plan.steps, [one.until for one in plan.unmet]] == [[], ["mdev"]]


def test_mdevs_move_between_listed_domains(host: Host, mdevs: FakeHost, libvirt: FakeConnection) -> None:
    libvirt.add(FakeDomain("vm1"), FakeDomain("vm2", device(U1)))
    assert act(host, vm1=[U1], vm2=[]) == [("detach", U1, "vm2", "config"), ("attach", U1, "vm1", "config")]


def test_an_unlisted_domain_keeps_its_mdev(host: Host, mdevs: FakeHost, libvirt: FakeConnection) -> None:
    libvirt.add(FakeDomain("vm1"), FakeDomain("vm2", device(U1)))
    assert act(host, vm1=[U2]) == [("attach", U2, "vm1", "config")]
    with pytest.raises(LightiovError, match="because domain vm2 has it"):
        make(host, vm1=[U1])


class TestAbsent:
    """What no domain may have, whether it is listed or not."""

    def test_goes_from_the_domain_that_has_it(self, host: Host, mdevs: FakeHost, libvirt: FakeConnection) -> None:
        libvirt.add(FakeDomain("vm1"), FakeDomain("vm2", device(U1), device(U2), active=True))
        plan = make(host, absent=[U1], predict=True)
        assert plan.before == {"domains": [{"name": "vm2", "active": True, "mdevs": [U1, U2], "live": [U1, U2]}]}
        assert plan.after == {"domains": [{"name": "vm2", "active": True, "mdevs": [U2], "live": [U2]}]}
        assert act(host, absent=[U1]) == [("detach", U1, "vm2", "live"), ("detach", U1, "vm2", "config")]
        assert (libvirt.domains[1].has(LIVE), libvirt.domains[1].has(CONFIG)) == ([U2], [U2])
        assert act(host, absent=[U1]) == []

    def test_goes_once_from_a_listed_domain(self, host: Host, mdevs: FakeHost, libvirt: FakeConnection) -> None:
        libvirt.add(FakeDomain("vm1", device(U1)))
        assert act(host, absent=[U1], vm1=[U2]) == [("detach", U1, "vm1", "config"), ("attach", U2, "vm1", "config")]

    def test_not_given_to_a_domain_as_well(self, host: Host, mdevs: FakeHost, libvirt: FakeConnection) -> None:
        libvirt.add(FakeDomain("vm1"))
        with pytest.raises(LightiovError, match=f"mdev {U1} is given to domain vm1 and listed as absent"):
            make(host, absent=[U1], vm1=[U1])

    def test_not_one_of_others(self, host: Host, mdevs: FakeHost, libvirt: FakeConnection) -> None:
        libvirt.add(FakeDomain("vm1", device(VGPU)))
        with pytest.raises(LightiovError, match="its type is nvidia-35: do not list it as absent"):
            make(host, absent=[VGPU])


class TestWhoseDevice:
    def test_marked_ones_go_even_when_the_mdev_is_gone(
        self, host: Host, fake: FakeHost, libvirt: FakeConnection
    ) -> None:
        libvirt.add(FakeDomain("vm1", device(U1)))
        assert act(host, vm1=[]) == [("detach", U1, "vm1", "config")]

    def test_unmarked_ones_go_when_they_are_known_by_type(
        self, host: Host, mdevs: FakeHost, libvirt: FakeConnection
    ) -> None:
        libvirt.add(FakeDomain("vm1", device(U1, alias=False)))
        assert act(host, vm1=[]) == [("detach", U1, "vm1", "config")]

    @pytest.mark.parametrize("uuid", [VGPU, "00000000-96c4-5fd1-bb5e-0c0a2e6c8a55"])
    def test_those_of_others_stay(self, host: Host, mdevs: FakeHost, libvirt: FakeConnection, uuid: str) -> None:
        libvirt.add(FakeDomain("vm1", device(uuid, alias=False), active=True))
        assert act(host, vm1=[]) == []

    def test_those_of_others_cannot_be_listed(self, host: Host, mdevs: FakeHost, libvirt: FakeConnection) -> None:
        libvirt.add(FakeDomain("vm1"))
        with pytest.raises(LightiovError, match="its type is nvidia-35"):
            make(host, vm1=[VGPU])

    def test_a_listed_one_without_a_mark_is_left_as_it_is(
        self, host: Host, mdevs: FakeHost, libvirt: FakeConnection
    ) -> None:
        libvirt.add(FakeDomain("vm1", device(U1, alias=False)))
        assert act(host, vm1=[U1]) == []


def test_a_guest_that_does_not_let_go(host: Host, mdevs: FakeHost, libvirt: FakeConnection) -> None:
    libvirt.add(FakeDomain("vm1", device(U1), active=True))
    libvirt.domains[0].holds = True
    with pytest.raises(LightiovError, match="still attached to domain vm1 after 1 seconds"):
        act(host, vm1=[])
    assert libvirt.domains[0].has(CONFIG) == [U1]


def test_no_free_port(host: Host, mdevs: FakeHost, libvirt: FakeConnection) -> None:
    libvirt.add(FakeDomain("vm1", active=True))
    libvirt.domains[0].ports = 0
    with pytest.raises(LightiovError, match="another pcie-root-port"):
        act(host, vm1=[U1])
    assert libvirt.domains[0].has(CONFIG) == []


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"vm1": [U1, U1]}, "given twice, to domain vm1 and to domain vm1"),
        ({"vm1": [U1], "vm2": [U1]}, "given twice, to domain vm1 and to domain vm2"),
        ({"vm1": ["data"]}, "not a UUID"),
        ({"vm9": []}, "Domain vm9 does not exist"),
    ],
)
def test_lists_that_cannot_be(
    host: Host, mdevs: FakeHost, libvirt: FakeConnection, wanted: dict[str, list[str]], message: str
) -> None:
    libvirt.add(FakeDomain("vm1"), FakeDomain("vm2"))
    with pytest.raises(LightiovError, match=message):
        make(host, **wanted)


def test_a_domain_listed_twice(host: Host, libvirt: FakeConnection) -> None:
    twice = 2 * [_domain.Wanted("vm1", ())]
    with pytest.raises(LightiovError, match="listed twice"):
        _domain.plan(host, uri="qemu:///system", wanted=twice, absent=(), timeout=1, predict=False)


def test_libvirt_that_does_not_answer(host: Host, libvirt: FakeConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise LibvirtError(38, "Failed to connect socket")

    monkeypatch.setattr(libvirt, "listAllDomains", fail)
    with pytest.raises(LightiovError, match=r"check that it is installed and runs \(Failed to connect"):
        make(host, vm1=[])
    monkeypatch.setattr(_libvirt.api, "open", fail)
    with pytest.raises(LightiovError, match=r"or correct lightiov_libvirt_uri \(Failed to connect"):
        make(host, vm1=[])
    assert make(host, predict=True, vm1=[]).steps == []


class TestUnplug:
    """Success is said when the device is gone, and not before the guest has had its time."""

    @pytest.fixture
    def running(self, mdevs: FakeHost, libvirt: FakeConnection, monkeypatch: pytest.MonkeyPatch) -> FakeDomain:
        monkeypatch.setattr(_domain, "ASK_AGAIN", 0.05)
        libvirt.add(FakeDomain("vm1", device(U1), active=True))
        return libvirt.domains[0]

    @pytest.mark.parametrize(
        "requests",
        [
            [Busy(), Busy()],
            [None, Busy(f"Device ua-lightiov-{U1} is already in the process of unplug"), None],
            [LibvirtError(9, "operation failed: unplug of device was rejected by the guest")],
        ],
        ids=["still plugging", "dropped", "rejected"],
    )
    def test_asked_again_until_it_is_gone(
        self, host: Host, running: FakeDomain, requests: list[LibvirtError | None]
    ) -> None:
        running.requests = requests
        act(host, vm1=[])
        assert running.has(LIVE) == []

    def test_what_else_libvirt_says_is_told(self, host: Host, running: FakeDomain) -> None:
        running.requests = [LibvirtError(68, "Timed out during operation: cannot acquire state change lock")]
        with pytest.raises(LightiovError, match=r"was not detached from domain vm1.*cannot acquire state change lock"):
            act(host, vm1=[])

    def test_a_guest_that_plugs_for_ever(self, host: Host, running: FakeDomain) -> None:
        running.requests = [Busy()] * 1000
        with pytest.raises(LightiovError, match=r"after 1 seconds.*\(.*guest is busy"):
            act(host, vm1=[])

    @pytest.mark.parametrize("end", ["ended", "vanished"])
    def test_a_vm_that_ends_meanwhile_has_let_go(self, host: Host, running: FakeDomain, end: str) -> None:
        [live, _config] = make(host, vm1=[]).steps
        if end == "ended":
            running.status = SHUTOFF
        else:
            running.vanished = True
        live.run()

    def test_a_sleeping_vm_is_not_waited_for(self, host: Host, running: FakeDomain) -> None:
        running.status = ASLEEP
        with pytest.raises(LightiovError, match=r"Domain vm1 sleeps, .*: wake it"):
            make(host, vm1=[])
        with pytest.raises(LightiovError, match=r"Domain vm1 sleeps, .*: wake it"):
            make(host, vm1=[U1, U2])
        assert make(host, vm1=[U1]).steps == []


def test_a_domain_that_vanishes_while_all_are_listed(host: Host, mdevs: FakeHost, libvirt: FakeConnection) -> None:
    libvirt.add(FakeDomain("vm1"), FakeDomain("vm2", device(U2)))
    libvirt.domains[1].vanished = True
    assert act(host, vm1=[U1, U2]) == [("attach", U1, "vm1", "config"), ("attach", U2, "vm1", "config")]


class TestDangling:
    """A host device whose mdev is no more keeps its domain from starting."""

    def test_goes_from_a_domain_that_left_the_list(self, host: Host, mdevs: FakeHost, libvirt: FakeConnection) -> None:
        lost = "33333333-96c4-5fd1-bb5e-0c0a2e6c8a55"
        libvirt.add(FakeDomain("vm1"), FakeDomain("vm2", device(lost), device(U1), device(VGPU, alias=False)))
        assert act(host, vm1=[]) == [("detach", lost, "vm2", "config")]
        assert libvirt.domains[1].has(CONFIG) == [U1, VGPU]
        assert act(host, vm1=[]) == []

    def test_stays_when_the_collection_did_not_attach_it(
        self, host: Host, mdevs: FakeHost, libvirt: FakeConnection
    ) -> None:
        libvirt.add(FakeDomain("vm2", device("33333333-96c4-5fd1-bb5e-0c0a2e6c8a55", alias=False)))
        assert act(host) == []


def test_a_change_of_one_scope_is_shown(host: Host, mdevs: FakeHost, libvirt: FakeConnection) -> None:
    libvirt.add(FakeDomain("vm1", device(U1), active=True))
    libvirt.domains[0].detachDeviceFlags(device(U1), LIVE)
    plan = make(host, vm1=[U1])
    assert len(plan.steps) == 1
    assert plan.before == {"domains": [{"name": "vm1", "active": True, "mdevs": [U1], "live": []}]}
    assert plan.after == {"domains": [{"name": "vm1", "active": True, "mdevs": [U1], "live": [U1]}]}


class TestOfTheVersionBefore:
    """It made an mdev of each disk; what takes their place can only exist when no VM has them open."""

    NEW = "33333333-96c4-5fd1-bb5e-0c0a2e6c8a55"

    @pytest.fixture
    def domain(self, mdevs: FakeHost, libvirt: FakeConnection) -> FakeDomain:
        libvirt.add(FakeDomain("vm1", device(U1), device(U2), active=True))
        return libvirt.domains[0]

    @pytest.mark.parametrize("status", [None, ASLEEP])
    def test_a_running_domain_keeps_them_and_can_be_started_anew(
        self, host: Host, domain: FakeDomain, status: int | None
    ) -> None:
        domain.status = domain.status if status is None else status
        plan = make(host, vm1=[self.NEW])
        assert plan.after["domains"] == [{"name": "vm1", "active": True, "mdevs": [U1, U2], "live": [U1, U2]}]
        assert act(host, vm1=[self.NEW]) == []
        assert (domain.has(CONFIG), domain.has(LIVE)) == ([U1, U2], [U1, U2])

    def test_one_that_is_off_has_the_new_one_alone(self, host: Host, mdevs: FakeHost, domain: FakeDomain) -> None:
        domain.status = SHUTOFF
        for uuid in (U1, U2):
            mdevs.remove_mdev(uuid)
        mdevs.add_mdev(A, self.NEW, tenant="blue", queue_pairs="1", namespaces="1,2")
        act(host, vm1=[self.NEW])
        assert domain.has(CONFIG) == [self.NEW]

    def test_without_them_it_has_to_exist(self, host: Host, mdevs: FakeHost, domain: FakeDomain) -> None:
        mdevs.remove_mdev(U1)
        mdevs.remove_mdev(U2)
        with pytest.raises(LightiovError, match=f"mdev {self.NEW} cannot go to domain vm1, because it does not exist"):
            make(host, vm1=[self.NEW])
