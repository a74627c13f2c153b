# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.lightiov.nvme.plugins.module_utils._partition.extents import Extents
from hypothesis import given
from hypothesis import strategies as st

MIB = 1 << 20


def test_first_fit_in_multiples_of_the_unit() -> None:
    extents = Extents(10 * MIB + 5, granularity=2 * MIB)
    assert extents.size == 10 * MIB
    assert [extents.allot(3 * MIB), extents.allot(MIB), extents.allot(5 * MIB)] == [0, 4 * MIB, None]


def test_growth_needs_a_free_neighbour() -> None:
    extents = Extents(10 * MIB)
    first, second = extents.allot(MIB), extents.allot(MIB)
    assert first == 0
    assert second == MIB
    assert not extents.grow(first, MIB, 2 * MIB)
    assert extents.grow(second, MIB, 9 * MIB)
    assert extents.free == 0


def test_what_is_taken_is_not_taken_again() -> None:
    extents = Extents(10 * MIB)
    assert extents.take(3 * MIB, 2 * MIB)
    assert not extents.take(4 * MIB, MIB)
    assert not extents.take(9 * MIB, 2 * MIB)
    assert extents.holes == [(0, 3 * MIB), (5 * MIB, 5 * MIB)]


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 6)), max_size=40))
def test_holes_are_what_is_not_allotted(steps: list[tuple[bool, int]]) -> None:
    extents = Extents(20 * MIB)
    taken: dict[int, int] = {}
    for allot, count in steps:
        if allot:
            first = extents.allot(count * MIB)
            if first is not None:
                taken[first // MIB] = count
        elif taken:
            first = sorted(taken)[count % len(taken)]
            extents.give(first * MIB, taken.pop(first) * MIB)
        used = [unit for first, size in taken.items() for unit in range(first, first + size)]
        assert len(used) == len(set(used))
        free = [unit for first, size in extents.holes for unit in range(first // MIB, (first + size) // MIB)]
        assert sorted(used + free) == list(range(20))
        assert extents.free == len(free) * MIB
        assert extents.largest == max((size for _first, size in extents.holes), default=0)
        assert all(sum(hole) < after[0] for hole, after in zip(extents.holes, extents.holes[1:]))
