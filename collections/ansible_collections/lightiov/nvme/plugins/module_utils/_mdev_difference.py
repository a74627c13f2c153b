# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The LightIOV mdevs that a host has and those that it shall have, side by side."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils import _blank as blank
from ansible_collections.lightiov.nvme.plugins.module_utils import _tenants as tenants
from ansible_collections.lightiov.nvme.plugins.module_utils._extent import Extent, identified
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._live import Change
from ansible_collections.lightiov.nvme.plugins.module_utils._mdev import (
    Placed,
    Wanted,
    former_uuids,
    place,
    waits_for_identity,
)
from ansible_collections.lightiov.nvme.plugins.module_utils._mdev_names import resolve
from ansible_collections.lightiov.nvme.plugins.module_utils._mdevctl import Active, Attributes, Definition
from ansible_collections.lightiov.nvme.plugins.module_utils._namespace_record import recorded as namespaces
from ansible_collections.lightiov.nvme.plugins.module_utils._plan import Unmet
from ansible_collections.lightiov.nvme.plugins.module_utils._sysfs import Controller, controllers
from ansible_collections.lightiov.nvme.plugins.module_utils._usage import mdev_is_open


@dataclass(frozen=True)
class Request:
    """What is asked for, and what is consented to."""

    wanted: Sequence[Wanted]
    absent: frozenset[str] = frozenset()
    remove: bool = False
    removals_max: int | None = None
    erase: bool = False
    force: bool = False
    timeout: int = 30
    phase: str = "all"


@dataclass
class State:
    """The LightIOV mdevs of a host: those that exist, by UUID, and definitions, by the paths of their files."""

    active: dict[str, Active]
    defined: dict[str, Definition]

    @classmethod
    def look(cls, active: Iterable[Active], defined: Iterable[Definition]) -> State:
        return cls({one.uuid: one for one in active}, {one.path: one for one in defined})

    def attributes(self) -> dict[str, list[Attributes]]:
        """All that is known of each, what exists first."""
        found: dict[str, list[Attributes]] = defaultdict(list)
        for uuid, mdev in self.active.items():
            found[uuid].append(mdev.attributes)
        for one in self.defined.values():
            found[one.uuid].append(one.parsed)
        return found

    def show(self) -> dict[str, Any]:
        return {
            "active": {
                uuid: {
                    "address": one.address,
                    "type": one.type,
                    "attributes": [list(pair) for pair in one.attributes.ordered()],
                    "asked": sorted(one.asked),
                }
                for uuid, one in sorted(self.active.items())
            },
            "definitions": {
                path: {
                    "type": one.type,
                    "autostart": one.autostart,
                    "attributes": [list(pair) for pair in one.attributes],
                }
                for path, one in sorted(self.defined.items())
            },
        }

    def mdevs(self, serial_at: Callable[[str], str]) -> list[dict[str, Any]]:
        shown: dict[str, Active | Definition] = {one.uuid: one for one in self.defined.values() if not one.is_spoilt}
        autostart = {one.uuid: one.autostart for one in self.defined.values() if not one.is_spoilt}
        shown.update(self.active)
        return [
            {
                **_describe(one, serial_at(one.address)),
                "active": uuid in self.active,
                "defined": uuid in autostart,
                "autostart": autostart.get(uuid, False),
            }
            for uuid, one in sorted(shown.items())
        ]


def _describe(mdev: Active | Definition, serial: str) -> dict[str, Any]:
    attributes = mdev.attributes if isinstance(mdev, Active) else mdev.parsed
    return {
        "uuid": mdev.uuid,
        "parent": attributes.serial or serial or mdev.address,
        "address": mdev.address,
        "type": mdev.type,
        "label": attributes.name,
        "tenant": attributes.tenant,
        "queue_pairs": attributes.queue_pairs,
        "disks": [describe_disk(one) for one in attributes.extents],
    }


def disks_told(mdevs: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, dict[str, Any]]]:
    """Of each mdev, by UUID, what nobody but its host knows of its disks, by name. One that does not exist has none."""
    return {
        mdev["uuid"]: {disk["name"]: {"id": disk["id"], "nsid": disk["nsid"]} for disk in mdev["disks"]}
        if mdev["active"]
        else {}
        for mdev in mdevs
    }


def describe_disk(extent: Extent) -> dict[str, Any]:
    return {
        "id": extent.id,
        "name": extent.name,
        "nsid": extent.nsid,
        "identity": extent.identity,
        "first": extent.first,
        "count": extent.count,
        "read_only": extent.read_only,
    }


