# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The LightIOV mdevs that a host shall have: one list, checked against itself and against the host's controllers."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._extent import Extent, same
from ansible_collections.lightiov.nvme.plugins.module_utils._mdevctl import MARK, Active, Attributes, Definition
from ansible_collections.lightiov.nvme.plugins.module_utils._namespace_record import NAME
from ansible_collections.lightiov.nvme.plugins.module_utils._placement import Places, Site, arrange
from ansible_collections.lightiov.nvme.plugins.module_utils._size import parse_size
from ansible_collections.lightiov.nvme.plugins.module_utils._sysfs import DRIVER, STOCK_DRIVER, Controller
from ansible_collections.lightiov.nvme.plugins.module_utils._tenants import Tenants, places
from ansible_collections.lightiov.nvme.plugins.module_utils._uuids import canonical, named

# Limits of the device ABI (native/abi/lightiov_abi.h).
MAX_QUEUE_PAIRS = 128
MAX_EXTENTS = 32
MAX_NSID = 0xFFFFFFFE
TENANT = re.compile(r"[A-Za-z0-9._-]{1,64}")
# Linux's notation of an NGUID or EUI-64 (wwid in sysfs).
IDENTITY = re.compile(r"eui\.([0-9a-f]{16}|[0-9a-f]{32})")
# What the driver takes as a label, the mark included.
MAX_LABEL = 128
NOT_IN_LABELS = re.compile(r"[^!-~]")
# What it takes as the name of an extent.
MAX_NAME = 64
NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]")


@dataclass(frozen=True)
class Disk:
    """A wanted disk, sound in itself. Without a size it is the whole namespace."""

    title: str
    namespace: str
    size: int | None
    read_only: bool

    @property
    def name(self) -> str:
        """As the driver takes it."""
        return driver_name(self.title)

    @classmethod
    def parse(cls, options: Mapping[str, Any], uuid: str) -> Disk:
        title, size = options["name"], options.get("size")
        if not title:
            raise LightiovError(f"A disk of mdev {uuid} has no name: give it one")
        return cls(
            title=title,
            namespace=_namespace(uuid, options["namespace"]),
            size=None if size is None else parse_size(size, f"Disk {title} of mdev {uuid}"),
            read_only=bool(options.get("read_only")),
        )


@dataclass(frozen=True)
class Wanted:
    """One element of the desired list, sound in itself."""

    uuid: str
    parent: str
    type: str
    label: str
    # Whose disks they are: their IDs follow from it.
    vm: str
    tenant: str
    queue_pairs: int
    disks: tuple[Disk, ...]

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> Wanted:
        uuid = canonical(options["uuid"])
        tenant = check_tenant(options["tenant"], f"mdev {uuid}")
        queue_pairs, listed = options["queue_pairs"], options["disks"] or []
        if not 1 <= queue_pairs <= MAX_QUEUE_PAIRS:
            raise LightiovError(f"mdev {uuid} cannot have {queue_pairs} queue pairs: choose 1 to {MAX_QUEUE_PAIRS}")
        if len(listed) > MAX_EXTENTS:
            raise LightiovError(f"mdev {uuid} cannot have {len(listed)} disks: list {MAX_EXTENTS} at most")
        disks = tuple(Disk.parse(disk, uuid) for disk in listed)
        for name, count in Counter(disk.name for disk in disks).items():
            if count > 1:
                raise LightiovError(
                    f"mdev {uuid} has {count} disks that the host module knows as {name}: give each a name of its own "
                    f"in {MAX_NAME} letters, digits, dots, underscores and hyphens"
                )
        return cls(
            uuid=uuid,
            parent=options["parent"],
            type=options["type"],
            label=(MARK + NOT_IN_LABELS.sub("_", options["label"]))[:MAX_LABEL],
            vm=options["label"] or uuid,
            tenant=tenant,
            queue_pairs=queue_pairs,
            disks=disks,
        )


def driver_name(title: str) -> str:
    """The name of a disk as the driver takes it."""
    return NOT_IN_NAMES.sub("_", title)[:MAX_NAME]


def check_tenant(text: str, where: str) -> str:
    """The name of a tenant, as the driver takes it."""
    if not TENANT.fullmatch(text):
        raise LightiovError(
            f"{where} cannot have the tenant {text!r}: use 1 to 64 letters, digits, dots, underscores and hyphens"
        )
    return text


def namespace_name(text: str) -> str | None:
    """The one spelling of a namespace's name, which is its NSID, its identity, or its name in lightiov_namespaces; None
    if it is none of these."""
    if NAME.fullmatch(text):
        return text
    if IDENTITY.fullmatch(text.lower()):
        return text.lower()
    if text.isascii() and text.isdecimal() and 1 <= int(text) <= MAX_NSID:
        return str(int(text))
    return None


def _namespace(uuid: str, text: str) -> str:
    name = namespace_name(text)
    if name is None:
        raise LightiovError(
            f"mdev {uuid} cannot have the namespace {text}: name it by its NSID, 1 to {MAX_NSID}, by eui. and the 32 "
            "hexadecimal digits of its NGUID or the 16 of its EUI-64, or as lightiov_namespaces does"
        )
    return name


