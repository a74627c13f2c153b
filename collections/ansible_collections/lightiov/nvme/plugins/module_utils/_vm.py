# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs of a host as one desired list: plan and act, through libvirt."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Union

from ansible_collections.lightiov.nvme.plugins.module_utils import _domain, _libvirt, _libvirt_xml
from ansible_collections.lightiov.nvme.plugins.module_utils._domain import Domain, MdevPlan, Mdevs
from ansible_collections.lightiov.nvme.plugins.module_utils._domain_size import Size, resized
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host, wait_until
from ansible_collections.lightiov.nvme.plugins.module_utils._libvirt_xml import Lease
from ansible_collections.lightiov.nvme.plugins.module_utils._mdev_root import MdevRoot
from ansible_collections.lightiov.nvme.plugins.module_utils._network import Network
from ansible_collections.lightiov.nvme.plugins.module_utils._plan import Plan
from ansible_collections.lightiov.nvme.plugins.module_utils._root_disk import RootDisk
from ansible_collections.lightiov.nvme.plugins.module_utils._uuids import canonical

# A guest that still boots may not hear the request.
ASK_AGAIN = 15
Root = Union[RootDisk, MdevRoot]


@dataclass(frozen=True)
class Wanted:
    """A VM as it should be; what is None is left as it is."""

    name: str
    state: str
    xml: str | None = None
    root: Root | None = None
    address: str | None = None
    mdevs: tuple[str, ...] | None = None
    memory_mib: int | None = None
    vcpus: int | None = None

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> Wanted:
        mdevs = options["mdevs"]
        for key in ("memory_mib", "vcpus"):
            if options[key] is not None and options[key] < 1:
                raise LightiovError(
                    f"VM {options['name']} cannot have {options[key]} as its {key}: choose a whole number from 1 up"
                )
        return cls(
            name=options["name"],
            state=options["state"],
            xml=options["xml"],
            root=_parse_root(options["root"]) if options["root"] else None,
            address=options["address"] or None,
            mdevs=None if mdevs is None else tuple(canonical(uuid) for uuid in mdevs),
            memory_mib=options["memory_mib"],
            vcpus=options["vcpus"],
        )

    def resize(self, domain_xml: str, remedy: str = "change its definition with virsh edit") -> str:
        """Its domain with the memory and vCPUs that it should have."""
        return resized(domain_xml, self.name, self.memory_mib, self.vcpus, remedy)


def _parse_root(options: Mapping[str, Any]) -> Root:
    return MdevRoot.parse(options) if options["mdev"] else RootDisk.parse(options)


