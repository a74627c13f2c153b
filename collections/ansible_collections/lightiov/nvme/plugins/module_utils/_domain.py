# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mdev host devices of libvirt domains: plan and act."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils import _domain_xml as domain_xml
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host, wait_until
from ansible_collections.lightiov.nvme.plugins.module_utils._mdevctl import active_mdevs, definitions, is_ours
from ansible_collections.lightiov.nvme.plugins.module_utils._plan import Plan
from ansible_collections.lightiov.nvme.plugins.module_utils._uuids import canonical

try:
    import libvirt
except ImportError:
    libvirt = None


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

    @classmethod
    def of(cls, host: Host) -> Mdevs:
        active = {mdev.uuid: mdev.type for mdev in active_mdevs(host)}
        defined = {one.uuid: one.type for one in definitions(host)}
        return cls({**defined, **active}, frozenset(active))

    def owned(self, attached: Mapping[str, str]) -> list[str]:
        """Those of LightIOV, of a domain's mdevs and their aliases."""
        return [
            uuid for uuid, alias in attached.items() if domain_xml.is_marked(alias) or is_ours(self.types.get(uuid, ""))
        ]


@dataclass(frozen=True)
class Domain:
    """One domain of libvirt; `handle` is a virDomain."""

    handle: Any

    @property
    def name(self) -> str:
        return str(self.handle.name())

    @property
    def active(self) -> bool:
        return bool(self.handle.isActive())

    @property
    def persistent(self) -> bool:
        return bool(self.handle.isPersistent())

    @property
    def scopes(self) -> list[str]:
        """Where a change must be made; the running domain first, because only it can refuse."""
        return ["live"] * self.active + ["config"] * self.persistent

    def mdevs(self, scope: str) -> dict[str, str]:
        """UUIDs and aliases."""
        return domain_xml.mdevs(self.handle.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE if scope == "config" else 0))

    def attached(self) -> dict[str, dict[str, str]]:
        """The mdevs in each scope."""
        return {scope: self.mdevs(scope) for scope in self.scopes}

    def attach(self, uuid: str, scope: str) -> None:
        try:
            self.handle.attachDeviceFlags(domain_xml.hostdev(uuid), _flags(scope))
        except libvirt.libvirtError as error:
            raise LightiovError(
                f"mdev {uuid} was not attached to domain {self.name} ({scope}): {_remedy(error)} "
                f"({error.get_error_message()})"
            ) from error

    def detach(self, uuid: str, scope: str, timeout: int) -> None:
        try:
            self.handle.detachDeviceFlags(domain_xml.hostdev(uuid), _flags(scope))
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_DEVICE_MISSING:
                raise LightiovError(
                    f"mdev {uuid} was not detached from domain {self.name} ({scope}): see the log of libvirtd "
                    f"({error.get_error_message()})"
                ) from error
        # libvirt only asks the guest; the device is gone when the guest has let it go.
        if not wait_until(lambda: uuid not in self.mdevs(scope), timeout):
            raise LightiovError(
                f"mdev {uuid} is still attached to domain {self.name} after {timeout} seconds, because its guest does "
                "not let it go: unmount its disks in the guest, or stop the domain"
            )


def _flags(scope: str) -> int:
    return int(libvirt.VIR_DOMAIN_AFFECT_LIVE if scope == "live" else libvirt.VIR_DOMAIN_AFFECT_CONFIG)


def _remedy(error: Any) -> str:
    if "No more available PCI" in error.get_error_message():
        return "give its machine another pcie-root-port and start it anew"
    return "see the log of libvirtd and of the domain"


@contextmanager
def _connection_errors(uri: str) -> Iterator[None]:
    try:
        yield
    except libvirt.libvirtError as error:
        raise LightiovError(
            f"libvirt at {uri} does not answer as it should: check that it is installed and runs "
            f"({error.get_error_message()})"
        ) from error


def _domains(uri: str, result: Plan) -> dict[str, Domain]:
    """All domains by name; none in check mode where libvirt is not there yet."""
    if libvirt is None:
        result.refuse(
            f"libvirt at {uri} cannot be used, because its Python binding is missing: install python3-libvirt",
            until="packages",
        )
        return {}
    # Errors come as exceptions; libvirt would print them as well.
    libvirt.registerErrorHandler(lambda _context, _error: None, None)
    try:
        with _connection_errors(uri):
            return {domain.name: domain for domain in map(Domain, libvirt.open(uri).listAllDomains())}
    except LightiovError as error:
        result.refuse(str(error), until="packages")
        return {}


