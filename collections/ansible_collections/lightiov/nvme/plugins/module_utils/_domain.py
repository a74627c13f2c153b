# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mdev host devices of libvirt domains: plan and act."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils import _libvirt, _libvirt_xml
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host, wait_until
from ansible_collections.lightiov.nvme.plugins.module_utils._mdevctl import active_mdevs, definitions, is_ours
from ansible_collections.lightiov.nvme.plugins.module_utils._plan import Plan
from ansible_collections.lightiov.nvme.plugins.module_utils._uuids import canonical

# virDomainState, in the words of the collection.
STATES = {1: "running", 2: "running", 3: "paused", 4: "shutting down", 5: "stopped", 6: "crashed", 7: "asleep"}
# A guest takes 5 seconds to give a device up, by the rules of native PCI Express hot-plug.
ASK_AGAIN = 10
# What QEMU says while the guest still plugs the device in, or has not yet answered the last request.
NOT_YET = ("guest is busy", "already in the process of unplug", "rejected by the guest")


@dataclass(frozen=True)
class Wanted:
    """A domain and all LightIOV mdevs that it should have."""

    name: str
    mdevs: tuple[str, ...]

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> Wanted:
        return cls(options["name"], tuple(canonical(uuid) for uuid in options["mdevs"]))


@dataclass(frozen=True)
class Mdevs:
    """What the host knows about mdevs: types by UUID, and which exist now."""

    types: Mapping[str, str]
    active: frozenset[str]
    # Those that the version before has made, one for each disk.
    former: frozenset[str] = frozenset()

    @classmethod
    def of(cls, host: Host) -> Mdevs:
        found = active_mdevs(host)
        active = {mdev.uuid: mdev.type for mdev in found}
        # What a power cut spoilt, mdev replaces or has named.
        defined = {one.uuid: one.type for one in definitions(host) if not one.is_spoilt}
        former = (mdev.uuid for mdev in found if is_ours(mdev.type) and mdev.attributes.is_former)
        return cls({**defined, **active}, frozenset(active), frozenset(former))

    def kept(self, domain: Domain, wanted: Iterable[str]) -> frozenset[str]:
        """What a running domain keeps until a run finds it off, because what takes its place can only exist then."""
        if all(uuid in self.active for uuid in wanted):
            return frozenset()
        return self.former.intersection(domain.mdevs().get("live", {}))

    def owned(self, attached: Mapping[str, str]) -> list[str]:
        """Those of LightIOV, of a domain's mdevs and their aliases."""
        return [
            uuid
            for uuid, alias in attached.items()
            if _libvirt_xml.is_marked(alias) or is_ours(self.types.get(uuid, ""))
        ]

    def dangling(self, attached: Mapping[str, str]) -> list[str]:
        """Those that the collection attached and that are no more: with one of them, a domain cannot start."""
        return [uuid for uuid, alias in attached.items() if _libvirt_xml.is_marked(alias) and uuid not in self.types]


