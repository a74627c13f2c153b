# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left of the hosts' resources, and who has the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ansible_collections.lightiov.nvme.plugins.module_utils._partition.addresses import POOL, Addresses
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.extents import Extents
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.intent import Apart, Shape
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.names import natural
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.placement import Placement, Slice
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.resources import Controller, Host, Namespace
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.window import window

# Who has a controller: a tenant, as soon as one of its passthrough mdevs is there, since those reach all that is
# mapped.
# Mediated mdevs share a controller with mediated ones of anybody.
MEDIATED = "mediated mdevs"
CLOSED = ("new", "all")


def owner_of(tenant: str, kind: str) -> str:
    return tenant if kind == "passthrough" else MEDIATED


class NamespaceState:
    __slots__ = ("closed", "extents", "granularity", "name", "names", "nsid", "readers")

    def __init__(self, spec: Namespace) -> None:
        self.name = spec.name
        self.nsid = spec.nsid
        self.names = spec.names
        self.granularity = spec.granularity
        self.extents = Extents(spec.bytes, spec.granularity)
        self.closed = spec.cordon in CLOSED
        # Disks that are all of it, and none of which is written to.
        self.readers = 0

    def allot(self, size: int, read_only: bool) -> int | None:
        """The place of a disk that has none yet; one of size 0 is the whole namespace."""
        if size:
            return self.extents.allot(size) if self.gives(size) else None
        return 0 if self.take(0, 0, read_only) else None

    def gives(self, size: int) -> bool:
        """Whether a disk may have so many bytes of it: the host refuses what is no multiple of the granularity."""
        return size % self.granularity == 0

    def take(self, first: int, size: int, read_only: bool) -> bool:
        """A place that a disk has already; False if another has a part of it that may not be shared."""
        reads_all = read_only and not size
        taken = (reads_all and self.readers > 0) or self.extents.take(first, size)
        self.readers += reads_all and taken
        return taken

    def give(self, first: int, size: int, read_only: bool) -> None:
        if read_only and not size:
            self.readers -= 1
            if self.readers:
                return
        self.extents.give(first, size)


class ControllerState:
    __slots__ = ("closed", "namespaces", "owner", "queue_pairs", "spec", "vectors", "vms", "windows")

    def __init__(self, spec: Controller) -> None:
        self.spec = spec
        self.closed = spec.cordon in CLOSED
        self.queue_pairs = spec.queue_pairs
        self.vectors = spec.vectors
        self.windows = spec.windows
        self.owner: str = ""
        self.vms: dict[str, int] = {}
        self.namespaces = [NamespaceState(one) for one in sorted(spec.namespaces, key=lambda one: one.nsid)]

    def serves(self, tenant: str, kind: str) -> bool:
        """Whether tenant and kind do not stand in the way of one more mdev."""
        spec = self.spec
        return (
            self.owner in ("", owner_of(tenant, kind))
            and (not spec.tenant or spec.tenant == tenant)
            and (not spec.kind or spec.kind == kind)
        )

    @property
    def spare(self) -> int:
        """Queue pairs that one more mdev could have."""
        return min(self.queue_pairs, self.vectors)

    def namespace(self, name: str) -> NamespaceState | None:
        return next((one for one in self.namespaces if name in one.names), None)


class HostState:
    __slots__ = ("addresses", "closed", "controllers", "index", "memory", "nodes", "placed", "spec", "vcpus")

    def __init__(self, spec: Host, index: int, addresses: Addresses) -> None:
        self.spec = spec
        self.index = index
        self.addresses = addresses
        addresses.know([*spec.own_addresses, *([spec.pool.gateway] if spec.pool else [])], spec.leases)
        self.closed = spec.cordon in CLOSED or not spec.reachable
        self.memory = spec.memory
        self.vcpus = spec.vcpus
        self.nodes = {number: [node.memory, node.vcpus] for number, node in spec.nodes.items()}
        self.controllers = [
            ControllerState(one) for one in sorted(spec.controllers, key=lambda one: natural(one.serial))
        ]
        self.placed: dict[str, Placement] = {}

    def load(self) -> float:
        """The share that is used of what is used most."""
        spec = self.spec
        pairs = sum(one.queue_pairs for one in spec.controllers)
        size = sum(namespace.extents.size for one in self.controllers for namespace in one.namespaces)
        free = sum(namespace.extents.free for one in self.controllers for namespace in one.namespaces)
        return max(
            1 - self.memory / spec.memory if spec.memory else 0.0,
            1 - self.vcpus / spec.vcpus if spec.vcpus else 0.0,
            1 - sum(one.queue_pairs for one in self.controllers) / pairs if pairs else 0.0,
            1 - free / size if size else 0.0,
        )