def _check_list(wanted: Sequence[Wanted], absent: Sequence[str]) -> None:
    names: set[str] = set()
    users: dict[str, str] = {}
    for one in wanted:
        if one.name in names:
            raise LightiovError(f"Domain {one.name} is listed twice: list each domain once")
        names.add(one.name)
        for uuid in one.mdevs:
            if uuid in users:
                raise LightiovError(
                    f"mdev {uuid} is given to domain {users[uuid]} and again to domain {one.name}: give each mdev once"
                )
            if uuid in absent:
                raise LightiovError(
                    f"mdev {uuid} is given to domain {one.name} and listed as absent: list it in one place"
                )
            users[uuid] = one.name


def _check_ours(uuids: Sequence[str], known: Mdevs, where: str) -> None:
    for uuid in uuids:
        mdev_type = known.types.get(uuid)
        if mdev_type is not None and not is_ours(mdev_type):
            raise LightiovError(f"mdev {uuid} is not one of LightIOV, its type is {mdev_type}: do not list it {where}")


def _check_mdevs(
    wanted: Sequence[Wanted],
    known: Mdevs,
    present: Mapping[str, Domain],
    attached: Mapping[str, Mapping[str, Mapping[str, str]]],
    result: Plan,
) -> None:
    listed = {one.name for one in wanted}
    elsewhere = {
        uuid: name for name, scopes in attached.items() if name not in listed for has in scopes.values() for uuid in has
    }
    for one in wanted:
        domain = present.get(one.name)
        _check_ours(one.mdevs, known, f"for domain {one.name}")
        for uuid in one.mdevs:
            if uuid in elsewhere:
                raise LightiovError(
                    f"mdev {uuid} cannot go to domain {one.name}, because domain {elsewhere[uuid]} has it: "
                    f"list {elsewhere[uuid]} as well, without the mdev"
                )
            if uuid not in known.types or (domain and domain.active and uuid not in known.active):
                result.refuse(
                    f"mdev {uuid} cannot go to domain {one.name}, because it does not exist on this host: "
                    "make it with lightiov.nvme.mdev",
                    until="mdev",
                )


def plan(host: Host, *, uri: str, wanted: Sequence[Wanted], absent: Sequence[str], timeout: int, predict: bool) -> Plan:
    """What makes the mdevs of each listed domain exactly those wanted, and takes the absent from all others."""
    result = Plan(predict=predict)
    _check_list(wanted, absent)
    present = _domains(uri, result)
    known = Mdevs.of(host)
    with _connection_errors(uri):
        _check_ours(absent, known, "as absent")
        attached = {name: domain.attached() for name, domain in present.items()}
        _check_mdevs(wanted, known, present, attached, result)
        attaching: list[tuple[Domain, str, str]] = []
        before, after = [], []
        for one in wanted:
            domain = present.pop(one.name, None)
            if domain is None:
                result.refuse(
                    f"Domain {one.name} does not exist: define it first, or correct its name", until="virt"
                )
                for uuid in one.mdevs:
                    result.add("attach", uuid, _never, domain=one.name, scope="config")
                after.append(_show(one.name, False, one.mdevs))
                continue
            has_now: list[str] = []  # shown is the last scope's, which the domain starts with next
            for scope, has in attached[one.name].items():
                has_now = known.owned(has)
                _plan_detach(domain, scope, [uuid for uuid in has_now if uuid not in one.mdevs], timeout, result)
                attaching += [(domain, uuid, scope) for uuid in one.mdevs if uuid not in has]
            before.append(_show(one.name, domain.active, has_now))
            after.append(_show(one.name, domain.active, one.mdevs))
        for domain in present.values():
            scopes = attached[domain.name]
            if not any(uuid in absent for has in scopes.values() for uuid in has):
                continue
            has_now = []
            for scope, has in scopes.items():
                has_now = known.owned(has)
                _plan_detach(domain, scope, [uuid for uuid in has if uuid in absent], timeout, result)
            before.append(_show(domain.name, domain.active, has_now))
            after.append(_show(domain.name, domain.active, [uuid for uuid in has_now if uuid not in absent]))
    # An mdev may go from one listed domain to another, so all are detached first.
    for domain, uuid, scope in attaching:
        result.add("attach", uuid, partial(domain.attach, uuid, scope), domain=domain.name, scope=scope)
    result.before = {"domains": before}
    result.after = {"domains": after}
    result.returned = result.after
    return result


def _plan_detach(domain: Domain, scope: str, uuids: Sequence[str], timeout: int, result: Plan) -> None:
    for uuid in uuids:
        detach = partial(domain.detach, uuid, scope, timeout)
        result.add("detach", uuid, detach, domain=domain.name, scope=scope)


def _never() -> None:
    """Stands for a change that only check mode foresees."""
    raise AssertionError("a domain that does not exist was changed")


def _show(name: str, active: bool, uuids: Sequence[str]) -> dict[str, Any]:
    return {"name": name, "active": active, "mdevs": sorted(uuids)}
