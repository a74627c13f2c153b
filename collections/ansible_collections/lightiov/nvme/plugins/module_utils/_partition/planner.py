# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All VMs on all hosts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils._partition import explain, fit
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.addresses import POOL
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.change import change
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.index import Index, need, shared_trees
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.intent import Intent, Shape
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.ledger import HostState, Ledger
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.names import natural
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.placement import Placement
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.reserve import homeless, largest_empty
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.resources import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.share import share

STRATEGIES = ("pack", "spread")
GOLDEN = (5**0.5 - 1) / 2


@dataclass
class Plan:
    """Placements of each host by VM; sentences for what the operator should know."""

    placements: dict[str, dict[str, Placement]] = field(default_factory=dict)
    unplaced: dict[str, explain.Explanation] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    # What a host, controller or namespace that is to be empty still has.
    leaving: list[str] = field(default_factory=list)


class Planner:
    """A fleet with what is placed on it; VMs are added to it one by one or all at once."""

    def __init__(
        self,
        hosts: Iterable[Host],
        intent: Intent,
        present: Iterable[Placement] = (),
        strategy: str = "pack",
        reserve: int = 0,
    ) -> None:
        self.intent = intent
        self.strategy = strategy
        self.ledger = Ledger(hosts, intent.shapes)
        self.plan = Plan()
        self._shared = shared_trees(self.ledger.hosts)
        self._indexes: dict[tuple[str, str], Index] = {}
        # Where the search for a shape goes on: a host that had no room for it has none later.
        self._cursors: dict[tuple[object, ...], int] = {}
        self._where: dict[str, HostState] = {}
        # Placed on a host that the inventory does not have: not to be placed a second time.
        self.lost: set[str] = set()
        self._keep(present)
        self._reserved = self._reserve(reserve)

    def index(self, shape: Shape) -> Index:
        key = (shape.tenant, shape.kind)
        if key not in self._indexes:
            self._indexes[key] = Index(self.ledger, self._shared, *key)
        return self._indexes[key]

    def run(self) -> Plan:
        missing = [name for name in self.intent.shapes if name not in self._where and name not in self.lost]
        order = self.order(missing)
        waiting = [name for name in order if not self.add(name)]
        new = [name for name in order if name in self._where]
        share(self.ledger, self.intent.shapes, new)
        self._number([name for name in new if self.intent.shapes[name].address == POOL])
        self._explain(waiting)
        self._warn()
        for host in self.ledger.hosts:
            self.plan.placements[host.spec.name] = {
                name: host.placed[name] for name in sorted(host.placed, key=natural)
            }
        return self.plan

    def add(self, vm: str) -> Placement | None:
        """Place one VM, if there is room for it as it is."""
        for host in self._candidates(vm, self.intent.shapes[vm]):
            placement = self.place(vm, host)
            if placement:
                return placement
        return None

    def place(self, vm: str, host: HostState) -> Placement | None:
        placement = fit.place(self.ledger, host, vm, self.intent.shapes[vm])
        if placement:
            self._where[vm] = host
        return placement

    def where(self, vm: str) -> HostState | None:
        return self._where.get(vm)

    def placed_on(self, host: HostState) -> list[Placement]:
        """What can be taken from the host: not a VM that another one has, too, which is for people to settle."""
        return [one for vm, one in host.placed.items() if self._where.get(vm) is host]

    def release(self, vm: str) -> Placement:
        host = self._where[vm]
        placement = self.take(vm)
        self.refresh(host)
        return placement

    def take(self, vm: str) -> Placement:
        """As `release`, of a host that is refreshed when the last one is gone."""
        return self.ledger.remove(vm, self._where.pop(vm))

    def restore(self, placement: Placement) -> None:
        """What `release` or `take` gave."""
        self.ledger.restore(placement)
        self._where[placement.vm] = self.ledger.by_name[placement.host]

    def refresh(self, host: HostState) -> None:
        """The host may have more than when it was last looked at."""
        self._cursors.clear()
        for index in self._indexes.values():
            index.refresh(host)

    def _candidates(self, vm: str, shape: Shape) -> Iterable[HostState]:
        names = {shape.host} if shape.host else shape.hosts
        serials = [disk.controller for disk in shape.disks if disk.controller]
        if serials:
            owner = self.ledger.controllers.get(serials[0])
            yield from [owner[0]] if owner else []
        elif names is not None and len(names) == 1:
            yield from (self.ledger.by_name[name] for name in names if name in self.ledger.by_name)
        elif self.strategy == "spread":
            yield from self.index(shape).lightest(need(shape))
        else:
            key = (id(shape), self.ledger.alike(vm))
            for host in self.index(shape).first(need(shape), self._cursors.get(key, 0)):
                self._cursors[key] = host.index
                yield host

    def order(self, names: Iterable[str], without: HostState | None = None) -> list[str]:
        """Pinned ones first, then tenant by tenant, so that controllers are full before the next tenant needs one.

        Of a tenant, every stretch is a fair sample of all: who places what is large first fills hosts with what needs
        much of one thing, and strands the rest of them.
        """
        totals = self._totals(without)
        keys: dict[int, tuple[Any, ...]] = {}
        classes: dict[tuple[Any, ...], list[tuple[Any, ...]]] = {}
        demand: dict[str, int] = {}
        for name in names:
            shape = self.intent.shapes[name]
            if id(shape) not in keys:
                wants = (shape.memory, shape.vcpus, shape.least, shape.bytes)
                shares = [want / total for want, total in zip(wants, totals)]
                pinned = shape.host or shape.group or shape.hosts or any(disk.controller for disk in shape.disks)
                urgency = (not pinned, not shape.apart, shape.numa != "required")
                most = max(shares)
                keys[id(shape)] = ((*urgency, shape.tenant), (shares.index(most), most, *wants))
            of, alike = keys[id(shape)]
            classes.setdefault(of, []).append((alike, natural(name), name))
            weight = shape.memory * totals[3] + shape.bytes * totals[0]
            demand[shape.tenant] = demand.get(shape.tenant, 0) + weight
        ordered: list[str] = []
        for of in sorted(classes, key=lambda of: (of[:3], -demand[of[3]], of[3])):
            # Alike ones stand together here; multiples of the golden ratio take from everywhere alike.
            members = sorted(classes[of])
            ordered += [
                member[-1] for _at, member in sorted((at * GOLDEN % 1, member) for at, member in enumerate(members))
            ]
        return ordered

    def _totals(self, without: HostState | None) -> tuple[int, int, int, int]:
        hosts = [host for host in self.ledger.hosts if host is not without]
        states = [state for host in hosts for state in host.controllers]
        return (
            sum(host.spec.memory for host in hosts) or 1,
            sum(host.spec.vcpus for host in hosts) or 1,
            sum(state.spec.queue_pairs for state in states) or 1,
            sum(namespace.extents.size for state in states for namespace in state.namespaces) or 1,
        )

    def _keep(self, present: Iterable[Placement]) -> None:
        """What is placed stays. Places that hosts tell are taken before those that must be worked out."""
        shapes = self.intent.shapes
        staying = []
        for one in present:
            host = self.ledger.by_name.get(one.host)
            if one.vm in shapes:
                staying.append(one)
            elif host and one.address:
                # It is the VM's until the VM is gone.
                host.addresses.know([], {one.address: one.vm})
        staying.sort(key=lambda one: (any(part.first is None for part in one.slices), natural(one.vm), one.host))
        for one in staying:
            if one.vm in self._where:
                self.plan.refused.append(
                    f"VM {one.vm} is placed on host {self._where[one.vm].spec.name} and on host {one.host}: remove "
                    "it from the placements of the one that does not run it"
                )
                # Neither loses it meanwhile: what a plan does not write is taken away.
                if one.host in self.ledger.by_name:
                    self.plan.refused += fit.keep(self.ledger, one)
            elif one.host not in self.ledger.by_name:
                self.plan.refused.append(
                    f"VM {one.vm} is placed on host {one.host}, which is not in lightiov_hosts: list the host again, "
                    "or remove its file of placements"
                )
                self.lost.add(one.vm)
            else:
                host = self.ledger.by_name[one.host]
                address = shapes[one.vm].address
                # What a pool gave stays, whatever becomes of the pool.
                if address not in (POOL, one.address) and host.spec.reachable:
                    one = replace(one, address=address)  # noqa: PLW2901
                self.plan.refused += fit.keep(self.ledger, one)
                self._where[one.vm] = host
        for vm in sorted(self._where, key=natural):
            if self._where[vm].spec.reachable:
                self.plan.refused += change(self.ledger, self._where[vm], vm, shapes[vm])

    def _reserve(self, count: int) -> list[HostState]:
        """Hosts that stay empty: the largest of those that are."""
        empty = largest_empty(self.ledger.hosts)
        for host in empty[:count]:
            host.closed = True
        if len(empty) < count:
            self.plan.warnings.append(
                f"Only {len(empty)} hosts are empty, and the reserve is {count}: add hosts, or ask for moves that "
                "empty one"
            )
        return empty[:count]

    def _number(self, pooled: Iterable[str]) -> None:
        """New ones have what a pool gave them in the order of their names, which is not that of their places."""
        of: dict[str, list[Placement]] = {}
        for name in pooled:
            placement = self._where[name].placed[name]
            if self._where[name].addresses.leased(name) != placement.address:
                of.setdefault(placement.host, []).append(placement)
        for host, placements in of.items():
            state = self.ledger.by_name[host]
            gave = sorted((one.address for one in placements), key=natural)
            for one in placements:
                self.ledger.amend(state, replace(state.placed[one.vm], address=""))
            for one, address in zip(sorted(placements, key=lambda one: natural(one.vm)), gave):
                self.ledger.amend(state, replace(one, address=address))

    def _explain(self, waiting: Sequence[str]) -> None:
        told: dict[object, explain.Explanation] = {}
        for name in sorted(waiting, key=natural):
            shape = self.intent.shapes[name]
            key = (id(shape), self.ledger.alike(name))
            if key not in told:
                told[key] = explain.explain(self.ledger, name, shape)
            self.plan.unplaced[name] = replace(told[key], vm=name)

    def _warn(self) -> None:
        if self._reserved:
            self._warn_of_losses(homeless(self, self._reserved))
        for host in self.ledger.hosts:
            if host.spec.asked and not host.spec.reachable and host.placed:
                self.plan.warnings.append(
                    f"Host {host.spec.name} does not answer, so its {len(host.placed)} VMs keep what they have and "
                    "it gets no new ones: see to the host, or take it out of lightiov_hosts"
                )
            for what, cordon, vms in _cordoned(host):
                if cordon == "all" and vms:
                    self.plan.leaving.append(
                        f"{what} is to be empty and still has {', '.join(vms)}: ask for the moves that empty it"
                    )
                elif cordon == "warn" and vms:
                    self.plan.warnings.append(f"{what} is not to be relied on, and has {', '.join(vms)}")

    def _warn_of_losses(self, homeless: Mapping[str, Sequence[str]]) -> None:
        for name, vms in islice(homeless.items(), 1):
            others = len(homeless) - 1
            alike = f", and so it is with {others} other hosts" if others else ""
            self.plan.warnings.append(
                f"If host {name} is lost, there is no room elsewhere for {', '.join(vms)}, reserve and all{alike}: "
                "raise lightiov_plan_reserve, add larger hosts, or take pins away"
            )


def _cordoned(host: HostState) -> Iterable[tuple[str, str, list[str]]]:
    yield f"Host {host.spec.name}", host.spec.cordon, sorted(host.placed, key=natural)
    for state in host.controllers:
        serial = state.spec.serial
        yield f"Controller {serial} of host {host.spec.name}", state.spec.cordon, sorted(state.vms, key=natural)
        for namespace in state.spec.namespaces:
            if namespace.cordon in ("all", "warn"):
                vms = {
                    one.vm
                    for one in host.placed.values()
                    if any((part.controller, part.namespace) == (serial, namespace.name) for part in one.slices)
                }
                yield f"Namespace {namespace.name} of controller {serial}", namespace.cordon, sorted(vms, key=natural)


def plan(
    hosts: Iterable[Host],
    intent: Intent,
    present: Iterable[Placement] = (),
    strategy: str = "pack",
    reserve: int = 0,
) -> Plan:
    """Placements that keep what is placed and add what is not; the same whatever the order of the input."""
    return Planner(hosts, intent, present, strategy, reserve).run()
