# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One VM on one host: which controllers and namespaces, and on which NUMA node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import lcm

from ansible_collections.lightiov.nvme.plugins.module_utils._partition.intent import MAX_EXTENTS, Disk, Shape
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.ledger import (
    ControllerState,
    HostState,
    Ledger,
    NamespaceState,
    owner_of,
)
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.placement import Placement, Slice
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.window import window

Taken = list[tuple[Disk, ControllerState, NamespaceState, int]]


def allowed(host: HostState, shape: Shape) -> bool:
    """Whether pins and cordons let the VM onto the host."""
    spec = host.spec
    return (
        not host.closed
        and (not shape.host or shape.host == spec.name)
        and (not shape.group or shape.group in spec.groups)
        and (shape.hosts is None or spec.name in shape.hosts)
    )


def place(ledger: Ledger, host: HostState, vm: str, shape: Shape) -> Placement | None:
    """The VM's placement, entered into the ledger; None, and nothing changed, if it does not fit."""
    if host.memory < shape.memory or host.vcpus < shape.vcpus or not allowed(host, shape):
        return None
    if ledger.together(vm, host.spec):
        return None
    return _fits_on(ledger, host, vm, shape)


def _fits_on(ledger: Ledger, host: HostState, vm: str, shape: Shape) -> Placement | None:
    """Whatever rules keep apart."""
    address = ledger.address(host, vm, shape.address) if shape.address else ""
    if address is None:
        return None
    if shape.numa == "none" or not host.nodes:
        return _place_on(ledger, host, vm, shape, node=None, address=address)
    for node, (memory, vcpus) in sorted(host.nodes.items()):
        if memory >= shape.memory and vcpus >= shape.vcpus:
            placement = _place_on(ledger, host, vm, shape, node=node, address=address)
            if placement:
                return placement
    return _place_on(ledger, host, vm, shape, node=None, address=address) if shape.numa == "preferred" else None


def _place_on(
    ledger: Ledger, host: HostState, vm: str, shape: Shape, *, node: int | None, address: str
) -> Placement | None:
    wanted = window(shape.memory)
    usable = [
        one
        for one in host.controllers
        if not one.closed and _takes_one_more(one, shape, wanted) and (node is None or one.spec.numa_node == node)
    ]
    taken = _allot(shape, usable)
    if taken is None:
        return None
    serials = sorted({state.spec.serial for _disk, state, _namespace, _first in taken})
    slices = {
        disk.name: Slice(disk.name, state.spec.serial, namespace.name, disk.size, first, disk.read_only)
        for disk, state, namespace, first in taken
    }
    placement = Placement(
        vm,
        host.spec.name,
        shape.tenant,
        shape.kind,
        shape.memory,
        shape.vcpus,
        tuple(slices[disk.name] for disk in shape.disks),
        tuple((serial, shape.least) for serial in serials),
        node,
        address,
    )
    ledger.enter(placement)
    return placement


def _allot(shape: Shape, usable: Sequence[ControllerState]) -> Taken | None:
    """Extents for all disks, on as few controllers as can be; greedily, so that there are no candidates to "
    "enumerate."""
    if not shape.disks:
        return []
    # Those that are used already come first: free ones are for other tenants. Of them those with the most left, which
    # strands least: what is almost full keeps queue pairs for the VM that has a use for its last bytes.
    order = sorted(usable, key=_preference) if len(usable) > 1 else usable
    pinned = [disk for disk in shape.disks if disk.controller]
    loose = sorted((disk for disk in shape.disks if not disk.controller), key=lambda disk: (-disk.size, disk.name))
    if not shape.disks_apart and not pinned:
        for state in order:
            taken = _all_on(state, loose)
            if taken is not None:
                return taken
        if len(loose) == 1:
            return None
    taken = []
    counts: dict[str, int] = {}
    for disk in [*pinned, *loose]:
        found = _one(disk, shape.disks_apart, order, counts)
        if found is None:
            _give_back(taken)
            return None
        taken.append(found)
    return taken


