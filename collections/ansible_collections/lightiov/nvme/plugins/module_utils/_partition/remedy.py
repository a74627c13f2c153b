# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nearest thing that makes a VM fit, tried out before it is said."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Optional

from ansible_collections.lightiov.nvme.plugins.module_utils._partition import fit
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.addresses import POOL, more
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.intent import MAX_EXTENTS, Shape
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.ledger import ControllerState, HostState, Ledger
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.resources import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.window import most_memory
from ansible_collections.lightiov.nvme.plugins.module_utils._size import show_size

# What a remedy costs people, roughly. What is not here, no change of the VM remedies.
COST = {
    "queue_pairs": 1,
    "numa": 2,
    "cordon": 3,
    "memory": 4,
    "windows": 4,
    "vcpus": 4,
    "address": 4,
    "disks": 5,
    "apart": 6,
    "group": 7,
    "host": 8,
    "controller": 8,
}
NEVER = 1000
TRIED = 20
# Less is no VM.
LEAST_MEMORY_MIB = 64

# A controller, or a host for a VM without disks, and the wishes that are not granted there.
Place = tuple[frozenset[str], HostState, Optional[ControllerState]]
# The shape after a change, the same as keys of lightiov_vms, and as words.
Change = tuple[Shape, dict[str, Any], str]


@dataclass(frozen=True)
class Remedy:
    """A sentence, and the same as changes: of keys of the VM, of a cordon, of a host's pool, or a host to add."""

    sentence: str
    vm: Mapping[str, Any] = field(default_factory=dict)
    uncordon: str = ""
    more_addresses: str = ""
    add_host: Mapping[str, Any] = field(default_factory=dict)


def nearest(ledger: Ledger, vm: str, shape: Shape, places: Iterable[Place]) -> Remedy:
    ranked = []
    costs: dict[frozenset[str], int] = {}
    for at, (failed, host, state) in enumerate(places):
        if failed not in costs:
            costs[failed] = sum(COST.get(wish, NEVER) for wish in failed)
        if costs[failed] < NEVER:
            ranked.append((costs[failed], -_left(host, state, failed), at, failed, host, state))
    for _cost, _left_there, _at, failed, host, state in heapq.nsmallest(TRIED, ranked, key=lambda one: one[:3]):
        found = _tried(ledger, vm, shape, (failed, host, state))
        if found:
            return found
    return _another_host(ledger, vm, shape)


def _left(host: HostState, state: ControllerState | None, failed: frozenset[str]) -> int:
    """How much there is of the first thing that is too little."""
    if state and "queue_pairs" in failed:
        return state.queue_pairs
    if state and "disks" in failed:
        return max((one.extents.largest for one in state.namespaces), default=0)
    return host.memory if "memory" in failed else host.vcpus


def _tried(ledger: Ledger, vm: str, shape: Shape, place: Place) -> Remedy | None:
    failed, host, state = place
    more_addresses = host.spec.name if "address" in failed and shape.address == POOL else ""
    keys: dict[str, Any] = {}
    said = []
    for wish in COST:
        if wish in failed and wish in CHANGES:
            change = CHANGES[wish](host, state, shape)
            if change is None:
                return None
            shape, changed, words = change
            keys.update(changed)
            if words not in said:
                said.append(words)
    # Others may have said that they are not to be with this one.
    if "apart" in failed and ledger.kept_away(vm, host):
        return None
    closed = [one for one in (host, state) if one is not None and one.closed]
    if len(closed) > 1 or (host.closed and (not host.spec.reachable or host.spec.cordon == "none")):
        return None
    for one in closed:
        one.closed = False
    fits = fit.try_place(ledger, host, vm, shape, "apart" in failed)
    for one in closed:
        one.closed = True
    if not fits:
        return None
    name = ""
    if closed:
        name = host.spec.name if closed[0] is host or state is None else state.spec.serial
        said.append(f"lift the cordon of {name}")
    return Remedy(f"{' and '.join(said)}; host {host.spec.name} then has the room", keys, name, more_addresses)


def _fewer_queue_pairs(_host: HostState, state: ControllerState | None, shape: Shape) -> Change | None:
    least = state.spare if state else 0
    if least < 1:
        return None
    keys = {"queue_pairs": {"wanted": shape.queue_pairs, "least": least}}
    return replace(shape, least=least), keys, f"let {least} queue pairs be the least that will do"


def _less_memory(host: HostState, state: ControllerState | None, shape: Shape) -> Change | None:
    most = min(host.memory, most_memory(state.windows)) if state else host.memory
    if most < LEAST_MEMORY_MIB:
        return None
    return replace(shape, memory=most), {"memory_mib": most}, f"ask for {most} MiB of memory"


def _fewer_vcpus(host: HostState, _state: ControllerState | None, shape: Shape) -> Change | None:
    if host.vcpus < 1:
        return None
    return replace(shape, vcpus=host.vcpus), {"vcpus": host.vcpus}, f"ask for {host.vcpus} vCPUs"


