# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils import _domain as domain
from ansible_collections.lightiov.nvme.plugins.module_utils import _domain_xml as domain_xml
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._plan import Plan
from fake_host import FakeHost

A = "0000:01:00.0"
U1 = "11111111-96c4-5fd1-bb5e-0c0a2e6c8a55"
U2 = "22222222-96c4-5fd1-bb5e-0c0a2e6c8a55"
VGPU = "ffffffff-96c4-5fd1-bb5e-0c0a2e6c8a55"

LIVE, CONFIG = 1, 2
MISSING = 99


class LibvirtError(Exception):
    code = 1

    def get_error_message(self) -> str:
        return str(self)

    def get_error_code(self) -> int:
        return self.code


class FakeDomain:
    """A virDomain: XML that changes as libvirt changes it."""

    def __init__(self, name: str, *uuids: str, active: bool = False, alias: bool = True, holds: bool = False) -> None:
        self._name = name
        self._active = active
        self.holds = holds
        self.ports = 8
        self.trees = {
            scope: ET.fromstring(f"<domain><name>{name}</name><devices/></domain>") for scope in (LIVE, CONFIG)
        }
        for uuid in uuids:
            for scope in (LIVE, CONFIG):
                device = ET.fromstring(domain_xml.hostdev(uuid))
                if not alias:
                    device.remove(device.find("alias"))
                self.trees[scope].find("devices").append(device)

    def name(self) -> str:
        return self._name

    def isActive(self) -> int:
        return int(self._active)

    def isPersistent(self) -> int:
        return 1

    def XMLDesc(self, flags: int) -> str:
        return ET.tostring(self.trees[CONFIG if flags == CONFIG else LIVE], encoding="unicode")

    def attachDeviceFlags(self, xml: str, flags: int) -> None:
        devices = self.trees[flags].find("devices")
        if flags == LIVE and len(devices) >= self.ports:
            raise LibvirtError("internal error: No more available PCI slots")
        devices.append(ET.fromstring(xml))

    def detachDeviceFlags(self, xml: str, flags: int) -> None:
        if flags == LIVE and self.holds:
            return
        uuid = ET.fromstring(xml).find("source/address").get("uuid")
        devices = self.trees[flags].find("devices")
        for device in list(devices):
            if device.find("source/address").get("uuid") == uuid:
                devices.remove(device)
                return
        error = LibvirtError("device not found")
        error.code = MISSING
        raise error

    def has(self, scope: int) -> list[str]:
        return list(domain_xml.mdevs(self.XMLDesc(scope)))


@pytest.fixture
def libvirt(monkeypatch: pytest.MonkeyPatch) -> list[FakeDomain]:
    """The domains of a libvirt with the part of its API that is used."""
    domains: list[FakeDomain] = []
    monkeypatch.setattr(
        domain,
        "libvirt",
        SimpleNamespace(
            libvirtError=LibvirtError,
            VIR_DOMAIN_AFFECT_LIVE=LIVE,
            VIR_DOMAIN_AFFECT_CONFIG=CONFIG,
            VIR_DOMAIN_XML_INACTIVE=CONFIG,
            VIR_ERR_DEVICE_MISSING=MISSING,
            registerErrorHandler=lambda handler, context: None,
            open=lambda uri: SimpleNamespace(listAllDomains=lambda: domains),
        ),
    )
    return domains


@pytest.fixture
def mdevs(fake: FakeHost) -> FakeHost:
    """Two LightIOV mdevs that exist and one of another driver."""
    fake.add_controller(A, "S1", driver="lightiov")
    for number, uuid in enumerate((U1, U2), start=1):
        fake.add_mdev(A, uuid, tenant="blue", queue_pairs="1", namespaces=str(number))
    fake.add_mdev(A, VGPU, "nvidia-35")
    return fake


def make(host: Host, predict: bool = False, timeout: int = 1, absent: Sequence[str] = (), **wanted: list[str]) -> Plan:
    parsed = [domain.Wanted.parse({"name": name, "mdevs": uuids}) for name, uuids in wanted.items()]
    return domain.plan(host, uri="qemu:///system", wanted=parsed, absent=absent, timeout=timeout, predict=predict)


def act(host: Host, **wanted: Any) -> list[tuple[str, str, str, str]]:
    plan = make(host, **wanted)
    for step in plan.steps:
        step.run()
    return [(step.action, step.object, step.details["domain"], step.details["scope"]) for step in plan.steps]


