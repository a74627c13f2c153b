# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Extents: what an mdev has of a namespace, each a disk in its VM."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

SEPARATORS = re.compile(r"[\s,]+")
# What a client of the version before has given has no ID.
NO_ID = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True)
class Extent:
    """`identity` is the namespace's NGUID or EUI-64, empty where it has none or nobody noted it. Without `first` and
    `count`, which are in LBAs, it is the whole namespace. One of the version before has no `id`."""

    nsid: int
    identity: str = ""
    id: str = ""
    first: int | None = None
    count: int | None = None
    read_only: bool = False
    name: str = ""

    def __str__(self) -> str:
        """As the host module takes it."""
        fields = [f"id={self.id}", f"nsid={self.nsid}"]
        if self.identity:
            fields.append(f"eui={self.identity.partition('.')[2]}")
        if self.count is not None:
            fields += [f"first={self.start}", f"count={self.count}"]
        if self.read_only:
            fields.append("read_only")
        if self.name:
            fields.append(f"name={self.name}")
        return ",".join(fields)

    @property
    def namespace(self) -> str:
        """The namespace's number, and its identity where it is known."""
        return f"{self.nsid}={self.identity}" if self.identity else str(self.nsid)

    @property
    def is_whole(self) -> bool:
        return self.count is None

    @property
    def start(self) -> int:
        return self.first or 0

    @property
    def end(self) -> float:
        return math.inf if self.count is None else self.start + self.count

    def is_on(self, nsid: int, identity: str) -> bool:
        """Whether it is on this namespace: a number may be another one's by now."""
        return self.identity == identity if self.identity and identity else self.nsid == nsid

    def overlaps(self, other: Extent) -> bool:
        return self.nsid == other.nsid and self.start < other.end and other.start < self.end

    def excludes(self, other: Extent) -> bool:
        """Whether the two cannot be at once."""
        return self.overlaps(other) and not (self.read_only and other.read_only)

    def is_at(self, other: Extent) -> bool:
        """Whether the other is this disk at this place, smaller or larger as it may be."""
        return (
            (self.id, self.nsid, self.start, self.is_whole, self.read_only)
            == (other.id, other.nsid, other.start, other.is_whole, other.read_only)
            and (self.identity == other.identity or "" in (self.identity, other.identity))
        )  # fmt: skip

    def is_as(self, other: Extent) -> bool:
        return self.is_at(other) and self.count == other.count

    @classmethod
    def parse(cls, text: str) -> Extent | None:
        """The value of a definition's attribute; None if it is none."""
        fields = dict(_field(part) for part in text.split(","))
        digits = ("nsid", *(key for key in ("first", "count") if key in fields))
        if not all(fields.get(key, "").isdecimal() for key in digits):
            return None
        eui = fields.get("eui", "").lower()
        return cls(
            nsid=int(fields["nsid"]),
            identity=f"eui.{eui}" if eui else "",
            id=fields.get("id", "").lower(),
            first=int(fields["first"]) if "first" in fields else None,
            count=int(fields["count"]) if "count" in fields else None,
            read_only="read_only" in fields,
            name=fields.get("name", ""),
        )

    @classmethod
    def parse_namespaces(cls, text: str) -> tuple[Extent, ...]:
        """The attribute of the version before: whole namespaces, each `NSID` or `NSID=eui.HEX`."""
        pairs = (word.partition("=") for word in SEPARATORS.split(text))
        return tuple(cls(int(nsid), identity.lower()) for nsid, _equals, identity in pairs if nsid.isdecimal())


@dataclass(frozen=True)
class Slot:
    """A line of the host module's table of an mdev's extents."""

    number: int
    extent: Extent
    flags: frozenset[str]

    @classmethod
    def parse_all(cls, text: str) -> list[Slot]:
        lines = [line.split() for line in text.splitlines()]
        return [cls._parse(line) for line in lines if len(line) >= 8]

    @classmethod
    def _parse(cls, words: Sequence[str]) -> Slot:
        number, id_, nsid, identity, first, count, flags, name = words[:8]
        told = frozenset(flags.split(",")) - {"-"}
        extent = Extent(
            nsid=int(nsid),
            identity=_told(identity),
            id="" if id_ == NO_ID else id_.lower(),
            first=int(first) if first.isdecimal() else None,
            count=int(count) if count.isdecimal() else None,
            read_only="read_only" in told,
            name=_told(name),
        )
        return cls(int(number), extent, told)


def same(some: Iterable[Extent], others: Iterable[Extent]) -> bool:
    """Whether these are those, in whatever order."""
    by_id = {one.id: one for one in others}
    some = list(some)
    return len(some) == len(by_id) and all(one.id in by_id and one.is_as(by_id[one.id]) for one in some)


def identified(extent: Extent, identity: str) -> Extent:
    """With the identity of its namespace, unless it says one."""
    return extent if extent.identity or not identity else replace(extent, identity=identity)


def _field(part: str) -> tuple[str, str]:
    key, _equals, value = part.partition("=")
    return key.strip(), value.strip()


def _told(word: str) -> str:
    return "" if word == "-" else word