class _Planner:
    """What is known, and the plan as it grows."""

    def __init__(self, host: Host, connection: Any, wanted: Sequence[Wanted], present: Mapping[str, Domain]) -> None:
        """`connection` is a virConnect, None in check mode on a bare host."""
        self.host = host
        self.connection = connection
        self.present = present
        self.staying = {vm.name: vm for vm in wanted if vm.state != "absent"}
        self.going = {vm.name: vm for vm in wanted if vm.state == "absent"}
        self.left = {name: domain for name, domain in present.items() if name not in self.going}
        self.known = Mdevs.of(host)
        self.network: Network | None = None
        self.network_after: Network | None = None
        self.before: list[dict[str, Any]] = []
        self.after: list[dict[str, Any]] = []
        self.waiting: list[str] = []
        self.stopping: list[Domain] = []

    def plan(self, network: str, timeout: int, shutdown_timeout: int, result: Plan) -> None:
        given = [_domain.Wanted(vm.name, vm.mdevs) for vm in self.staying.values() if vm.mdevs is not None]
        _domain.check_mdevs(given, self.known, self.left, result)
        leases = self._plan_network(network, result)
        _warn_of_sleep(self.staying.values(), self.present, result)
        self._plan_stops(shutdown_timeout, result)
        for vm in self.going.values():
            self._plan_removal(vm, result)
        mdevs = MdevPlan(self.known, timeout, result)
        for vm in self.staying.values():
            domain = self.present.get(vm.name)
            shown = self._plan_change(vm, domain, mdevs, result) if domain else self._plan_new(vm, result)
            if shown:
                shown["address"] = leases.get(vm.name, shown.get("address"))
                self.after.append(shown)
        starting = list(self.after)
        for domain in self.left.values():
            if domain.name not in self.staying:
                self._plan_other(domain, mdevs, result)
        mdevs.attach()
        for shown in starting:
            self._plan_start(self.staying[shown["name"]], shown, result)

    def _show(self, domain: Domain) -> dict[str, Any]:
        """A domain as it is now, noted as such."""
        lease = self.network.lease_of(domain.name) if self.network else None
        shown = {
            "name": domain.name,
            "state": domain.state,
            "autostart": domain.autostart,
            "address": lease.address if lease else None,
            **Size.of(domain.definition).show(),
            **_domain.show_mdevs({scope: self.known.owned(has) for scope, has in domain.mdevs().items()}),
        }
        self.before.append(shown)
        return dict(shown)

    def _plan_network(self, name: str, result: Plan) -> dict[str, str]:
        """What it leases to each VM afterwards."""
        leases = _leases(self.staying.values(), self.present, name)
        needed = bool(leases) or any(vm.xml and vm.name not in self.present for vm in self.staying.values())
        if self.connection and name and (needed or self.going):
            self.network = Network.look(self.connection, name, result, required=needed)
        if self.network:
            self.network_after = self.network.plan(leases, self.going, result, start=needed)
            _warn_of_moves(leases, self.network, self.present, result)
        return {lease.name: lease.address for lease in leases}

    def _plan_stops(self, timeout: int, result: Plan) -> None:
        running = {vm.name for vm in self.staying.values() if vm.state == "running"}
        listed = {**self.staying, **self.going}
        self.stopping = [
            domain
            for domain in self.present.values()
            if domain.name in listed and domain.name not in running and domain.active
        ]
        for domain in self.stopping:
            result.add("stop", domain.name, partial(self._stop, domain, timeout))

    def _stop(self, domain: Domain, timeout: int) -> None:
        """All are asked before the first is waited for."""
        for one in self.stopping:
            _ask_to_stop(one)
        self.stopping = []
        deadline = time.monotonic() + timeout
        while not wait_until(partial(_is_off, domain), min(ASK_AGAIN, deadline - time.monotonic()), interval=0.5):
            if time.monotonic() >= deadline:
                raise LightiovError(
                    f"VM {domain.name} does not shut down within {timeout} seconds: shut it down from inside, or "
                    "raise lightiov_shutdown_timeout"
                )
            _ask_to_stop(domain)

    def _plan_removal(self, vm: Wanted, result: Plan) -> None:
        domain = self.present.get(vm.name)
        if domain is None:
            return
        self._show(domain)
        if not domain.persistent:  # it is gone when it is off
            return
        root, uuid = vm.root, domain.uuid
        if root and root.path in _libvirt_xml.files(domain.xml["config"]):
            if root.exists(self.host):
                result.add("set_aside", root.path, partial(root.set_aside, self.host, uuid), to=root.aside(uuid))
            half_made = root.half_made(self.host)
            if half_made:
                result.add("delete", str(half_made), partial(half_made.unlink, missing_ok=True))
        result.add("undefine", vm.name, partial(_undefine, domain))

    def _plan_new(self, vm: Wanted, result: Plan) -> dict[str, Any] | None:
        """The definition comes before the root disk, and says that this is to be made: a run that ends between the two
        leaves no file that the next one would take for another's."""
        if vm.xml is None and vm.state == "stopped":
            return None
        shown = {
            "name": vm.name,
            "state": "stopped",
            "autostart": False,
            **_domain.show_mdevs({"config": vm.mdevs or ()}),
        }
        if vm.xml is None:
            result.refuse(f"Domain {vm.name} does not exist: give its xml, define it first, or correct its name")
            return shown
        made = vm.root is None or vm.root.exists(self.host)
        if vm.root:
            vm.root.check_new(self.host, vm.name, result)
        mark = _libvirt_xml.MADE if made else _libvirt_xml.UNMADE
        xml = _libvirt_xml.new_domain(vm.name, vm.xml, vm.mdevs or (), mark, vm.root.boot if vm.root else None)
        xml = vm.resize(xml, _libvirt_xml.TEMPLATE)
        shown.update(Size.of(xml).show())
        self._check_macs(vm.name, xml)
        result.add("define", vm.name, partial(self._define, vm.name, xml))
        if vm.root and not made:
            self._plan_root(vm.name, vm.root, "", result)
            shown["root"] = vm.root.path
        return shown

    def _check_macs(self, name: str, xml: str) -> None:
        macs = _libvirt_xml.macs(xml)
        for other in self.left.values():
            if shared := macs.intersection(*map(_libvirt_xml.macs, other.xml.values())):
                raise LightiovError(
                    f"VM {name} cannot have the MAC address {min(shared)}, because domain {other.name} has it: give "
                    f"{name} a mac of its own in lightiov_vms"
                )

    def _define(self, name: str, xml: str) -> None:
        remedy = f"{_libvirt_xml.TEMPLATE}, or see the log of libvirtd"
        with _libvirt.errors(f"Domain {name} was not defined", remedy):
            self.connection.defineXML(xml)

    def _plan_root(self, name: str, root: Root, begun: str, result: Plan) -> None:
        result.add("make_root", root.path, partial(self._make_root, name, root, begun), domain=name)

    def _plan_lacking_root(self, name: str, root: Root, domain: Domain, result: Plan) -> bool:
        """What a run has left undone that was making it, or was removing the VM."""
        made, begun = _libvirt_xml.root_mark(domain.xml["config"]) if domain.persistent else (True, "")
        aside = root.is_aside(self.host, domain.uuid)
        if aside:
            result.add("put_back", root.path, partial(root.put_back, self.host, domain.uuid), domain=name)
        if not made:
            self._plan_root(name, root, begun, result)
        return aside or not made

    def _make_root(self, name: str, root: Root, begun: str) -> None:
        root.make(self.host, begun, partial(self._mark, name, _libvirt_xml.UNMADE))
        self._mark(name, _libvirt_xml.MADE)

    def _mark(self, name: str, root: str, blank: str = "") -> None:
        api = _libvirt.api
        with _libvirt.errors(f"Domain {name} was not marked as one with a root disk", "see the log of libvirtd"):
            self.connection.lookupByName(name).setMetadata(
                api.VIR_DOMAIN_METADATA_ELEMENT,
                _libvirt_xml.mark(root, blank),
                _libvirt_xml.MARK_PREFIX,
                _libvirt_xml.MARK,
                api.VIR_DOMAIN_AFFECT_CONFIG,
            )

    def _plan_change(self, vm: Wanted, domain: Domain, mdevs: MdevPlan, result: Plan) -> dict[str, Any]:
        shown = self._show(domain)
        if vm.state == "stopped":
            domain = domain.stopped()
            shown["state"] = domain.state
            shown.pop("live", None)
        if vm.root and self._plan_lacking_root(vm.name, vm.root, domain, result):
            self.before[-1]["root"], shown["root"] = None, vm.root.path
        self._plan_size(vm, domain, shown, result)
        if vm.mdevs is not None:
            shown.update(_domain.show_mdevs(mdevs.give(domain, vm.mdevs)))
        return shown

    def _plan_size(self, vm: Wanted, domain: Domain, shown: dict[str, Any], result: Plan) -> None:
        """Of the definition, by which it starts the next time; one that runs goes on with what it has."""
        if domain.persistent:
            after = Size.of(vm.resize(domain.definition)).show()
            changes = {key: value for key, value in after.items() if value != shown[key]}
            if changes:
                result.add("resize", vm.name, partial(self._resize, vm), **changes)
                shown.update(changes)
        if domain.active:
            runs = Size.of(domain.xml["live"])
            comes = runs.but(vm.memory_mib, vm.vcpus)
            if comes != runs:
                self.waiting.append(
                    f"VM {vm.name} runs with {runs}, and has {comes} from its next start on: shut it down and start "
                    "it for that, because a reboot from inside is no start"
                )

    def _resize(self, vm: Wanted) -> None:
        """As virsh edit does it: what was edited meanwhile, and what libvirt shows only who asks for it, stays."""
        api = _libvirt.api
        remedy = f"correct memory_mib or vcpus of {vm.name} in lightiov_vms, or see the log of libvirtd"
        with _libvirt.errors(f"Memory and vCPUs of VM {vm.name} were not changed", remedy):
            domain = self.connection.lookupByName(vm.name)
            xml = domain.XMLDesc(api.VIR_DOMAIN_XML_INACTIVE | api.VIR_DOMAIN_XML_SECURE)
            self.connection.defineXML(vm.resize(xml))

    def _plan_other(self, domain: Domain, mdevs: MdevPlan, result: Plan) -> None:
        """One that is not listed can start, at least."""
        steps = len(result.steps)
        scopes = mdevs.take(domain, ())
        if len(result.steps) > steps:
            self.after.append({**self._show(domain), **_domain.show_mdevs(scopes)})

    def _plan_start(self, vm: Wanted, shown: dict[str, Any], result: Plan) -> None:
        domain, runs = self.present.get(vm.name), vm.state == "running"
        if shown["autostart"] != runs and (domain is None or domain.persistent):
            result.add("autostart" if runs else "no_autostart", vm.name, partial(self._autostart, vm.name, runs))
            shown["autostart"] = runs
        # One that sleeps does so by its own will.
        if runs and shown["state"] in ("stopped", "crashed"):
            result.add("start", vm.name, partial(self._start, vm.name))
            shown["live"] = shown["mdevs"]
        elif runs and shown["state"] == "paused":
            result.add("resume", vm.name, partial(self._resume, vm.name))
        else:
            return
        shown["state"] = "running"

    def _autostart(self, name: str, on: bool) -> None:
        with _libvirt.errors(f"Whether domain {name} starts with its host was not changed", "see the log of libvirtd"):
            self.connection.lookupByName(name).setAutostart(int(on))

    def _start(self, name: str) -> None:
        with _libvirt.errors(f"VM {name} did not start", f"see /var/log/libvirt/qemu/{name}.log"):
            self.connection.lookupByName(name).create()

    def _resume(self, name: str) -> None:
        with _libvirt.errors(f"VM {name}, which was paused, does not go on", f"see /var/log/libvirt/qemu/{name}.log"):
            self.connection.lookupByName(name).resume()


