# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where disks are on the namespaces of a controller: what is placed stays, what is new goes where it fits first."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._extent import Extent
from ansible_collections.lightiov.nvme.plugins.module_utils._size import show_size
from ansible_collections.lightiov.nvme.plugins.module_utils._sysfs import Controller
from ansible_collections.lightiov.nvme.plugins.module_utils._uuids import named

MIB = 1 << 20
# What the host module asks for at least, and LBAs where nobody tells them yet.
PAGE = 4096


@dataclass(frozen=True)
class Site:
    """A wanted disk, the namespace that it is on, and where it was there, if it was."""

    mdev: str
    vm: str
    # As the list names it, and as the host module takes it.
    title: str
    name: str
    nsid: int
    identity: str
    size: int | None
    read_only: bool
    kept: Extent | None = None

    @property
    def space(self) -> tuple[int, str]:
        """Of which namespace: by its number, or as long as nobody can tell that, by its identity."""
        return self.nsid, "" if self.nsid else self.identity

    def __str__(self) -> str:
        return f"disk {self.title} of mdev {self.mdev}"


class Space:
    """One namespace, and what is taken of it, by whom."""

    def __init__(self, controller: Controller, site: Site, strangers: Iterable[tuple[str, Extent]]) -> None:
        self.name = f"namespace {site.nsid or site.identity} of controller {controller}"
        told = next((one for one in controller.namespaces if one.nsid == site.nsid), None)
        self.is_told = told is not None
        self.lba_size = told.lba_size if told else PAGE
        self.end: float = told.lba_count if told else math.inf
        self.granularity = (told and told.granularity) or PAGE
        self.alignment = max(1, math.lcm(MIB, self.granularity) // self.lba_size)
        self.taken: list[tuple[Extent, str]] = []
        self.strangers = [(extent, uuid) for uuid, extent in strangers if extent.nsid == site.nsid]

    def lbas(self, size: int, site: Site) -> int:
        if size % self.granularity:
            nearest = math.lcm(MIB, self.granularity)
            raise LightiovError(
                f"{_upper(site)} cannot have {show_size(size)} of {self.name}, which is given in units of "
                f"{self.granularity} bytes: choose {show_size(size - size % nearest + nearest)}"
            )
        return size // self.lba_size

    def take(self, extent: Extent, site: Site) -> Extent:
        for other, uuid in self.strangers:
            if extent.excludes(other):
                raise LightiovError(
                    f"{_upper(site)} wants {self.name}, but mdev {uuid} has it, which lightiov.nvme has not made: "
                    "remove that one with mdevctl, or choose another namespace"
                )
        for other, owner in self.taken:
            if extent.excludes(other):
                raise LightiovError(
                    f"{_upper(site)} wants {_part(extent)}{self.name}, of which {owner} has "
                    f"{'all' if other.is_whole else 'a part'}: give each disk a namespace of its own, or a size, or "
                    "make both read_only"
                )
        if not extent.is_whole and extent.end > self.end:
            raise LightiovError(
                f"{_upper(site)} ends beyond {self.name}, which has {self._show(self.end)}: the namespace has become "
                "smaller; make it larger again, or take the disk out of the list"
            )
        self.taken.append((extent, str(site)))
        return extent

    def grow(self, extent: Extent, count: int, site: Site) -> Extent:
        """One that is taken, with so many LBAs."""
        before = extent.count or 0
        if count < before:
            raise LightiovError(
                f"{_upper(site)} has {self._show(before)} and cannot shrink to {self._show(count)}: give it its former "
                "size, or a new disk with another name"
            )
        grown = replace(extent, count=count)
        others = [one for one in (*self.taken, *self.strangers) if one[0] is not extent and grown.excludes(one[0])]
        if others or grown.end > self.end:
            limit = min([float(one.start) for one, _owner in others] + [self.end])
            what = f"{others[0][1]} is behind it" if others else "the namespace ends there"
            raise LightiovError(
                f"{_upper(site)} cannot grow from {self._show(before)} to {self._show(count)}, because {what} on "
                f"{self.name}: give it {self._show(limit - extent.start)} at most, or a new disk with another name"
            )
        self.taken = [(grown if one is extent else one, owner) for one, owner in self.taken]
        return grown

    def is_free(self, first: int, count: int) -> bool:
        return first + count <= self.end and all(
            other.end <= first or first + count <= other.start for other in self._others()
        )

    def first_fit(self, count: int, site: Site, used: Sequence[Extent]) -> int:
        ends = [one.end for one in (*self._others(), *used) if one.end < math.inf]
        starts = sorted({0, *(-int(-end // self.alignment) * self.alignment for end in ends)})
        fits = [first for first in starts if self.is_free(first, count)]
        # What another disk leaves or has left has its data, so it is taken only where there is nothing else.
        for first in fits:
            there = Extent(site.nsid, first=first, count=count)
            if not any(there.overlaps(one) for one in used):
                return first
        if fits:
            return fits[0]
        raise LightiovError(
            f"{_upper(site)} wants {self._show(count)} of {self.name}, where no more than "
            f"{self._show(max(self._gaps(starts)))} are free in one piece: give it less, or another namespace"
        )

    def _others(self) -> list[Extent]:
        return [other for other, _owner in (*self.taken, *self.strangers)]

    def _gaps(self, starts: Sequence[int]) -> Iterator[float]:
        others = self._others()
        for first in starts:
            if all(not other.start <= first < other.end for other in others):
                yield min([float(other.start) for other in others if other.start > first] + [self.end]) - first
        yield 0

    def _show(self, lbas: float) -> str:
        return show_size(int(max(0, lbas)) * self.lba_size)


@dataclass(frozen=True)
class Places:
    """What else is known of a controller's namespaces: what strangers have, by their UUIDs; what disks have that leave;
    and where disks were once."""

    strangers: Sequence[tuple[str, Extent]]
    leaving: Sequence[Extent]
    once: Sequence[Extent]


def arrange(controller: Controller, sites: Sequence[Site], places: Places) -> list[Extent]:
    """The extent of each site."""
    spaces = {site.space: Space(controller, site, places.strangers) for site in sites}
    counts = [None if site.size is None else spaces[site.space].lbas(site.size, site) for site in sites]
    found: dict[int, Extent] = {}
    for index, site in enumerate(sites):
        if fixed := _fixed(controller, site):
            found[index] = spaces[site.space].take(fixed, site)
    # What is there grows before anything comes, which may be somewhere else as well. Before a driver tells how large
    # LBAs are, nobody knows whether it has to.
    for index, (site, count) in enumerate(zip(sites, counts)):
        if count is not None and index in found and spaces[site.space].is_told:
            found[index] = spaces[site.space].grow(found[index], count, site)
    # One that comes back has its data at its place, which nothing new may take before.
    for choose in (_former, _first):
        for index, (site, count) in enumerate(zip(sites, counts)):
            space = spaces[site.space]
            if count is not None and index not in found and (extent := choose(controller, site, space, count, places)):
                found[index] = space.take(extent, site)
    return [found[index] for index in range(len(sites))]


def _fixed(controller: Controller, site: Site) -> Extent | None:
    """That of a disk whose place is not for us to choose."""
    kept = site.kept
    if kept and kept.is_whole and site.size is not None:
        raise LightiovError(
            f"{_upper(site)} is the whole namespace {site.nsid} of controller {controller} and cannot become a part of "
            "it: leave its size out, or take it out of the list and add a disk with another name"
        )
    if kept and not kept.is_whole and site.size is None:
        raise LightiovError(
            f"{_upper(site)} is a part of namespace {site.nsid} of controller {controller} and cannot become all of "
            "it: say its size, or take it out of the list and add a disk with another name"
        )
    if site.size is None:
        id_ = kept.id if kept and kept.id else _named(controller, site)
        return Extent(site.nsid, site.identity, id_, read_only=site.read_only, name=site.name)
    return replace(kept, nsid=site.nsid, identity=site.identity, read_only=site.read_only) if kept else None


def _former(controller: Controller, site: Site, space: Space, count: int, places: Places) -> Extent | None:
    """Where it was when it was listed before."""
    for former in places.once:
        extent = _at(controller, site, former.start, count)
        if extent.id == former.id and space.is_free(former.start, count):
            return extent
    return None


def _first(controller: Controller, site: Site, space: Space, count: int, places: Places) -> Extent:
    """The first place that is large enough."""
    used = [one for one in (*places.leaving, *places.once) if one.is_on(site.nsid, site.identity)]
    return _at(controller, site, space.first_fit(count, site, used), count)


def _at(controller: Controller, site: Site, first: int, count: int) -> Extent:
    id_ = _named(controller, site, site.identity or str(site.nsid), first)
    return Extent(site.nsid, site.identity, id_, first, count, site.read_only, site.name)


def _named(controller: Controller, site: Site, *place: str | int) -> str:
    return named(controller.serial or controller.address, site.vm, site.title, *place)


def _part(extent: Extent) -> str:
    return "" if extent.is_whole else "a part of "


def _upper(site: Site) -> str:
    text = str(site)
    return text[0].upper() + text[1:]