@dataclass(frozen=True)
class Domain:
    """One domain of libvirt as it was when it was looked at; `handle` is its virDomain."""

    handle: Any
    name: str
    uuid: str
    state: str
    autostart: bool
    # By scope; the running domain first, because only it can refuse a change.
    xml: Mapping[str, str]
    # In check mode, those that it will have given up by then.
    unplugged: frozenset[str] = frozenset()

    @classmethod
    def look(cls, handle: Any) -> Domain | None:
        """None if the domain has vanished meanwhile."""
        try:
            xml = {}
            state = STATES.get(handle.state()[0], "running")
            if handle.isActive():
                xml["live"] = handle.XMLDesc(0)
            if handle.isPersistent():
                xml["config"] = handle.XMLDesc(_libvirt.api.VIR_DOMAIN_XML_INACTIVE)
            if not xml:  # one without a definition is gone when it is off
                return None
            return cls(handle, handle.name(), handle.UUIDString(), state, bool(handle.autostart()), xml)
        except _libvirt.api.libvirtError as error:
            if _libvirt.is_gone(error):
                return None
            raise

    @property
    def active(self) -> bool:
        return "live" in self.xml

    @property
    def persistent(self) -> bool:
        return "config" in self.xml

    @property
    def definition(self) -> str:
        """By which it starts the next time; that of one without is what runs."""
        return self.xml.get("config") or self.xml["live"]

    def stopped(self) -> Domain:
        """The domain when it is off."""
        return replace(self, state="stopped", xml={scope: xml for scope, xml in self.xml.items() if scope == "config"})

    def mdevs(self) -> dict[str, dict[str, str]]:
        """UUIDs and aliases in each scope."""
        return {
            scope: {uuid: alias for uuid, alias in _libvirt_xml.mdevs(xml).items() if uuid not in self.unplugged}
            for scope, xml in self.xml.items()
        }

    def attach(self, uuid: str, scope: str) -> None:
        try:
            self.handle.attachDeviceFlags(_libvirt_xml.hostdev(uuid), _flags(scope))
        except _libvirt.api.libvirtError as error:
            said = _libvirt.message(error)
            remedy = "see the log of libvirtd and of the domain"
            if "No more available PCI" in said:
                remedy = "give its machine another pcie-root-port (lightiov_vm_spare_ports) and start it anew"
            raise LightiovError(
                f"mdev {uuid} was not attached to domain {self.name} ({scope}): {remedy} ({said})"
            ) from error

    def detach(self, uuid: str, scope: str, timeout: int) -> None:
        """Done when the device is gone: libvirt only asks the guest, and a guest that still plugs does not listen."""
        deadline = time.monotonic() + timeout
        said = self._ask_for(uuid, scope)
        while not wait_until(partial(self._is_without, uuid, scope), min(ASK_AGAIN, deadline - time.monotonic())):
            if time.monotonic() >= deadline:
                raise LightiovError(
                    f"mdev {uuid} is still attached to domain {self.name} after {timeout} seconds, because its guest "
                    "does not let it go: unmount its disks in the guest, or stop the domain" + (said and f" ({said})")
                )
            said = self._ask_for(uuid, scope)

    def _ask_for(self, uuid: str, scope: str) -> str:
        """Ask for an mdev back; why it will not come of that, if libvirt knows."""
        try:
            self.handle.detachDeviceFlags(_libvirt_xml.hostdev(uuid), _flags(scope))
        except _libvirt.api.libvirtError as error:
            said = _libvirt.message(error)
            if error.get_error_code() != _libvirt.api.VIR_ERR_DEVICE_MISSING and not self._is_without(uuid, scope):
                if any(words in said for words in NOT_YET):
                    return said
                raise LightiovError(
                    f"mdev {uuid} was not detached from domain {self.name} ({scope}): see the log of libvirtd ({said})"
                ) from error
        return ""

    def _is_without(self, uuid: str, scope: str) -> bool:
        """Whether the mdev is not in the domain, which may have ended or vanished meanwhile."""
        now = look_at(self.handle, self.name)
        return now is None or uuid not in now.mdevs().get(scope, {})


def _flags(scope: str) -> int:
    return int(_libvirt.api.VIR_DOMAIN_AFFECT_LIVE if scope == "live" else _libvirt.api.VIR_DOMAIN_AFFECT_CONFIG)


def look_at(handle: Any, name: str) -> Domain | None:
    """A domain as it is now, None if it has vanished."""
    with _libvirt.errors(f"Domain {name} cannot be looked at", "check that libvirt runs"):
        return Domain.look(handle)


def look_at_all(connection: Any, uri: str) -> dict[str, Domain]:
    """All domains by name; one that vanishes meanwhile is as one that was never there."""
    with _libvirt.answers(uri):
        found = map(Domain.look, connection.listAllDomains())
        return {domain.name: domain for domain in found if domain}


def check_list(wanted: Sequence[Wanted], absent: Sequence[str] = ()) -> None:
    """Refuse what cannot be, whatever the host has."""
    names: set[str] = set()
    users: dict[str, str] = {}
    for one in wanted:
        if one.name in names:
            raise LightiovError(f"Domain {one.name} is listed twice: list each domain once")
        names.add(one.name)
        for uuid in one.mdevs:
            if uuid in users:
                raise LightiovError(
                    f"mdev {uuid} is given twice, to domain {users[uuid]} and to domain {one.name}: give each mdev once"
                )
            if uuid in absent:
                raise LightiovError(
                    f"mdev {uuid} is given to domain {one.name} and listed as absent: list it in one place"
                )
            users[uuid] = one.name


def _check_ours(uuids: Iterable[str], known: Mdevs, where: str) -> None:
    for uuid in uuids:
        mdev_type = known.types.get(uuid)
        if mdev_type is not None and not is_ours(mdev_type):
            raise LightiovError(f"mdev {uuid} is not one of LightIOV, its type is {mdev_type}: do not list it {where}")


def check_mdevs(wanted: Sequence[Wanted], known: Mdevs, present: Mapping[str, Domain], result: Plan) -> None:
    """Refuse mdevs that the domains cannot have on this host."""
    listed = {one.name for one in wanted}
    elsewhere = {
        uuid: domain.name
        for domain in present.values()
        if domain.name not in listed
        for has in domain.mdevs().values()
        for uuid in has
    }
    for one in wanted:
        domain = present.get(one.name)
        _check_ours(one.mdevs, known, f"for domain {one.name}")
        for uuid in one.mdevs:
            if uuid in elsewhere:
                raise LightiovError(
                    f"mdev {uuid} cannot go to domain {one.name}, because domain {elsewhere[uuid]} has it: "
                    f"list {elsewhere[uuid]} as well (lightiov_vms), without the mdev"
                )
            waits = domain and known.kept(domain, one.mdevs)
            missing = uuid not in known.types or (domain and domain.active and uuid not in known.active)
            if missing and not waits:
                result.refuse(
                    f"mdev {uuid} cannot go to domain {one.name}, because it does not exist on this host: "
                    "make it with lightiov.nvme.mdev",
                    until="mdev",
                )