def _ask_to_stop(domain: Domain) -> None:
    try:
        if _domain.STATES.get(domain.handle.state()[0]) == "asleep":  # it would not hear
            domain.handle.pMWakeup(0)
        domain.handle.shutdown()
    except _libvirt.api.libvirtError as error:
        if not _is_off(domain):
            raise LightiovError(
                f"VM {domain.name} cannot be asked to shut down: shut it down from inside ({_libvirt.message(error)})"
            ) from error


def _is_off(domain: Domain) -> bool:
    now = _domain.look_at(domain.handle, domain.name)
    return now is None or not now.active


def _undefine(domain: Domain) -> None:
    api = _libvirt.api
    with _libvirt.errors(f"Domain {domain.name} was not removed", "see the log of libvirtd"):
        domain.handle.undefineFlags(
            api.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
            | api.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
            | api.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
            | api.VIR_DOMAIN_UNDEFINE_NVRAM
        )


def _leases(wanted: Iterable[Wanted], present: Mapping[str, Domain], network: str) -> list[Lease]:
    """What the network should keep; a VM that is there keeps its MAC address."""
    found = []
    for vm in wanted:
        domain = present.get(vm.name)
        xml = domain.definition if domain else vm.xml
        if vm.address and xml and (mac := _libvirt_xml.mac_in(xml, network)):
            found.append(Lease(mac, vm.name, vm.address))
    return found