def _preference(state: ControllerState) -> tuple[bool, int]:
    return not state.owner, -state.queue_pairs


def _all_on(state: ControllerState, disks: Sequence[Disk]) -> Taken | None:
    if len(disks) > MAX_EXTENTS:
        return None
    taken: Taken = []
    for disk in disks:
        for namespace in state.namespaces:
            if not namespace.closed and namespace.extents.largest >= disk.size:
                first = namespace.allot(disk.size, disk.read_only)
                if first is not None:
                    taken.append((disk, state, namespace, first))
                    break
        else:
            _give_back(taken)
            return None
    return taken


def _one(
    disk: Disk, apart: bool, order: Sequence[ControllerState], counts: dict[str, int]
) -> tuple[Disk, ControllerState, NamespaceState, int] | None:
    """An extent for one disk of a VM that has so many on each controller."""
    # A controller that the VM has already costs no more queue pairs.
    for state in sorted(order, key=lambda one: one.spec.serial not in counts):
        serial = state.spec.serial
        if disk.controller and disk.controller != serial:
            continue
        if counts.get(serial, 0) >= (1 if apart else MAX_EXTENTS):
            continue
        for namespace in state.namespaces:
            if namespace.closed or (disk.namespace and disk.namespace not in namespace.names):
                continue
            first = namespace.allot(disk.size, disk.read_only)
            if first is not None:
                counts[serial] = counts.get(serial, 0) + 1
                return disk, state, namespace, first
    return None


def _takes_one_more(state: ControllerState, shape: Shape, wanted: int) -> bool:
    """Whether a VM with a window of so many bytes, which has no mdev there yet, may have one."""
    return state.spare >= shape.least and state.windows >= wanted and state.serves(shape.tenant, shape.kind)


def _give_back(taken: Taken) -> None:
    for disk, _state, namespace, first in reversed(taken):
        namespace.give(first, disk.size, disk.read_only)


def try_place(ledger: Ledger, host: HostState, vm: str, shape: Shape, without_rules: bool = False) -> bool:
    """Whether the VM fits; nothing is changed."""
    fits = _fits_on(ledger, host, vm, shape) if without_rules else place(ledger, host, vm, shape)
    if fits:
        ledger.remove(vm, host)
    return bool(fits)


def has_room(state: ControllerState, disks: Sequence[Disk]) -> bool:
    """Whether a controller has the bytes, pinned namespaces included."""
    if len(disks) == 1 and disks[0].size and not disks[0].controller:
        wanted = disks[0].size
        return any(
            not one.closed and one.gives(wanted) and one.extents.rounded(wanted) <= one.extents.largest
            for one in state.namespaces
        )
    if sum(disk.size for disk in disks) > sum(one.extents.free for one in state.namespaces):
        return False
    counts: dict[str, int] = {}
    taken: Taken = []
    for disk in sorted(disks, key=lambda one: -one.size):
        loose = replace(disk, controller="" if disk.controller != state.spec.serial else disk.controller)
        found = _one(loose, False, [state], counts)
        if found is None:
            break
        taken.append(found)
    _give_back(taken)
    return len(taken) == len(disks)