def _smaller_disk(_host: HostState, state: ControllerState | None, shape: Shape) -> Change | None:
    disks = fit.smaller(state, shape) if state else None
    if disks is None:
        return None
    said = [
        f"ask for {show_size(new.size)} for disk {new.name}"
        for old, new in zip(shape.disks, disks)
        if old.size != new.size
    ]
    listed = [
        {
            "name": disk.name,
            "size": show_size(disk.size),
            **({"controller": disk.controller} if disk.controller else {}),
            **({"namespace": disk.namespace} if disk.namespace else {}),
            **({"read_only": True} if disk.read_only else {}),
        }
        for disk in disks
    ]
    return replace(shape, disks=disks), {"disks": listed}, " and ".join(said)


def _any_node(_host: HostState, _state: ControllerState | None, shape: Shape) -> Change:
    return replace(shape, numa="preferred"), {"numa": "preferred"}, "let numa be preferred"


def _together(_host: HostState, _state: ControllerState | None, shape: Shape) -> Change:
    return replace(shape, apart=()), {"apart": None}, "let it be with the VMs that it is apart from"


def _another_address(host: HostState, _state: ControllerState | None, shape: Shape) -> Change:
    free = replace(shape, address="")
    if shape.address == POOL:
        return free, {}, more(host.spec.name, host.spec.pool)
    holder = host.addresses.holder(shape.address)
    return free, {"address": None}, f"give it another address than {shape.address}, which {holder} has there, or none"


def _any_group(_host: HostState, _state: ControllerState | None, shape: Shape) -> Change:
    return replace(shape, group=""), {"group": None}, f"take its pin to group {shape.group} away"


def _any_host(host: HostState, _state: ControllerState | None, shape: Shape) -> Change | None:
    if shape.hosts is not None and host.spec.name not in shape.hosts:
        return None
    return replace(shape, host=""), {"host": None}, f"take its pin to host {shape.host} away"


def _any_controller(_host: HostState, _state: ControllerState | None, shape: Shape) -> Change | None:
    if any(disk.namespace for disk in shape.disks):
        return None
    disks = tuple(replace(disk, controller="") for disk in shape.disks)
    return replace(shape, disks=disks), {"controller": None}, f"take its pin to {_pins(shape)} away"


def _pins(shape: Shape) -> str:
    serials = sorted({disk.controller for disk in shape.disks if disk.controller})
    return f"controller{'s' if len(serials) > 1 else ''} {' and '.join(serials)}"


CHANGES: dict[str, Callable[[HostState, ControllerState | None, Shape], Change | None]] = {
    "queue_pairs": _fewer_queue_pairs,
    "numa": _any_node,
    "memory": _less_memory,
    "windows": _less_memory,
    "vcpus": _fewer_vcpus,
    "address": _another_address,
    "disks": _smaller_disk,
    "apart": _together,
    "group": _any_group,
    "host": _any_host,
    "controller": _any_controller,
}


def _another_host(ledger: Ledger, vm: str, shape: Shape) -> Remedy:
    """What always helps: a host that has what the VM wants, and nothing else on it."""
    # A host that is new cannot meet a pin to one that is not.
    pinned = any(disk.controller for disk in shape.disks)
    count = len(shape.disks) if shape.disks_apart else -(-len(shape.disks) // MAX_EXTENTS)
    room = sum(-(-disk.size // (1 << 20)) << 20 for disk in shape.disks)
    added: dict[str, Any] = {
        "memory_mib": shape.memory,
        "vcpus": shape.vcpus,
        "controllers": count,
        "queue_pairs": shape.least,
        "bytes": room,
    }
    what = f"{show_size(shape.memory << 20)} of memory, {shape.vcpus} vCPUs"
    if count:
        plural = "s" if count > 1 else ""
        what += f", {count} free controller{plural} with {shape.least} queue pairs and {show_size(room)}"
    if shape.address == POOL:
        added["address_pool"] = True
        what += ", a lightiov_address_pool"
    said = [f"add a host with {what}"]
    keys: dict[str, Any] = {}
    if shape.group:
        # A group may be the very domain of a VM that this one is to be apart from, and no host in it is any better.
        if ledger.together(vm, Host("", shape.memory, shape.vcpus, groups=frozenset({shape.group}))):
            keys["group"] = None
            said.append(f"take its pin to group {shape.group} away")
        else:
            added["groups"] = [shape.group]
            said[0] += f" to group {shape.group}"
    if shape.host or shape.hosts is not None:
        keys["host"] = None
        said.append("list the VM for that host")
    if pinned:
        keys["controller"] = None
        said.append(f"take its pin to {_pins(shape)} away")
    return Remedy(" and ".join(said), keys, add_host=added)