class Ledger:
    """Every placement is entered once and can be taken back."""

    def __init__(self, hosts: Iterable[Host], shapes: Mapping[str, Shape]) -> None:
        own = frozenset(shape.address for shape in shapes.values()) - {"", POOL}
        shared = Addresses(own)
        self.hosts = [
            HostState(one, at, shared if one.pool and one.pool.in_fleet else Addresses(own))
            for at, one in enumerate(sorted(hosts, key=lambda one: natural(one.name)))
        ]
        self.by_name = {one.spec.name: one for one in self.hosts}
        self.controllers = {state.spec.serial: (host, state) for host in self.hosts for state in host.controllers}
        # How many holders of a rule, and how many VMs that it keeps away from, are in each domain.
        self._rules: dict[str, list[tuple[Apart, bool, bool]]] = {}
        self._in: dict[Apart, dict[str, list[int]]] = {}
        self._note_rules(shapes)

    def _note_rules(self, shapes: Mapping[str, Shape]) -> None:
        holders: dict[Apart, set[str]] = {}
        for name, shape in shapes.items():
            for rule in shape.apart:
                holders.setdefault(rule, set()).add(name)
        for rule, names in holders.items():
            self._in[rule] = {}
            for name in names | rule.vms:
                self._rules.setdefault(name, []).append((rule, name in names, name in rule.vms))

    def alike(self, vm: str) -> tuple[tuple[int, bool, bool], ...]:
        """Equal for VMs that no rule tells apart."""
        return tuple((id(rule), holds, named) for rule, holds, named in self._rules.get(vm, ()))

    def together(self, vm: str, host: Host) -> bool:
        """Whether the VM would meet on this host, or in its domain, one that it is to be apart from."""
        for rule, holds, named in self._rules.get(vm, ()):
            for domain in domains(rule, host):
                holders, members = self._in[rule].get(domain, (0, 0))
                if (holds and members) or (named and holders):
                    return True
        return False

    def kept_away(self, vm: str, host: HostState) -> bool:
        """Whether one is there that is to be apart from the VM, whatever that one says itself."""
        return any(
            named and self._in[rule].get(domain, (0, 0))[0]
            for rule, _holds, named in self._rules.get(vm, ())
            for domain in domains(rule, host.spec)
        )

    def address(self, host: HostState, vm: str, wanted: str) -> str | None:
        """What a VM has there that wants this one, or POOL; None if that is not to be had."""
        if wanted == POOL:
            return host.addresses.next(host.spec.pool, vm) if host.spec.pool else None
        return wanted if host.addresses.is_free(wanted, vm) else None

    def state(self, host: HostState, serial: str) -> ControllerState | None:
        """A host's controller; None if the host does not have it any more."""
        owner, state = self.controllers.get(serial, (None, None))
        return state if owner is host else None

    def namespace(self, host: HostState, one: Slice) -> NamespaceState | None:
        state = self.state(host, one.controller)
        return state.namespace(one.namespace) if state else None

    def enter(self, placement: Placement) -> None:
        """The extents are allotted already; this counts all the rest."""
        host = self.by_name[placement.host]
        for rule, holds, named in self._rules.get(placement.vm, ()):
            for domain in domains(rule, host.spec):
                counts = self._in[rule].setdefault(domain, [0, 0])
                counts[0] += holds
                counts[1] += named
        if placement.address:
            host.addresses.take(placement.address, placement.vm)
        self._count(placement, host, 1)

    def remove(self, vm: str, host: HostState) -> Placement:
        """With its extents."""
        placement = host.placed[vm]
        for rule, holds, named in self._rules.get(vm, ()):
            for domain in domains(rule, host.spec):
                counts = self._in[rule][domain]
                counts[0] -= holds
                counts[1] -= named
        if placement.address:
            host.addresses.give(placement.address, vm)
        self._count(placement, host, -1)
        for one in placement.slices:
            self.give(host, one)
        return placement

    def restore(self, placement: Placement) -> None:
        """What `remove` took, where it was."""
        host = self.by_name[placement.host]
        for one in placement.slices:
            namespace = self.namespace(host, one)
            if namespace and one.first is not None:
                namespace.take(one.first, one.size, one.read_only)
        self.enter(placement)

    def amend(self, host: HostState, placement: Placement) -> None:
        """Another placement of the same VM on the same host; its extents are seen to."""
        before = host.placed[placement.vm]
        if placement.address != before.address:
            host.addresses.give(before.address, before.vm)
            if placement.address:
                host.addresses.take(placement.address, placement.vm)
        self._count(before, host, -1)
        self._count(placement, host, 1)

    def give(self, host: HostState, one: Slice) -> None:
        namespace = self.namespace(host, one)
        if namespace and one.first is not None:
            namespace.give(one.first, one.size, one.read_only)

    def _count(self, placement: Placement, host: HostState, sign: int) -> None:
        host.memory -= sign * placement.memory
        host.vcpus -= sign * placement.vcpus
        if placement.node is not None and placement.node in host.nodes:
            host.nodes[placement.node][0] -= sign * placement.memory
            host.nodes[placement.node][1] -= sign * placement.vcpus
        taken = window(placement.memory)
        for serial, pairs in placement.queue_pairs:
            state = self.state(host, serial)
            if state is None:
                continue
            state.queue_pairs -= sign * pairs
            state.vectors -= sign * pairs
            state.windows -= sign * taken
            if sign > 0:
                state.vms[placement.vm] = pairs
                state.owner = owner_of(placement.tenant, placement.kind)
            else:
                del state.vms[placement.vm]
                if not state.vms:
                    state.owner = ""
        if sign > 0:
            host.placed[placement.vm] = placement
        else:
            del host.placed[placement.vm]


def domains(rule: Apart, host: Host) -> Iterable[str]:
    """Of a rule over groups, those that the host is in; a host in none of them is a domain of its own."""
    return [group for group in rule.domains if group in host.groups] or [f"host {host.name}"]
