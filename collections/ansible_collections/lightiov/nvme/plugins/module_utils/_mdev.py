# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The LightIOV mdevs that a host shall have: one list, checked against itself and against the host's controllers."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._mdevctl import MARK, Active, Attributes, Claim, Definition
from ansible_collections.lightiov.nvme.plugins.module_utils._sysfs import DRIVER, STOCK_DRIVER, Controller
from ansible_collections.lightiov.nvme.plugins.module_utils._uuids import canonical

# Limits of the device ABI (native/abi/lightiov_abi.h).
MAX_QUEUE_PAIRS = 128
MAX_NAMESPACES = 64
MAX_NSID = 0xFFFFFFFE
TENANT = re.compile(r"[A-Za-z0-9._-]{1,64}")
# Linux's notation of an NGUID or EUI-64 (wwid in sysfs).
IDENTITY = re.compile(r"eui\.([0-9a-f]{16}|[0-9a-f]{32})")
# What the driver takes as a label, the mark included.
MAX_LABEL = 128
NOT_IN_LABELS = re.compile(r"[^!-~]")


@dataclass(frozen=True)
class Wanted:
    """One element of the desired list, sound in itself."""

    uuid: str
    parent: str
    type: str
    label: str
    tenant: str
    queue_pairs: int
    namespaces: tuple[str, ...]

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> Wanted:
        uuid = canonical(options["uuid"])
        tenant = check_tenant(options["tenant"], f"mdev {uuid}")
        queue_pairs, namespaces = options["queue_pairs"], options["namespaces"]
        if not 1 <= queue_pairs <= MAX_QUEUE_PAIRS:
            raise LightiovError(f"mdev {uuid} cannot have {queue_pairs} queue pairs: choose 1 to {MAX_QUEUE_PAIRS}")
        if not 1 <= len(namespaces) <= MAX_NAMESPACES:
            raise LightiovError(f"mdev {uuid} cannot have {len(namespaces)} namespaces: choose 1 to {MAX_NAMESPACES}")
        return cls(
            uuid=uuid,
            parent=options["parent"],
            type=options["type"],
            label=(MARK + NOT_IN_LABELS.sub("_", options["label"]))[:MAX_LABEL],
            tenant=tenant,
            queue_pairs=queue_pairs,
            namespaces=tuple(_namespace(uuid, text) for text in namespaces),
        )


def check_tenant(text: str, where: str) -> str:
    """The name of a tenant, as the driver takes it."""
    if not TENANT.fullmatch(text):
        raise LightiovError(
            f"{where} cannot have the tenant {text!r}: use 1 to 64 letters, digits, dots, underscores and hyphens"
        )
    return text


def namespace_name(text: str) -> str | None:
    """The one spelling of a namespace's name, which is its NSID or its identity; None if it is neither."""
    if IDENTITY.fullmatch(text.lower()):
        return text.lower()
    if text.isascii() and text.isdecimal() and 1 <= int(text) <= MAX_NSID:
        return str(int(text))
    return None


def _namespace(uuid: str, text: str) -> str:
    name = namespace_name(text)
    if name is None:
        raise LightiovError(
            f"mdev {uuid} cannot have the namespace {text}: name it by its NSID, 1 to {MAX_NSID}, "
            "or by eui. and the 32 hexadecimal digits of its NGUID or the 16 of its EUI-64"
        )
    return name


@dataclass(frozen=True)
class Placed:
    """A wanted mdev, and where it is on this host. A claim of NSID 0 is one that nobody can tell yet."""

    wanted: Wanted
    controller: Controller
    claims: tuple[Claim, ...]

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
            namespaces=self.claims,
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
        return (active.address, active.type, active.attributes) == (
            self.controller.address,
            self.wanted.type,
            self.attributes,
        )

    def lacks_only_identity(self, active: Active) -> bool:
        """Whether it does what it shall, but was started when nobody told the driver what is its own."""
        own, its = self.attributes, active.attributes
        return (
            (active.address, active.type) == (self.controller.address, self.wanted.type)
            and (its.tenant, its.queue_pairs) == (own.tenant, own.queue_pairs)
            and its.serial in ("", own.serial)
            and [claim.nsid for claim in its.namespaces] == [claim.nsid for claim in own.namespaces]
            and all(claim.id in ("", self.claims[index].id) for index, claim in enumerate(its.namespaces))
        )


# What is known of each mdev from before: from its definitions, and from the driver if it exists.
Known = Mapping[str, Sequence[Attributes]]