def _warn_of_moves(leases: Sequence[Lease], network: Network, present: Mapping[str, Domain], result: Plan) -> None:
    for lease in leases:
        former, domain = network.lease_of(lease.name), present.get(lease.name)
        if former and domain and domain.active and former.address != lease.address:
            result.warnings.append(
                f"VM {lease.name} keeps its former address {former.address} until it asks for one anew: restart it to "
                f"have {lease.address} now"
            )


def _warn_of_sleep(wanted: Iterable[Wanted], present: Mapping[str, Domain], result: Plan) -> None:
    """Of domains that others, or earlier versions of the template, have defined; one warning, however many they are."""
    names = [
        vm.name
        for vm in wanted
        if vm.mdevs and vm.name in present and _libvirt_xml.keeps_devices_after_sleep(present[vm.name].definition)
    ]
    if names:
        result.warnings.append(
            f"No LightIOV disk can be taken from {', '.join(names)} after sleep (S3) until the next start, because of "
            f"ACPI's hot-plug of PCI devices: add -global {_libvirt_xml.NATIVE_HOTPLUG} to the <qemu:commandline> of "
            "the domain with virsh edit, as new domains have it, then shut the VM down and start it"
        )


def plan(
    host: Host,
    *,
    uri: str,
    network: str,
    wanted: Sequence[Wanted],
    timeout: int,
    shutdown_timeout: int,
    predict: bool,
    unplugged: Sequence[str] = (),
) -> Plan:
    """What makes the listed VMs as they should be; others lose only mdevs of LightIOV that are no more.

    Without acting, `unplugged` are mdevs that the domains will have given up by then.
    """
    result = Plan(predict=predict)
    _domain.check_list([_domain.Wanted(vm.name, vm.mdevs or ()) for vm in wanted])
    connection = _libvirt.connect(uri, result)
    present = _domain.look_at_all(connection, uri) if connection else {}
    if predict:
        given_up = frozenset(map(canonical, unplugged))
        present = {name: replace(domain, unplugged=given_up) for name, domain in present.items()}
    planner = _Planner(host, connection, wanted, present)
    planner.plan(network, timeout, shutdown_timeout, result)
    result.before, result.after = {"domains": planner.before}, {"domains": planner.after}
    if planner.network and planner.network_after:
        result.before["network"], result.after["network"] = planner.network.show(), planner.network_after.show()
    ran = [vm.name for vm in wanted if vm.name in present and present[vm.name].state == "running"]
    result.returned = {
        "domains": planner.after,
        "domains_total": len(wanted),
        "ran": ran,
        "waiting": planner.waiting,
    }
    return result