@dataclass
class Difference:
    """What is there and what shall be, side by side."""

    host: Host
    request: Request
    before: State
    placed: dict[str, Placed]
    present: dict[str, Controller]
    # Those that something else has made: they are left alone.
    strangers: frozenset[str]
    # Those that something else has to be there for: their controller's driver, or a namespace.
    pending: Mapping[str, Unmet]
    # What the version before made of wanted disks, each an mdev, and the mdev that it becomes a disk of.
    formers: dict[str, str]
    record: tenants.Tenants

    @classmethod
    def find(cls, host: Host, request: Request, before: State, record: tenants.Tenants, predict: bool) -> Difference:
        present = controllers(host)
        pending = {mdev.uuid: _unseen(mdev) for mdev in request.wanted if predict and waits_for_identity(present, mdev)}
        known = before.attributes()
        formers = {
            former: uuid
            for former, uuid in former_uuids(present, request.wanted).items()
            if any(one.is_former for one in known.get(former, ()))
        }
        named = {mdev.uuid for mdev in request.wanted} | request.absent | set(formers)
        strangers = {
            uuid for uuid, found in known.items() if uuid not in named and not any(one.is_marked for one in found)
        }
        seen = [mdev for mdev in request.wanted if mdev.uuid not in pending]
        wanted, waiting = resolve(present, seen, namespaces(host))
        pending.update(waiting)
        placed = place(present, wanted, known, _by_address(before, strangers), record)
        return cls(
            host=host,
            request=request,
            before=before,
            placed={mdev.uuid: mdev for mdev in placed},
            present={one.address: one for one in present},
            strangers=frozenset(strangers),
            pending=pending,
            formers=formers,
            record=record,
        )

    def shrunk(self) -> Difference:
        """As it will be once what the phase `shrink` does is done."""
        shrinking = replace(self, request=replace(self.request, phase="shrink"))
        before = State(
            {uuid: mdev for uuid, mdev in self.before.active.items() if not shrinking.stops(mdev)},
            {path: one for path, one in self.before.defined.items() if not shrinking.undefines(one)},
        )
        return self.find(self.host, self.request, before, self.left, predict=True)

    @cached_property
    def left(self) -> tenants.Tenants:
        """The record of tenants with those of the mdevs that are there: what goes is not forgotten with it."""
        active = [(mdev.address, mdev.attributes) for mdev in self.before.active.values()]
        defined = [(one.address, one.parsed) for one in self.before.defined.values()]
        noted = tenants.noted(self.record, map(self._by_serial, active), replace=True)
        # A definition that was never started has left nothing.
        return tenants.noted(noted, map(self._by_serial, defined), replace=False)

    def serial_at(self, address: str) -> str:
        return self.present[address].serial if address in self.present else ""

    def _by_serial(self, mdev: tuple[str, Attributes]) -> tuple[str, Attributes]:
        address, attributes = mdev
        if attributes.label == blank.LABEL:
            return "", attributes
        serial = attributes.serial or self.serial_at(address)
        if not serial or serial != self.serial_at(address):
            return serial, attributes
        identities = {one.nsid: one.id or "" for one in self.present[address].namespaces}
        extents = (identified(one, identities.get(one.nsid, "")) for one in attributes.extents)
        return serial, replace(attributes, extents=tuple(extents))

    @property
    def kept(self) -> tenants.Tenants:
        """The record of tenants once the wanted mdevs are there."""
        wanted = [(mdev.controller.serial, mdev.attributes) for mdev in self.ready.values()]
        return tenants.noted(self.left, wanted, replace=True)

    def passing(self) -> list[blank.Passing]:
        """What goes to another tenant, and parts of namespaces that go to another disk."""
        return [one for mdev in self.ready.values() for extent in mdev.extents for one in self._passing(mdev, extent)]

    def _passing(self, mdev: Placed, extent: Extent) -> list[blank.Passing]:
        serial = mdev.controller.serial
        strange = [part.tenant for part in tenants.had(self.left, serial, extent) if part.tenant != mdev.wanted.tenant]
        if strange:
            return [blank.Passing(mdev, extent, f"tenant {strange[0]}'s")]
        new = self._new(mdev, extent)
        used = new and any(part.disk != extent.id for part in tenants.had(self.left, serial, new))
        return [blank.Passing(mdev, new, "used for another disk")] if new and used else []

    def _new(self, mdev: Placed, extent: Extent) -> Extent | None:
        """What of a part of a namespace the disk does not have yet."""
        if extent.is_whole:
            return None
        known = [
            one
            for attributes in self.before.attributes().get(mdev.uuid, ())
            if attributes.serial == mdev.controller.serial
            for one in attributes.extents
            if one.is_at(extent)
        ]
        own = max((int(one.end) for one in known), default=extent.start)
        return replace(extent, first=own, count=int(extent.end) - own) if own < extent.end else None

    @cached_property
    def ready(self) -> dict[str, Placed]:
        """Those whose turn has come. Of the others everything stays as it is, so that their VMs can be started anew."""
        return {uuid: mdev for uuid, mdev in self.placed.items() if not self.waits(mdev)}

    @property
    def grows(self) -> bool:
        return self.request.phase != "shrink"

    def _is_left_alone(self, uuid: str) -> bool:
        return uuid in self.strangers or self.formers.get(uuid, uuid) in self.pending

    def stops(self, mdev: Active) -> bool:
        if self._is_left_alone(mdev.uuid):
            return False
        placed = self.placed.get(self.formers.get(mdev.uuid, mdev.uuid))
        if placed is None or not self._stays(mdev.address, mdev.attributes, placed):
            return True
        if mdev.uuid in self.formers:
            return self._former_stops(mdev, placed)
        return self.grows and not placed.is_active_but_for_disks(mdev)

    def _former_stops(self, mdev: Active, placed: Placed) -> bool:
        """Serving the right disk to a VM, it is as good as any until all of the VM's are closed."""
        if not _serves(mdev.uuid, mdev.attributes, placed):
            return self.grows
        siblings = [uuid for uuid, becomes in self.formers.items() if becomes == placed.uuid]
        return self.grows and not any(mdev_is_open(self.host, uuid) for uuid in siblings if uuid in self.before.active)

    def waits(self, mdev: Placed) -> list[str]:
        """The mdevs of the version before whose end it waits for."""
        return [
            uuid
            for uuid, becomes in sorted(self.formers.items())
            if becomes == mdev.uuid and uuid in self.before.active and not self.stops(self.before.active[uuid])
        ]

    def changes(self) -> list[Change]:
        """Of the mdevs that stay, those whose disks come, grow, go or are asked for while they are there."""
        staying = [
            Change.of(self.placed[mdev.uuid], mdev.attributes.extents, mdev.asked)
            for mdev in self.before.active.values()
            if self.grows and mdev.uuid in self.placed and not self.stops(mdev)
        ]
        return [change for change in staying if change]

    def gives_before_it_gets(self, mdev: Placed) -> tuple[bool, bool]:
        """Puts definitions in an order in which no two of them have the same part, as far as there is one."""
        one = self.before.defined.get(mdev.definition.path)
        change = Change.of(mdev, one.parsed.extents if one else ())
        return bool(change.coming), not change.leaving

    def undefines(self, one: Definition) -> bool:
        if self._is_left_alone(one.uuid):
            return False
        placed = self.placed.get(self.formers.get(one.uuid, one.uuid))
        if placed is None:
            return True
        if one.uuid in self.formers and placed.uuid not in self.ready and _serves(one.uuid, one.parsed, placed):
            return False
        return one != placed.definition and (self.grows or not self._stays(one.address, one.parsed, placed))

    def has_moved(self, one: Definition) -> bool:
        """Whether it is of a wanted mdev whose drive is at another address now."""
        placed = self.placed.get(one.uuid)
        return placed is not None and self._stays(one.address, one.parsed, placed)

    def removed_disks(self) -> list[tuple[str, Extent, str]]:
        """Disks that mdevs lose, with the mdevs and what these are for. One that goes to another place stays."""
        found = {
            (uuid, one.id): (uuid, one, attributes.name)
            for uuid, known in self.before.attributes().items()
            if uuid in self.placed and uuid not in self.formers
            for attributes in known
            for one in attributes.extents
            if one.id and one.name not in {disk.name for disk in self.placed[uuid].wanted.disks}
        }
        return [found[key] for key in sorted(found)]

    def _stays(self, address: str, attributes: Attributes, placed: Placed) -> bool:
        """Whether it belongs to the controller that it shall have, wherever that is now."""
        serial = attributes.serial or self.serial_at(address)
        if serial and placed.controller.serial:
            return serial == placed.controller.serial
        return address == placed.controller.address

    def is_removed(self, uuid: str, attributes: Sequence[Attributes]) -> bool:
        return (
            uuid not in self.placed
            and uuid not in self.formers
            and not self._is_left_alone(uuid)
            and any(one.label != blank.LABEL for one in attributes)
        )


def _unseen(mdev: Wanted) -> Unmet:
    return Unmet(
        f"mdev {mdev.uuid} names a parent that may be one of this host's controllers without a driver: correct its "
        "serial number if none of them has it",
        until="controller",
    )


def _serves(former: str, attributes: Attributes, placed: Placed) -> bool:
    """Whether an mdev of the version before has the disk that it becomes."""
    return [one.nsid for one in attributes.extents] == [one.nsid for one in placed.extents if one.id == former]


def _by_address(state: State, uuids: set[str]) -> dict[str, list[tuple[str, Attributes]]]:
    found: dict[str, dict[str, Attributes]] = defaultdict(dict)
    for one in state.defined.values():
        found[one.address][one.uuid] = one.parsed
    for mdev in state.active.values():
        found[mdev.address][mdev.uuid] = mdev.attributes
    return {
        address: [(uuid, attributes) for uuid, attributes in mdevs.items() if uuid in uuids]
        for address, mdevs in found.items()
    }


def takes_extents(controller: Controller) -> bool:
    """Whether its driver is one that gives mdevs parts of namespaces, each a disk."""
    return all(namespace.granularity is not None for namespace in controller.namespaces)
