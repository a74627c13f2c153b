# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where what is written of a host and what the host has are not the same."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils._mdev import driver_name
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.names import natural
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.placement import Placement, Slice
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.resources import Controller, Host
from ansible_collections.lightiov.nvme.plugins.module_utils._size import show_size

# VMs by name, as lightiov.nvme.host_info tells what is placed.
Told = Mapping[str, Mapping[str, Any]]


def contradictions(host: Host, written: Iterable[Placement], told: Told) -> Iterator[str]:
    """What no plan ever writes of a VM that is there, whether the host has accepted it or not."""
    controllers = {one.serial: one for one in host.controllers}
    for placement in written:
        here = told.get(placement.vm)
        if here is None:
            continue
        if here["tenant"] != placement.tenant:
            yield (
                f"VM {placement.vm} is tenant {placement.tenant}'s by the placements of host {host.name}, and tenant "
                f"{here['tenant']}'s by the host itself: correct the file, or remove the VM from it to have it found "
                "again"
            )
        for one, disk in _both(placement, here):
            where = f"Disk {one.name} of VM {placement.vm}"
            size = disk.get("bytes") or 0
            if not _is_there(one, disk, controllers.get(one.controller)):
                yield (
                    f"{where} is {_place(one.namespace, one.controller)} by the placements of host {host.name}, and "
                    f"{_place(disk['namespace'], disk['controller'])} by the host itself: correct the file, or remove "
                    "the VM from it to have it found again"
                )
            elif bool(one.size) != bool(size) or one.size < size:
                yield (
                    f"{where} is {_extent(one.size)} by the placements of host {host.name}, and {_extent(size)} by the "
                    f"host itself, and disks do not shrink: make it {_extent(size)} in the file and in lightiov_vms"
                )


def unapplied(host: Host, written: Iterable[Placement], told: Told, known: Container[str]) -> Iterator[str]:
    """Of placements that the host has accepted, what it does not have, or not any more; of a file that is newer, this
    is what it is for.

    `known` are VMs that are written or wished for.
    """
    by = f"by the placements of host {host.name}, which it has accepted"
    controllers = {one.serial: one for one in host.controllers}
    without: list[str] = []
    for placement in written:
        slices = [one for one in placement.slices if _can_be_seen(one, controllers)]
        here = told.get(placement.vm)
        if here is None:
            without += [placement.vm] if slices else []
            continue
        both = list(_both(placement, here))
        paired_slices, paired_disks = [one for one, _disk in both], [disk for _one, disk in both]
        for one in slices:
            if one not in paired_slices:
                yield (
                    f"Disk {one.name} of VM {placement.vm} is {_place(one.namespace, one.controller)} {by}, and the "
                    "host itself does not have it: lightiov.nvme.deploy makes it; take it out of lightiov_vms if it "
                    "is to be gone"
                )
        yield from _changes(placement, both, by)
        for disk in here["disks"]:
            if disk not in paired_disks:
                yield (
                    f"Disk {disk['name']} of VM {placement.vm} is {_place(disk['namespace'], disk['controller'])} by "
                    f"host {host.name} itself, and not by its placements, which it has accepted: lightiov.nvme.deploy "
                    "takes it away with remove in lightiov_allow; write it in lightiov_vms and in the file to keep it"
                )
    if without:
        yield (
            f"VM {', '.join(sorted(without, key=natural))} has disks {by}, and none by the host itself: "
            "lightiov.nvme.deploy makes them; take out of lightiov_vms what is to be gone"
        )
    for vm in sorted(told, key=natural):
        if vm not in known and told[vm]["disks"]:
            names = ", ".join(
                f"{one['name']} {_place(one['namespace'], one['controller'])}" for one in told[vm]["disks"]
            )
            yield (
                f"VM {vm} has disk {names} by host {host.name} itself, and is not in its placements, which it has "
                "accepted: lightiov.nvme.deploy takes it away with remove in lightiov_allow; list the VM in "
                "lightiov_vms to keep it"
            )


def _changes(placement: Placement, both: Iterable[tuple[Slice, Mapping[str, Any]]], by: str) -> Iterator[str]:
    pairs = dict(placement.queue_pairs)
    told: set[str] = set()
    for one, disk in both:
        size = disk.get("bytes") or 0
        if one.size > size > 0:
            yield (
                f"Disk {one.name} of VM {placement.vm} has {show_size(one.size)} {by}, and {show_size(size)} by the "
                "host itself: lightiov.nvme.deploy grows it; say its size in lightiov_vms and in the file if it is to "
                "stay as it is"
            )
        has = int(disk["queue_pairs"])
        if disk["controller"] == one.controller and pairs[one.controller] != has and one.controller not in told:
            told.add(one.controller)
            yield (
                f"VM {placement.vm} has {pairs[one.controller]} queue pairs of controller {one.controller} {by}, and "
                f"{has} by the host itself: lightiov.nvme.deploy changes them when the VM is off; correct the file if "
                "they are to stay as they are"
            )


def _both(placement: Placement, here: Mapping[str, Any]) -> Iterator[tuple[Slice, Mapping[str, Any]]]:
    has = {disk["name"]: disk for disk in here["disks"]}
    for one in placement.slices:
        # A disk of a lost file has the name that the driver took.
        disk = has.get(driver_name(one.name))
        if disk is not None:
            yield one, disk


def _is_there(one: Slice, disk: Mapping[str, Any], controller: Controller | None) -> bool:
    """Whether a disk is in the namespace that is written, which may be by its number, or by its name on a list."""
    if one.controller != disk["controller"]:
        return False
    namespaces = controller.namespaces if controller else ()
    wanted = {one.namespace, disk["namespace"]}
    return len(wanted) == 1 or any(wanted <= each.names for each in namespaces)


def _can_be_seen(one: Slice, controllers: Mapping[str, Controller]) -> bool:
    """A host tells nothing of disks whose controller or namespace is missing, and the plan says that these are."""
    controller = controllers.get(one.controller)
    return controller is not None and any(one.namespace in each.names for each in controller.namespaces)


def _place(namespace: object, controller: object) -> str:
    return f"in namespace {namespace} of controller {controller}"


def _extent(size: int) -> str:
    return show_size(size) if size else "a whole namespace"