def smaller(state: ControllerState, shape: Shape) -> tuple[Disk, ...] | None:
    """The disks with the largest as much smaller as they need to be; None if that does not do."""
    if not all(disk.size for disk in shape.disks):
        return None
    largest = max(shape.disks, key=lambda disk: (disk.size, disk.name))
    # What is left beside the others, in units that sizes are written in and that every namespace gives.
    unit = lcm(*(one.extents.unit for one in state.namespaces))
    low, high = 0, -(-largest.size // unit)
    while high - low > 1:
        middle = (low + high) // 2
        tried = [replace(disk, size=middle * unit) if disk is largest else disk for disk in shape.disks]
        low, high = (middle, high) if has_room(state, tried) else (low, middle)
    if not low:
        return None
    return tuple(replace(disk, size=low * unit) if disk is largest else disk for disk in shape.disks)


def extend(ledger: Ledger, host: HostState, vm: str, shape: Shape, disks: Sequence[Disk]) -> bool:
    """More disks for a VM that is placed, on its controllers if they have the room, else on others of its host."""
    current = host.placed[vm]
    pairs = dict(current.queue_pairs)
    wanted = window(current.memory)
    usable = [
        one
        for one in host.controllers
        if not one.closed
        and (one.spec.serial in pairs or _takes_one_more(one, shape, wanted))
        and (current.node is None or one.spec.numa_node == current.node)
    ]
    usable.sort(key=lambda one: (one.spec.serial not in pairs, *_preference(one)))
    counts: dict[str, int] = {}
    for one in current.slices:
        counts[one.controller] = counts.get(one.controller, 0) + 1
    taken: Taken = []
    for disk in disks:
        found = _one(disk, shape.disks_apart, usable, counts)
        if found is None:
            _give_back(taken)
            return False
        taken.append(found)
    for disk, state, namespace, first in taken:
        pairs.setdefault(state.spec.serial, shape.least)
        added = Slice(disk.name, state.spec.serial, namespace.name, disk.size, first, disk.read_only)
        current = replace(current, slices=(*current.slices, added))
    ledger.amend(host, replace(current, queue_pairs=tuple(sorted(pairs.items()))))
    return True


def keep(ledger: Ledger, placement: Placement) -> list[str]:
    """Enter what is placed already, where it is, and say what of it the host does not bear out.

    Nothing that is there is refused: a host with less than it had keeps what it has, and gets nothing more.
    """
    wrong: list[str] = []
    slices = []
    host = ledger.by_name[placement.host]
    vm = placement.vm
    for serial, _count in placement.queue_pairs:
        state = ledger.state(host, serial)
        owner = owner_of(placement.tenant, placement.kind)
        if state is None:
            wrong.append(
                f"VM {vm} has disks on controller {serial}, which host {placement.host} does not have: put the "
                "controller back, or remove the VM from the host's placements"
            )
        elif state.owner and state.owner != owner:
            wrong.append(
                f"VM {vm} of tenant {placement.tenant} is on controller {serial} of host {placement.host}, which "
                f"{state.owner} has: move one of the two, since they could reach each other's memory"
            )
    for one in placement.slices:
        namespace = ledger.namespace(host, one)
        first = one.first
        if namespace is None:
            if ledger.state(host, one.controller):
                wrong.append(
                    f"Disk {one.name} of VM {vm} is in namespace {one.namespace} of controller {one.controller}, "
                    "which is not there: attach the namespace again, or remove the VM from the host's placements"
                )
        elif first is None:
            first = namespace.allot(one.size, one.read_only)
            if first is None:
                wrong.append(_overlap(vm, one))
        elif not namespace.take(first, one.size, one.read_only):
            wrong.append(_overlap(vm, one))
            first = None
        slices.append(replace(one, first=first, namespace=namespace.name if namespace else one.namespace))
    if placement.address and not host.addresses.is_free(placement.address, vm):
        wrong.append(
            f"VM {vm} has the address {placement.address} on host {placement.host}, which "
            f"{host.addresses.holder(placement.address)} has: give one of them another in lightiov_vms, or remove the "
            "address that a plan gave from the host's placements"
        )
    ledger.enter(replace(placement, slices=tuple(slices)))
    # What is not known of a host does not contradict what is written.
    return wrong if host.spec.reachable else []


def _overlap(vm: str, one: Slice) -> str:
    return (
        f"Disk {one.name} of VM {vm} has no room of its own in namespace {one.namespace} of controller "
        f"{one.controller}: another disk is there, so see which of the two the host's extents show"
    )
