# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a VM does not fit: how many hosts are left after each wish, and which wishes conflict."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from ansible_collections.lightiov.nvme.plugins.module_utils._partition import fit
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.intent import Shape
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.ledger import (
    ControllerState,
    HostState,
    Ledger,
    owner_of,
)
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.remedy import Place, Remedy, nearest
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.window import window

# In the order of the funnel, each with what a host is said to be that grants it.
WISHES = {
    "host": "that its pin or its list allows",
    "group": "in its group",
    "cordon": "open to new VMs",
    "apart": "apart from the VMs that it names",
    "controller": "with its controller",
    "kind": "with a controller for its kind",
    "tenant": "with a controller for its tenant",
    "queue_pairs": "with the queue pairs",
    "windows": "with a window for its memory",
    "disks": "with the bytes",
    "memory": "with the memory",
    "vcpus": "with the vCPUs",
    "address": "with an address for it",
    "numa": "with all of it on one NUMA node",
}
ORDER = list(WISHES)
BIT = {wish: 1 << at for at, wish in enumerate(ORDER)}


@dataclass(frozen=True)
class Explanation:
    vm: str
    # A wish and how many hosts are left after it; all hosts first.
    funnel: tuple[tuple[str, int], ...]
    conflict: tuple[str, ...]
    remedy: Remedy

    def __str__(self) -> str:
        told = [f"{self.funnel[0][1]:,} hosts"]
        for (_wish, before), (wish, left) in zip(self.funnel, self.funnel[1:]):
            if left != before:
                told.append(f"{left:,} {WISHES[wish]}")
        conflict = " and ".join(WISHES[wish] for wish in self.conflict)
        return f"VM {self.vm} does not fit ({', '.join(told)}), because none is {conflict}: {self.remedy.sentence}"


def explain(ledger: Ledger, vm: str, shape: Shape) -> Explanation:
    places: list[tuple[int, HostState, ControllerState | None]] = []
    by_host: list[list[int]] = []
    for host in ledger.hosts:
        common = _on_host(ledger, host, vm, shape)
        if not shape.disks:
            masks = [common | _on_node(host, None, shape)]
            places.append((masks[0], host, None))
        elif not host.controllers:
            masks = [common | BIT["tenant"]]
            places.append((masks[0], host, None))
        else:
            masks = [common | _on_controller(state, shape) | _on_node(host, state, shape) for state in host.controllers]
            places += [(mask, host, state) for mask, state in zip(masks, host.controllers)]
        by_host.append(masks)
    # Masks are few, however many places there are.
    wishes = {mask: frozenset(wish for wish in ORDER if mask & BIT[wish]) for mask, _host, _state in places}
    named: list[Place] = [(wishes[mask], host, state) for mask, host, state in places]
    return Explanation(vm, _funnel(by_host), _conflict(wishes), nearest(ledger, vm, shape, named))


def _on_host(ledger: Ledger, host: HostState, vm: str, shape: Shape) -> int:
    spec = host.spec
    listed = (not shape.host or shape.host == spec.name) and (shape.hosts is None or spec.name in shape.hosts)
    return (
        (0 if listed else BIT["host"])
        | (0 if not shape.group or shape.group in spec.groups else BIT["group"])
        | (BIT["cordon"] if host.closed else 0)
        | (BIT["apart"] if ledger.together(vm, spec) else 0)
        | (0 if host.memory >= shape.memory else BIT["memory"])
        | (0 if host.vcpus >= shape.vcpus else BIT["vcpus"])
        | (BIT["address"] if shape.address and ledger.address(host, vm, shape.address) is None else 0)
    )


def _on_controller(state: ControllerState, shape: Shape) -> int:
    spec = state.spec
    serials = {disk.controller for disk in shape.disks if disk.controller}
    foreign = state.owner not in ("", owner_of(shape.tenant, shape.kind)) or spec.tenant not in ("", shape.tenant)
    return (
        (BIT["cordon"] if state.closed else 0)
        | (0 if not serials or spec.serial in serials else BIT["controller"])
        | (0 if spec.kind in ("", shape.kind) else BIT["kind"])
        | (BIT["tenant"] if foreign else 0)
        | (0 if state.spare >= shape.least else BIT["queue_pairs"])
        | (0 if state.windows >= window(shape.memory) else BIT["windows"])
        | (0 if _holds(state, shape) else BIT["disks"])
    )


def _holds(state: ControllerState, shape: Shape) -> bool:
    """Whether the disks have room here; of those that need not be on one controller, whether any has."""
    if shape.disks_apart or len({disk.controller for disk in shape.disks}) > 1:
        return any(fit.has_room(state, [disk]) for disk in shape.disks)
    return fit.has_room(state, shape.disks)


def _on_node(host: HostState, state: ControllerState | None, shape: Shape) -> int:
    if shape.numa != "required" or not host.nodes:
        return 0
    nodes = [host.nodes.get(state.spec.numa_node)] if state else list(host.nodes.values())
    fits = any(node and node[0] >= shape.memory and node[1] >= shape.vcpus for node in nodes)
    return 0 if fits else BIT["numa"]


def _funnel(by_host: Sequence[list[int]]) -> tuple[tuple[str, int], ...]:
    hosts = list(by_host)
    funnel = [("", len(hosts))]
    asked = 0
    for wish in ORDER:
        asked |= BIT[wish]
        hosts = [masks for masks in hosts if any(not mask & asked for mask in masks)]
        funnel.append((wish, len(hosts)))
    return tuple(funnel)


def _conflict(masks: Iterable[int]) -> tuple[str, ...]:
    """The fewest wishes of which each place fails at least one: a smallest hitting set of what places fail."""
    # What contains another is hit wherever that is.
    minimal: list[int] = []
    for mask in sorted(set(masks), key=lambda mask: (bin(mask).count("1"), mask)):
        if not any(mask & other == other for other in minimal):
            minimal.append(mask)
    if minimal == [0]:
        # Each disk has room somewhere, but not all of them together.
        return ("disks",)
    used = [wish for wish in ORDER if any(mask & BIT[wish] for mask in minimal)]
    for count in range(1, len(used) + 1):
        for chosen in combinations(used, count):
            bits = sum(BIT[wish] for wish in chosen)
            if all(mask & bits for mask in minimal):
                return chosen
    return ("host",)