class MdevPlan:
    """Host devices of domains that are there: all are detached before the first is attached."""

    def __init__(self, known: Mdevs, timeout: int, result: Plan) -> None:
        self.known = known
        self.timeout = timeout
        self.result = result
        self._attaching: list[tuple[Domain, str, str]] = []

    def give(self, domain: Domain, uuids: Sequence[str]) -> dict[str, list[str]]:
        """Have a domain with these LightIOV mdevs and no others; those of each scope afterwards."""
        after = {}
        kept = self.known.kept(domain, uuids)
        for scope, has in domain.mdevs().items():
            if kept:
                after[scope] = self.known.owned(has)
                continue
            surplus = [uuid for uuid in self.known.owned(has) if uuid not in uuids]
            missing = [uuid for uuid in uuids if uuid not in has]
            self._detach(domain, scope, surplus)
            if missing:
                _check_awake(domain, scope)
            self._attaching += [(domain, uuid, scope) for uuid in missing]
            after[scope] = list(uuids)
        return after

    def take(self, domain: Domain, absent: Iterable[str]) -> dict[str, list[str]]:
        """Have a domain without these mdevs, and able to start; those of each scope afterwards."""
        after = {}
        for scope, has in domain.mdevs().items():
            gone = {uuid for uuid in has if uuid in absent}
            if scope == "config":
                gone |= set(self.known.dangling(has))
            self._detach(domain, scope, [uuid for uuid in has if uuid in gone])
            after[scope] = [uuid for uuid in self.known.owned(has) if uuid not in gone]
        return after

    def _detach(self, domain: Domain, scope: str, uuids: Sequence[str]) -> None:
        if uuids:
            _check_awake(domain, scope)
        for uuid in uuids:
            detach = partial(domain.detach, uuid, scope, self.timeout)
            self.result.add("detach", uuid, detach, domain=domain.name, scope=scope)

    def attach(self) -> None:
        """An mdev may go from one listed domain to another, so all are detached first."""
        for domain, uuid, scope in self._attaching:
            self.result.add("attach", uuid, partial(domain.attach, uuid, scope), domain=domain.name, scope=scope)


def _check_awake(domain: Domain, scope: str) -> None:
    if scope == "live" and domain.state == "asleep":
        raise LightiovError(
            f"Domain {domain.name} sleeps, and cannot take or give an mdev: wake it (virsh dompmwakeup), or stop it"
        )


def show_mdevs(scopes: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """The persistent ones, and those of a running domain beside them."""
    shown = {scope: sorted(uuids) for scope, uuids in scopes.items()}
    return {"mdevs": shown.get("config", shown.get("live", [])), **({"live": shown["live"]} if "live" in shown else {})}


def _show(name: str, active: bool, scopes: Mapping[str, Iterable[str]]) -> dict[str, Any]:
    return {"name": name, "active": active, **show_mdevs(scopes)}


def plan(host: Host, *, uri: str, wanted: Sequence[Wanted], absent: Sequence[str], timeout: int, predict: bool) -> Plan:
    """What makes the mdevs of each listed domain exactly those wanted, and takes the absent from all others."""
    result = Plan(predict=predict)
    check_list(wanted, absent)
    connection = _libvirt.connect(uri, result)
    present = look_at_all(connection, uri) if connection else {}
    known = Mdevs.of(host)
    _check_ours(absent, known, "as absent")
    check_mdevs(wanted, known, present, result)
    mdevs = MdevPlan(known, timeout, result)
    before, after = [], []

    def add(domain: Domain, scopes: Mapping[str, Iterable[str]]) -> None:
        owned = {scope: known.owned(has) for scope, has in domain.mdevs().items()}
        before.append(_show(domain.name, domain.active, owned))
        after.append(_show(domain.name, domain.active, scopes))

    for one in wanted:
        found = present.pop(one.name, None)
        if found:
            add(found, mdevs.give(found, one.mdevs))
            continue
        result.refuse(f"Domain {one.name} does not exist: define it first, or correct its name", until="domain")
        for uuid in one.mdevs:
            result.add("attach", uuid, never, domain=one.name, scope="config")
        after.append(_show(one.name, False, {"config": one.mdevs}))
    for domain in present.values():
        steps = len(result.steps)
        scopes = mdevs.take(domain, absent)
        if len(result.steps) > steps:
            add(domain, scopes)
    mdevs.attach()
    result.before = {"domains": before}
    result.after = {"domains": after}
    result.returned = result.after
    return result


def never() -> None:
    """Stands for a change that only check mode foresees."""
    raise AssertionError("a domain that does not exist was changed")