@dataclass(frozen=True)
class Placed:
    """A wanted mdev, and where it is on this host. An extent of NSID 0 is one that nobody can tell yet."""

    wanted: Wanted
    controller: Controller
    extents: tuple[Extent, ...]

    @property
    def uuid(self) -> str:
        return self.wanted.uuid

    @property
    def attributes(self) -> Attributes:
        return Attributes(
            serial=self.controller.serial,
            label=self.wanted.label,
            tenant=self.wanted.tenant,
            queue_pairs=self.wanted.queue_pairs,
            extents=self.extents,
        )

    @property
    def definition(self) -> Definition:
        return Definition(
            uuid=self.uuid,
            address=self.controller.address,
            type=self.wanted.type,
            autostart=True,
            attributes=self.attributes.ordered(),
        )

    @property
    def as_active(self) -> Active:
        return Active(self.uuid, self.controller.address, self.wanted.type, self.attributes, state="closed")

    def is_active_as(self, active: Active) -> bool:
        return self.is_active_but_for_disks(active) and same(active.attributes.extents, self.extents)

    def is_active_but_for_disks(self, active: Active) -> bool:
        """Whether it is as it shall be, or can become so while a VM has it open."""
        its = replace(active.attributes, extents=self.extents)
        return (active.address, active.type, its) == (
            self.controller.address,
            self.wanted.type,
            self.attributes,
        ) and not active.attributes.is_former


# What is known of each mdev from before: from its definitions, and from the driver if it exists.
Known = Mapping[str, Sequence[Attributes]]


def former_uuids(present: Sequence[Controller], wanted: Sequence[Wanted]) -> dict[str, str]:
    """UUIDs of the mdevs that the version before made of these mdevs' disks, and which of these each belongs to."""
    found = {}
    for mdev in wanted:
        serial = next((one.serial for one in present if one.serial and is_parent(one, mdev)), mdev.parent)
        found.update({named(serial, mdev.vm, disk.title): mdev.uuid for disk in mdev.disks})
    return {former: uuid for former, uuid in found.items() if former != uuid}


def place(
    present: Sequence[Controller],
    wanted: Sequence[Wanted],
    known: Known,
    strangers: Mapping[str, Sequence[tuple[str, Attributes]]],
    record: Tenants,
) -> list[Placed]:
    """Find each mdev's controller and the places of its disks; check the list against itself, against what controllers
    have, and against the mdevs that something else has made there (by address)."""
    for uuid, count in Counter(mdev.uuid for mdev in wanted).items():
        if count > 1:
            raise LightiovError(f"mdev {uuid} is listed {count} times: list each mdev once")
    by_controller: dict[str, list[tuple[Wanted, list[Site]]]] = defaultdict(list)
    controllers = {}
    for mdev in wanted:
        controller = _parent(present, mdev)
        controllers[controller.address] = controller
        by_controller[controller.address].append((mdev, _sites(controller, mdev, known)))
    extents: dict[str, list[Extent]] = defaultdict(list)
    for address, siblings in by_controller.items():
        controller, others = controllers[address], strangers.get(address, ())
        _check_controller(controller, [mdev for mdev, _sites in siblings], others)
        sites = [site for _mdev, found in siblings for site in found]
        kept = {site.kept.id for site in sites if site.kept}
        held = [
            one for found in known.values() for has in found if has.serial == controller.serial for one in has.extents
        ]
        found_places = Places(
            strangers=[(uuid, extent) for uuid, attributes in others for extent in attributes.extents],
            leaving=[one for one in held if one.id not in kept],
            once=[one for site in sites for one in places(record, controller.serial, Extent(site.nsid, site.identity))],
        )
        for site, extent in zip(sites, arrange(controller, sites, found_places)):
            extents[site.mdev].append(extent)
    return [Placed(mdev, _parent(present, mdev), tuple(extents[mdev.uuid])) for mdev in wanted]


def _sites(controller: Controller, mdev: Wanted, known: Known) -> list[Site]:
    """Its disks with their namespaces, and with the extents that they have."""
    own = known.get(mdev.uuid, ())
    for attributes in own:
        if mdev.parent != controller.serial and controller.serial and attributes.serial not in ("", controller.serial):
            raise LightiovError(
                f"mdev {mdev.uuid} names the parent {mdev.parent}, where controller {attributes.serial} was and now is "
                f"{controller.serial}: name the parent by its serial number"
            )
    return [_site(controller, mdev, disk, own, known) for disk in mdev.disks]


