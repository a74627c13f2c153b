# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs that are placed already: what of a changed wish they get where they are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ansible_collections.lightiov.nvme.plugins.module_utils._partition import fit
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.addresses import POOL, more
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.intent import Disk, Shape
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.ledger import HostState, Ledger
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.placement import Placement, Slice
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.window import most_memory, window
from ansible_collections.lightiov.nvme.plugins.module_utils._size import show_size


def change(ledger: Ledger, host: HostState, vm: str, shape: Shape) -> list[str]:
    """Bring the placement to the wish; one sentence for each part that stays as it is."""
    current = host.placed[vm]
    if (shape.tenant, shape.kind) != (current.tenant, current.kind):
        return [
            f"VM {vm} cannot pass from tenant {current.tenant} and kind {current.kind} to {shape.tenant} and "
            f"{shape.kind} on host {host.spec.name}: remove the VM, and list it again under another name"
        ]
    refused = _misplaced(host, vm, shape)
    refused += _resize(ledger, host, vm, shape)
    refused += _readdress(ledger, host, vm, shape)
    wanted = {disk.name: disk for disk in shape.disks}
    _drop(ledger, host, vm, set(wanted))
    placed = {one.name for one in host.placed[vm].slices}
    for one in host.placed[vm].slices:
        refused += _protect(ledger, host, vm, one, wanted[one.name])
        refused += _grow(ledger, host, vm, one, wanted[one.name])
    new = [disk for disk in shape.disks if disk.name not in placed]
    if new and not fit.extend(ledger, host, vm, shape, new):
        names = " and ".join(disk.name for disk in new)
        refused.append(
            f"VM {vm} cannot have disk {names} of {show_size(sum(disk.size for disk in new))} on host "
            f"{host.spec.name}, whose controllers do not have the room for it: ask for smaller ones, or for moves"
        )
    return refused


def _misplaced(host: HostState, vm: str, shape: Shape) -> list[str]:
    """Pins that came later: nothing moves by itself."""
    spec = host.spec
    wrong = (
        (bool(shape.host) and shape.host != spec.name, f"host {shape.host}"),
        (bool(shape.group) and shape.group not in spec.groups, f"group {shape.group}"),
        (shape.hosts is not None and spec.name not in shape.hosts, "the hosts that list it"),
    )
    return [
        f"VM {vm} is pinned to {pin} and is placed on host {spec.name}, where it stays: unpin it, or move it by hand"
        for is_wrong, pin in wrong
        if is_wrong
    ]


def _resize(ledger: Ledger, host: HostState, vm: str, shape: Shape) -> list[str]:
    refused = []
    for what, unit in (("memory", "MiB of memory"), ("vcpus", "vCPUs")):
        current = host.placed[vm]
        has, wants, free = getattr(current, what), getattr(shape, what), max(getattr(host, what), 0)
        if current.node is not None and current.node in host.nodes:
            free = max(min(free, host.nodes[current.node][what == "vcpus"]), 0)
        left = f"{free} more are free"
        if what == "memory":
            for serial, most in _windows(ledger, host, current):
                if most - has < free:
                    free = max(most - has, 0)
                    left = f"controller {serial} has windows for {free} more"
        if wants - has > free:
            refused.append(
                f"VM {vm} cannot have {wants} {unit} on host {host.spec.name}, where it has {has} and {left}: ask for "
                f"no more than {has + free}, or for moves"
            )
        elif wants != has:
            sizes = {"memory": current.memory, "vcpus": current.vcpus, what: wants}
            ledger.amend(host, replace(current, memory=sizes["memory"], vcpus=sizes["vcpus"]))
    return refused


def _windows(ledger: Ledger, host: HostState, current: Placement) -> Iterable[tuple[str, int]]:
    """The memory that each of its controllers has a window for, its own taken back."""
    for serial, _count in current.queue_pairs:
        state = ledger.state(host, serial)
        if state:
            yield serial, most_memory(state.windows + window(current.memory))


def _readdress(ledger: Ledger, host: HostState, vm: str, shape: Shape) -> list[str]:
    """One of the pool for a VM that has none."""
    current = host.placed[vm]
    if shape.address != POOL or current.address:
        return []
    name = host.spec.name
    address = ledger.address(host, vm, POOL)
    if address is None:
        return [
            f"VM {vm} gets no address on host {name}, which has none for it: {more(name, host.spec.pool)}, or give the "
            "VM one of its own"
        ]
    ledger.amend(host, replace(current, address=address))
    return []


def _drop(ledger: Ledger, host: HostState, vm: str, wanted: set[str]) -> None:
    """Disks that are not wanted any more, and controllers that only they were on."""
    current = host.placed[vm]
    staying = tuple(one for one in current.slices if one.name in wanted)
    if len(staying) == len(current.slices):
        return
    for one in current.slices:
        if one.name not in wanted:
            ledger.give(host, one)
    serials = {one.controller for one in staying}
    pairs = tuple(entry for entry in current.queue_pairs if entry[0] in serials)
    ledger.amend(host, replace(current, slices=staying, queue_pairs=pairs))


def _protect(ledger: Ledger, host: HostState, vm: str, one: Slice, disk: Disk) -> list[str]:
    """Another `read_only`: others may share what nobody writes to."""
    namespace = ledger.namespace(host, one)
    if disk.read_only == one.read_only or namespace is None or one.first is None:
        return []
    namespace.give(one.first, one.size, one.read_only)
    if not namespace.take(one.first, one.size, disk.read_only):
        namespace.take(one.first, one.size, one.read_only)
        return [
            f"Disk {one.name} of VM {vm} cannot be written to, because other VMs read namespace {namespace.name} of "
            f"controller {one.controller}, which it is: keep read_only, or take it from them first"
        ]
    current = host.placed[vm]
    changed = (replace(each, read_only=disk.read_only) if each.name == one.name else each for each in current.slices)
    ledger.amend(host, replace(current, slices=tuple(changed)))
    return []


def _grow(ledger: Ledger, host: HostState, vm: str, one: Slice, disk: Disk) -> list[str]:
    namespace = ledger.namespace(host, one)
    if disk.size == one.size or namespace is None or one.first is None:
        return []
    where = f"Disk {one.name} of VM {vm}"
    if not disk.size or not one.size or disk.size < one.size:
        return [
            f"{where} cannot become {show_size(disk.size) if disk.size else 'a whole namespace'} from "
            f"{show_size(one.size) if one.size else 'one'}, because data could be lost: keep its size, or make a "
            "disk of another name"
        ]
    extents = namespace.extents
    if not namespace.gives(disk.size):
        most = disk.size // extents.unit * extents.unit
        return [
            f"{where} cannot grow from {show_size(one.size)} to {show_size(disk.size)} in namespace {namespace.name} "
            f"of controller {one.controller}, which is given in units of {namespace.granularity} bytes: ask for "
            f"{show_size(most if most > one.size else most + extents.unit)}"
        ]
    if not extents.grow(one.first, one.size, disk.size):
        most = extents.rounded(one.size) + extents.room(one.first + extents.rounded(one.size))
        return [
            f"{where} cannot grow from {show_size(one.size)} to {show_size(disk.size)} where it is, in namespace "
            f"{namespace.name} of controller {one.controller}, because what follows it is not free: ask for no more "
            f"than {show_size(most)}, or make a second disk"
        ]
    current = host.placed[vm]
    grown = tuple(replace(each, size=disk.size) if each.name == one.name else each for each in current.slices)
    ledger.amend(host, replace(current, slices=grown))
    return []