def test_shut_off_domain(host: Host, mdevs: FakeHost, libvirt: list[FakeDomain]) -> None:
    libvirt.append(FakeDomain("vm1"))
    assert act(host, vm1=[U1.upper()]) == [("attach", U1, "vm1", "config")]
    assert libvirt[0].has(CONFIG) == [U1]
    assert libvirt[0].has(LIVE) == []
    assert act(host, vm1=[U1]) == []


def test_running_domain_gets_it_live_first(host: Host, mdevs: FakeHost, libvirt: list[FakeDomain]) -> None:
    libvirt.append(FakeDomain("vm1", active=True))
    assert act(host, vm1=[U1]) == [("attach", U1, "vm1", "live"), ("attach", U1, "vm1", "config")]
    assert act(host, vm1=[]) == [("detach", U1, "vm1", "live"), ("detach", U1, "vm1", "config")]
    assert (libvirt[0].has(LIVE), libvirt[0].has(CONFIG)) == ([], [])


def test_check_mode_foresees_everything_and_changes_nothing(
    host: Host, mdevs: FakeHost, libvirt: list[FakeDomain]
) -> None:
    libvirt.append(FakeDomain("vm1", U1, active=True))
    plan = make(host, predict=True, vm1=[U2])
    assert [(step.action, step.object) for step in plan.steps] == 2 * [("detach", U1)] + 2 * [("attach", U2)]
    assert plan.before == {"domains": [{"name": "vm1", "active": True, "mdevs": [U1]}]}
    assert plan.after == {"domains": [{"name": "vm1", "active": True, "mdevs": [U2]}]}
    assert libvirt[0].has(CONFIG) == [U1]


def test_check_mode_on_a_bare_host(host: Host, fake: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domain, "libvirt", None)
    plan = make(host, predict=True, vm1=[U1])
    assert [step.describe() for step in plan.steps] == [
        {"action": "attach", "object": U1, "domain": "vm1", "scope": "config"}
    ]
    with pytest.raises(LightiovError, match="install python3-libvirt"):
        make(host, vm1=[U1])


def test_an_mdev_that_is_yet_to_be_made(host: Host, fake: FakeHost, libvirt: list[FakeDomain]) -> None:
    libvirt.append(FakeDomain("vm1"))
    assert len(make(host, predict=True, vm1=[U1]).steps) == 1
    with pytest.raises(LightiovError, match=f"mdev {U1} cannot go to domain vm1, because it does not exist"):
        make(host, vm1=[U1])


def test_mdevs_move_between_listed_domains(host: Host, mdevs: FakeHost, libvirt: list[FakeDomain]) -> None:
    libvirt += [FakeDomain("vm1"), FakeDomain("vm2", U1)]
    assert act(host, vm1=[U1], vm2=[]) == [("detach", U1, "vm2", "config"), ("attach", U1, "vm1", "config")]


def test_an_unlisted_domain_keeps_its_mdev(host: Host, mdevs: FakeHost, libvirt: list[FakeDomain]) -> None:
    libvirt += [FakeDomain("vm1"), FakeDomain("vm2", U1)]
    assert act(host, vm1=[U2]) == [("attach", U2, "vm1", "config")]
    with pytest.raises(LightiovError, match="because domain vm2 has it"):
        make(host, vm1=[U1])


class TestAbsent:
    """What no domain may have, whether it is listed or not."""

    def test_goes_from_the_domain_that_has_it(self, host: Host, mdevs: FakeHost, libvirt: list[FakeDomain]) -> None:
        libvirt += [FakeDomain("vm1"), FakeDomain("vm2", U1, U2, active=True)]
        plan = make(host, absent=[U1], predict=True)
        assert plan.before == {"domains": [{"name": "vm2", "active": True, "mdevs": [U1, U2]}]}
        assert plan.after == {"domains": [{"name": "vm2", "active": True, "mdevs": [U2]}]}
        assert act(host, absent=[U1]) == [("detach", U1, "vm2", "live"), ("detach", U1, "vm2", "config")]
        assert (libvirt[1].has(LIVE), libvirt[1].has(CONFIG)) == ([U2], [U2])
        assert act(host, absent=[U1]) == []

    def test_goes_once_from_a_listed_domain(self, host: Host, mdevs: FakeHost, libvirt: list[FakeDomain]) -> None:
        libvirt.append(FakeDomain("vm1", U1))
        assert act(host, absent=[U1], vm1=[U2]) == [("detach", U1, "vm1", "config"), ("attach", U2, "vm1", "config")]

    def test_not_given_to_a_domain_as_well(self, host: Host, mdevs: FakeHost, libvirt: list[FakeDomain]) -> None:
        libvirt.append(FakeDomain("vm1"))
        with pytest.raises(LightiovError, match=f"mdev {U1} is given to domain vm1 and listed as absent"):
            make(host, absent=[U1], vm1=[U1])

    def test_not_one_of_others(self, host: Host, mdevs: FakeHost, libvirt: list[FakeDomain]) -> None:
        libvirt.append(FakeDomain("vm1", VGPU))
        with pytest.raises(LightiovError, match="its type is nvidia-35: do not list it as absent"):
            make(host, absent=[VGPU])


