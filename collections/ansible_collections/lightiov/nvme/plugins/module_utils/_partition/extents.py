# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The free ranges of one namespace, in bytes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from math import lcm

# Slices begin and end at multiples of this, and of the namespace's granularity.
ALIGNMENT = 1 << 20


class Extents:
    """Holes in order of place, never empty, never touching."""

    __slots__ = ("free", "holes", "largest", "size", "unit")

    def __init__(self, size: int, granularity: int = ALIGNMENT) -> None:
        self.unit = lcm(ALIGNMENT, granularity or 1)
        self.size = size // self.unit * self.unit
        self.holes: list[tuple[int, int]] = [(0, self.size)] if self.size else []
        self.free = self.largest = self.size

    def rounded(self, size: int) -> int:
        """What an extent of this size takes; size 0 is the whole namespace."""
        return -(-size // self.unit) * self.unit if size else self.size

    def allot(self, size: int) -> int | None:
        """First fit, as the host does it; the place, or None."""
        needed = self.rounded(size)
        if needed > self.largest or not needed:
            return None
        for at, (first, count) in enumerate(self.holes):
            if count >= needed:
                self._shrink(at, first + needed, count - needed)
                return first
        return None

    def take(self, first: int, size: int) -> bool:
        """An extent that is there already; False if another has a part of it."""
        needed = self.rounded(size)
        # An end that is off the grid takes its whole unit.
        start = first // self.unit * self.unit
        end = -(-(first + needed) // self.unit) * self.unit
        at = bisect_left(self.holes, (start + 1,)) - 1
        if at < 0:
            return False
        hole, count = self.holes[at]
        if end > hole + count:
            return False
        self._shrink(at, end, hole + count - end)
        if start > hole:
            self.holes.insert(at, (hole, start - hole))
            self._measure()
        return True

    def grow(self, first: int, size: int, new_size: int) -> bool:
        """At its end, if its neighbour is free for as long as that takes."""
        end = first + self.rounded(size)
        more = self.rounded(new_size) - self.rounded(size)
        return more <= 0 or (self.room(end) >= more and self.take(end, more))

    def room(self, first: int) -> int:
        """How much is free from here on."""
        at = bisect_left(self.holes, (first, 0))
        return self.holes[at][1] if at < len(self.holes) and self.holes[at][0] == first else 0

    def give(self, first: int, size: int) -> None:
        """Free an extent, and make one of holes that touch."""
        start, count = first, self.rounded(size)
        at = bisect_left(self.holes, (start,))
        if at < len(self.holes) and self.holes[at][0] == start + count:
            count += self.holes.pop(at)[1]
        if at and sum(self.holes[at - 1]) == start:
            at -= 1
            start, before = self.holes.pop(at)
            count += before
        self.holes.insert(at, (start, count))
        self._measure()

    def _shrink(self, at: int, first: int, count: int) -> None:
        if count:
            was = self.holes[at][1]
            self.holes[at] = (first, count)
            self.free -= was - count
            if was == self.largest:
                self._measure()
        else:
            del self.holes[at]
            self._measure()

    def _measure(self) -> None:
        self.free = sum(count for _first, count in self.holes)
        self.largest = _largest(self.holes)


def _largest(holes: Iterable[tuple[int, int]]) -> int:
    return max((count for _first, count in holes), default=0)