def _site(controller: Controller, mdev: Wanted, disk: Disk, own: Sequence[Attributes], known: Known) -> Site:
    former = known.get(named(controller.serial, mdev.vm, disk.title), ()) if controller.serial else ()
    before = [
        extent
        for found in (own, former)
        for attributes in found
        if attributes.serial == controller.serial or (attributes.is_former and not attributes.serial)
        for extent in attributes.extents
        if extent.name == disk.name or not extent.id
    ]
    noted = {extent.nsid: extent.identity for extent in reversed(before) if extent.identity}
    nsid, identity = _find(mdev, disk.namespace, controller, noted)
    kept = [one for one in before if one.is_on(nsid, identity)]
    # What exists comes first; a definition that says more was written by a run that was cut short.
    place = max((one for one in kept if one.is_at(kept[0])), key=lambda one: one.count or 0, default=None)
    return Site(
        mdev=mdev.uuid,
        vm=mdev.vm,
        title=disk.title,
        name=disk.name,
        nsid=nsid,
        identity=identity,
        size=disk.size,
        read_only=disk.read_only,
        kept=place,
    )


def waits_for_identity(present: Sequence[Controller], mdev: Wanted) -> bool:
    """Whether its controller may be one that no driver has told the serial number of yet."""
    return any(not one.serial for one in present) and not any(is_parent(one, mdev) for one in present)


def is_parent(controller: Controller, mdev: Wanted) -> bool:
    return mdev.parent == controller.serial or mdev.parent.lower() == controller.address


def _parent(present: Sequence[Controller], mdev: Wanted) -> Controller:
    matching = [one for one in present if is_parent(one, mdev)]
    if len(matching) == 1:
        return matching[0]
    if matching:
        addresses = ", ".join(one.address for one in matching)
        raise LightiovError(
            f"mdev {mdev.uuid} names the parent {mdev.parent!r}, but {addresses} all match: use an address"
        )
    known = ", ".join(map(str, present)) or "none"
    raise LightiovError(
        f"mdev {mdev.uuid} names the parent {mdev.parent!r}, which is no controller of this host: choose from {known}"
    )


def _find(mdev: Wanted, text: str, controller: Controller, noted: Mapping[int, str]) -> tuple[int, str]:
    """NSID and identity of a namespace that is named by one of them."""
    existing = {namespace.nsid: namespace.id for namespace in controller.namespaces}
    # Without a driver that reports namespaces nothing can be said about them.
    reported = controller.driver in (DRIVER, STOCK_DRIVER)
    if not text.isdecimal():
        matching = [nsid for nsid, identity in existing.items() if identity == text]
        if len(matching) == 1:
            return matching[0], text
        if matching:
            raise LightiovError(
                f"mdev {mdev.uuid} wants namespace {text}, but namespaces {', '.join(map(str, matching))} of "
                f"controller {controller} all have that identity: name it by its NSID"
            )
        if reported and None not in existing.values():
            raise _missing(mdev, text, controller)
        return next((nsid for nsid, identity in noted.items() if identity == text), 0), text
    nsid = int(text)
    if reported and nsid not in existing:
        raise _missing(mdev, text, controller)
    identity, before = existing.get(nsid), noted.get(nsid, "")
    if identity is not None and before not in ("", identity):
        raise LightiovError(
            f"mdev {mdev.uuid} was given namespace {nsid} of controller {controller} when that was {before}, and now "
            f"it is {identity or 'one without identity'}: name the one that you mean by its identity, "
            "or take the mdev out of the list once"
        )
    return nsid, before if identity is None else identity


def _missing(mdev: Wanted, text: str, controller: Controller) -> LightiovError:
    namespaces = sorted(controller.namespaces, key=lambda namespace: namespace.nsid)
    there = ", ".join(f"{one.nsid} ({one.id})" if one.id else str(one.nsid) for one in namespaces)
    return LightiovError(
        f"mdev {mdev.uuid} wants namespace {text}, which controller {controller} does not have: "
        f"choose from {there or 'none'}"
    )


def _check_controller(
    controller: Controller, mdevs: Sequence[Wanted], strangers: Sequence[tuple[str, Attributes]]
) -> None:
    tenants = sorted({mdev.tenant for mdev in mdevs})
    if len(tenants) > 1:
        raise LightiovError(
            f"Controller {controller} cannot serve the tenants {' and '.join(tenants)} at once, because passthrough "
            "does not protect tenants from each other: give each tenant a controller of its own"
        )
    for uuid, attributes in strangers:
        if attributes.tenant not in ("", tenants[0]):
            raise LightiovError(
                f"Controller {controller} cannot serve tenant {tenants[0]}, because it serves tenant "
                f"{attributes.tenant} with mdev {uuid}, which lightiov.nvme has not made: remove that one with "
                "mdevctl, or use another controller"
            )
    total = sum(mdev.queue_pairs for mdev in mdevs)
    taken = sum(attributes.queue_pairs for _uuid, attributes in strangers)
    if controller.queue_pairs is not None and total + taken > controller.queue_pairs:
        others = f", of which mdevs that lightiov.nvme has not made hold {taken}" if taken else ""
        raise LightiovError(
            f"Controller {controller} has {controller.queue_pairs} queue pairs{others}, but its mdevs want {total}: "
            "give them fewer or use another controller"
        )
