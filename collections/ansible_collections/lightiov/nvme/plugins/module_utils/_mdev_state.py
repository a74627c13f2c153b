# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the LightIOV mdevs of a host are and do now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils._extent import Extent, Slot
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host, entries, read, read_int
from ansible_collections.lightiov.nvme.plugins.module_utils._mdev_difference import State, describe_disk
from ansible_collections.lightiov.nvme.plugins.module_utils._mdevctl import (
    MDEV_DEVICES,
    Active,
    Definition,
    active_mdevs,
    definitions,
    is_ours,
)
from ansible_collections.lightiov.nvme.plugins.module_utils._sysfs import controllers


@dataclass(frozen=True)
class MdevState:
    uuid: str
    parent: str
    address: str
    type: str
    active: bool
    defined: bool
    autostart: bool
    label: str
    marked: bool
    tenant: str
    queue_pairs: int
    disks: list[dict[str, Any]]
    state: str = ""
    queues: list[dict[str, int | None]] = field(default_factory=list)
    window: dict[str, str] | None = None
    statistics: dict[str, int | None] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def in_short(self) -> dict[str, Any]:
        """What tells whether it works."""
        return {
            "state": self.state,
            "hw_qids": [queue["hw_qid"] for queue in self.queues],
            # A VM creates a queue with its ring.
            "used": len([queue for queue in self.queues if queue["entries"]]),
            "window": self.window and f"{self.window['base']} + {self.window['size']}",
            "interrupts": self.statistics.get("interrupts") or 0,
        }


def mdev_states(host: Host) -> list[MdevState]:
    present = controllers(host)
    serials = {controller.address: controller.serial for controller in present}
    sizes = {one.address: {ns.nsid: (ns.lba_size, ns.lba_count) for ns in one.namespaces} for one in present}
    defined = {one.uuid: one for one in definitions(host) if is_ours(one.type)}
    active = {one.uuid: one for one in active_mdevs(host) if is_ours(one.type)}
    # What exists wins over what is defined.
    mdevs = {**{uuid: _stopped(one) for uuid, one in defined.items()}, **active}
    known = State.look(active.values(), defined.values()).attributes()
    return [
        MdevState(
            uuid=uuid,
            # A definition says whom it means, whoever is at its address now.
            parent=mdev.attributes.serial or serials.get(mdev.address, ""),
            address=mdev.address,
            type=mdev.type,
            active=uuid in active,
            defined=uuid in defined,
            autostart=uuid in defined and defined[uuid].autostart,
            label=mdev.attributes.name,
            marked=any(one.is_marked for one in known[uuid]),
            tenant=mdev.attributes.tenant,
            queue_pairs=mdev.attributes.queue_pairs,
            disks=_disks(host, mdev, sizes.get(mdev.address, {})),
            state=mdev.state,
            **_details(host.path(f"{MDEV_DEVICES}/{uuid}")),
        )
        for uuid, mdev in sorted(mdevs.items())
    ]


def _stopped(definition: Definition) -> Active:
    return Active(definition.uuid, definition.address, definition.type, definition.parsed, state="")


def _disks(host: Host, mdev: Active, sizes: Mapping[int, tuple[int, int]]) -> list[dict[str, Any]]:
    """With their sizes, where the controller tells those, and what they are asked for, where they exist."""
    table = host.read(f"{MDEV_DEVICES}/{mdev.uuid}/extents") or ""
    flags = {slot.extent.id: slot.flags for slot in Slot.parse_all(table)}
    return [
        {
            **describe_disk(extent),
            "size": _size(extent, sizes),
            **{flag: flag in flags.get(extent.id, ()) for flag in ("asked", "gone")},
        }
        for extent in mdev.attributes.extents
    ]


def _size(extent: Extent, sizes: Mapping[int, tuple[int, int]]) -> int | None:
    if extent.nsid not in sizes:
        return None
    lba_size, lba_count = sizes[extent.nsid]
    return lba_size * (lba_count if extent.count is None else extent.count)


def _details(device: Path) -> dict[str, Any]:
    """What only an mdev that exists has."""
    return {
        "queues": parse_queues(read(device / "queues") or ""),
        "window": parse_window(read(device / "window") or "-"),
        "statistics": {counter.name: read_int(counter) for counter in entries(device / "statistics")},
    }


def parse_queues(text: str) -> list[dict[str, int | None]]:
    """The driver's attribute: "index hw_qid vector entries" a line, "-" for a vector or a ring that is not there."""
    names = ("index", "hw_qid", "vector", "entries")
    return [
        {name: int(word) if word.isdigit() else None for name, word in zip(names, line.split())}
        for line in text.splitlines()
    ]


def parse_window(text: str) -> dict[str, str] | None:
    """The driver's attribute: "0xBASE 0xSIZE", "-" for none."""
    base, _space, size = text.partition(" ")
    return {"base": base, "size": size} if size else None