class TestWhoseDevice:
    def test_marked_ones_go_even_when_the_mdev_is_gone(
        self, host: Host, fake: FakeHost, libvirt: list[FakeDomain]
    ) -> None:
        libvirt.append(FakeDomain("vm1", U1))
        assert act(host, vm1=[]) == [("detach", U1, "vm1", "config")]

    def test_unmarked_ones_go_when_they_are_known_by_type(
        self, host: Host, mdevs: FakeHost, libvirt: list[FakeDomain]
    ) -> None:
        libvirt.append(FakeDomain("vm1", U1, alias=False))
        assert act(host, vm1=[]) == [("detach", U1, "vm1", "config")]

    @pytest.mark.parametrize("uuid", [VGPU, "00000000-96c4-5fd1-bb5e-0c0a2e6c8a55"])
    def test_those_of_others_stay(self, host: Host, mdevs: FakeHost, libvirt: list[FakeDomain], uuid: str) -> None:
        libvirt.append(FakeDomain("vm1", uuid, alias=False, active=True))
        assert act(host, vm1=[]) == []

    def test_those_of_others_cannot_be_listed(self, host: Host, mdevs: FakeHost, libvirt: list[FakeDomain]) -> None:
        libvirt.append(FakeDomain("vm1"))
        with pytest.raises(LightiovError, match="its type is nvidia-35"):
            make(host, vm1=[VGPU])

    def test_a_listed_one_without_a_mark_is_left_as_it_is(
        self, host: Host, mdevs: FakeHost, libvirt: list[FakeDomain]
    ) -> None:
        libvirt.append(FakeDomain("vm1", U1, alias=False))
        assert act(host, vm1=[U1]) == []


def test_a_guest_that_does_not_let_go(host: Host, mdevs: FakeHost, libvirt: list[FakeDomain]) -> None:
    libvirt.append(FakeDomain("vm1", U1, active=True, holds=True))
    with pytest.raises(LightiovError, match="still attached to domain vm1 after 1 seconds"):
        act(host, vm1=[])
    assert libvirt[0].has(CONFIG) == [U1]


def test_no_free_port(host: Host, mdevs: FakeHost, libvirt: list[FakeDomain]) -> None:
    libvirt.append(FakeDomain("vm1", active=True))
    libvirt[0].ports = 0
    with pytest.raises(LightiovError, match="another pcie-root-port"):
        act(host, vm1=[U1])
    assert libvirt[0].has(CONFIG) == []


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"vm1": [U1, U1]}, "given to domain vm1 and again to domain vm1"),
        ({"vm1": [U1], "vm2": [U1]}, "given to domain vm1 and again to domain vm2"),
        ({"vm1": ["data"]}, "not a UUID"),
        ({"vm9": []}, "Domain vm9 does not exist"),
    ],
)
def test_lists_that_cannot_be(
    host: Host, mdevs: FakeHost, libvirt: list[FakeDomain], wanted: dict[str, list[str]], message: str
) -> None:
    libvirt += [FakeDomain("vm1"), FakeDomain("vm2")]
    with pytest.raises(LightiovError, match=message):
        make(host, **wanted)


def test_a_domain_listed_twice(host: Host, libvirt: list[FakeDomain]) -> None:
    twice = 2 * [domain.Wanted("vm1", ())]
    with pytest.raises(LightiovError, match="listed twice"):
        domain.plan(host, uri="qemu:///system", wanted=twice, absent=(), timeout=1, predict=False)


def test_libvirt_that_does_not_answer(host: Host, libvirt: list[FakeDomain], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(uri: str) -> None:
        raise LibvirtError("Failed to connect socket")

    monkeypatch.setattr(domain.libvirt, "open", fail)
    with pytest.raises(LightiovError, match=r"check that it is installed and runs \(Failed to connect"):
        make(host, vm1=[])
    assert make(host, predict=True, vm1=[]).steps == []