def place(
    present: Sequence[Controller],
    wanted: Sequence[Wanted],
    known: Known,
    strangers: Mapping[str, Sequence[tuple[str, Attributes]]],
) -> list[Placed]:
    """Find each mdev's controller and namespaces; check the list against itself, against what controllers have, and
    against the mdevs that something else has made there (by address)."""
    for uuid, count in Counter(mdev.uuid for mdev in wanted).items():
        if count > 1:
            raise LightiovError(f"mdev {uuid} is listed {count} times: list each mdev once")
    placed = [_place(present, mdev, known.get(mdev.uuid, ())) for mdev in wanted]
    by_address: dict[str, list[Placed]] = defaultdict(list)
    for one in placed:
        by_address[one.controller.address].append(one)
    for address, siblings in by_address.items():
        _check_controller(siblings[0].controller, siblings, strangers.get(address, ()))
    return placed


def _place(present: Sequence[Controller], mdev: Wanted, known: Sequence[Attributes]) -> Placed:
    controller = _parent(present, mdev)
    for attributes in known:
        if mdev.parent != controller.serial and controller.serial and attributes.serial not in ("", controller.serial):
            raise LightiovError(
                f"mdev {mdev.uuid} names the parent {mdev.parent}, where controller {attributes.serial} was and now is "
                f"{controller.serial}: name the parent by its serial number"
            )
    noted = {
        claim.nsid: claim.id
        for attributes in known
        if attributes.serial == controller.serial
        for claim in attributes.namespaces
        if claim.id
    }
    return Placed(mdev, controller, tuple(_claim(mdev, text, controller, noted) for text in mdev.namespaces))


def waits_for_identity(present: Sequence[Controller], mdev: Wanted) -> bool:
    """Whether its controller may be one that no driver has told the serial number of yet."""
    return any(not one.serial for one in present) and not any(_is_parent(one, mdev) for one in present)


def _is_parent(controller: Controller, mdev: Wanted) -> bool:
    return mdev.parent == controller.serial or mdev.parent.lower() == controller.address


def _parent(present: Sequence[Controller], mdev: Wanted) -> Controller:
    matching = [one for one in present if _is_parent(one, mdev)]
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


def _claim(mdev: Wanted, text: str, controller: Controller, noted: Mapping[int, str]) -> Claim:
    existing = {namespace.nsid: namespace.id for namespace in controller.namespaces}
    # Without a driver that reports namespaces nothing can be said about them.
    reported = controller.driver in (DRIVER, STOCK_DRIVER)
    if not text.isdecimal():
        matching = [nsid for nsid, identity in existing.items() if identity == text]
        if len(matching) == 1:
            return Claim(matching[0], text)
        if matching:
            raise LightiovError(
                f"mdev {mdev.uuid} wants namespace {text}, but namespaces {', '.join(map(str, matching))} of "
                f"controller {controller} all have that identity: name it by its NSID"
            )
        if reported and None not in existing.values():
            raise _missing(mdev, text, controller)
        return Claim(next((nsid for nsid, identity in noted.items() if identity == text), 0), text)
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
    return Claim(nsid, before if identity is None else identity)


def _missing(mdev: Wanted, text: str, controller: Controller) -> LightiovError:
    namespaces = sorted(controller.namespaces, key=lambda namespace: namespace.nsid)
    there = ", ".join(f"{one.nsid} ({one.id})" if one.id else str(one.nsid) for one in namespaces)
    return LightiovError(
        f"mdev {mdev.uuid} wants namespace {text}, which controller {controller} does not have: "
        f"choose from {there or 'none'}"
    )


def _check_controller(
    controller: Controller, mdevs: Sequence[Placed], strangers: Sequence[tuple[str, Attributes]]
) -> None:
    tenants = sorted({mdev.wanted.tenant for mdev in mdevs})
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
    _check_namespaces(controller, mdevs, strangers)
    total = sum(mdev.wanted.queue_pairs for mdev in mdevs)
    taken = sum(attributes.queue_pairs for _uuid, attributes in strangers)
    if controller.queue_pairs is not None and total + taken > controller.queue_pairs:
        others = f", of which mdevs that lightiov.nvme has not made hold {taken}" if taken else ""
        raise LightiovError(
            f"Controller {controller} has {controller.queue_pairs} queue pairs{others}, but its mdevs want {total}: "
            "give them fewer or use another controller"
        )


def _check_namespaces(
    controller: Controller, mdevs: Sequence[Placed], strangers: Sequence[tuple[str, Attributes]]
) -> None:
    taken = {claim.nsid: uuid for uuid, attributes in strangers for claim in attributes.namespaces}
    owners: dict[Claim, str] = {}
    for mdev in mdevs:
        for claim in mdev.claims:
            if claim in owners:
                raise LightiovError(
                    f"Namespace {claim.nsid} of controller {controller} is given to mdev {owners[claim]} and again to "
                    f"mdev {mdev.uuid}: give each namespace once"
                )
            owners[claim] = mdev.uuid
            if claim.nsid in taken:
                raise LightiovError(
                    f"mdev {mdev.uuid} wants namespace {claim.nsid} of controller {controller}, but mdev "
                    f"{taken[claim.nsid]} has it, which lightiov.nvme has not made: remove that one with mdevctl, "
                    "or choose another namespace"
                )
