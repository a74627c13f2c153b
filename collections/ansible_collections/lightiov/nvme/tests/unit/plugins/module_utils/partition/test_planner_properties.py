# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every sentence that is promised of a plan, on fleets in which something runs out."""

from __future__ import annotations

import random
from itertools import chain
from typing import Any

from fleets import by_domain, check, fleets, placed, plan, remedied
from hypothesis import given, settings
from hypothesis import strategies as st

Fleet = tuple[dict[str, Any], list[dict[str, Any]]]
STRATEGY = st.sampled_from(["pack", "spread"])
FEW = settings(max_examples=60)


@FEW
@given(fleets(), STRATEGY, st.integers(0, 1))
def test_nothing_is_over_its_limit_or_allotted_twice(fleet: Fleet, strategy: str, reserve: int) -> None:
    hosts, vms = fleet
    result = plan(hosts, vms, strategy=strategy, reserve=reserve)
    check(hosts, result)
    assert placed(result).keys() | result.unplaced.keys() == {one["name"] for one in vms}
    assert not placed(result).keys() & result.unplaced.keys()


@FEW
@given(fleets(), STRATEGY)
def test_wishes_are_granted(fleet: Fleet, strategy: str) -> None:
    hosts, vms = fleet
    result = plan(hosts, vms, strategy=strategy)
    where = placed(result)
    for one in vms:
        if one["name"] not in where:
            continue
        got = where[one["name"]]
        assert one.get("host") in (None, got.host)
        assert one.get("group") is None or one["group"] in hosts[got.host]["groups"]
        assert hosts[got.host]["cordon"] != "new"
        wish = one["queue_pairs"]
        assert all(wish["least"] <= count <= wish["wanted"] for _serial, count in got.queue_pairs)
        assert {part.name for part in got.slices} == {disk["name"] for disk in one["disks"]}
        assert all(disk.get("controller") in (None, part.controller) for disk, part in zip(one["disks"], got.slices))
        if one["disks_apart"]:
            assert len({part.controller for part in got.slices}) == len(got.slices)
        nodes = hosts[got.host].get("nodes")
        if one["numa"] == "required" and nodes:
            serials = {part.controller for part in got.slices}
            on = {each["numa_node"] for each in hosts[got.host]["controllers"] if each["serial"] in serials}
            assert got.node is not None
            assert on <= {got.node}
        if one.get("apart"):
            for vms_there in by_domain(hosts, result, one["apart"]["over"]).values():
                assert not {one["name"], one["apart"]["from"]} <= vms_there


@FEW
@given(fleets(), STRATEGY, st.randoms(use_true_random=False))
def test_same_whatever_the_order(fleet: Fleet, strategy: str, shuffler: random.Random) -> None:
    hosts, vms = fleet
    before = plan(hosts, vms, strategy=strategy)
    names = list(hosts)
    shuffler.shuffle(names)
    shuffled = shuffler.sample(vms, len(vms))
    others = {name: {**hosts[name], "controllers": hosts[name]["controllers"][::-1]} for name in names}
    after = plan(others, shuffled, strategy=strategy)
    assert after.placements == before.placements
    assert after.unplaced == before.unplaced


@FEW
@given(fleets(), STRATEGY, st.integers(0, 1), st.randoms(use_true_random=False))
def test_planned_again_nothing_changes(fleet: Fleet, strategy: str, reserve: int, shuffler: random.Random) -> None:
    hosts, vms = fleet
    first = plan(hosts, vms, strategy=strategy, reserve=reserve)
    present = list(placed(first).values())
    shuffler.shuffle(present)
    second = plan(hosts, vms, present, strategy, reserve)
    assert second.placements == first.placements
    assert second.unplaced == first.unplaced
    assert not second.refused


@FEW
@given(fleets(), STRATEGY, st.data())
def test_what_is_placed_stays_whoever_joins_or_leaves(fleet: Fleet, strategy: str, data: st.DataObject) -> None:
    hosts, vms = fleet
    if len(vms) < 2:
        return
    names = [one["name"] for one in vms]
    early = data.draw(st.sets(st.sampled_from(names)))
    leaving = data.draw(st.sets(st.sampled_from(names)))
    for one in vms:  # a rule about a VM that is not listed is a mistake
        one.pop("apart", None)
    first = plan(hosts, [one for one in vms if one["name"] in early], strategy=strategy)
    more = {**hosts, "zz": {**hosts["hv0"], "controllers": []}}
    second = plan(more, [one for one in vms if one["name"] not in leaving], placed(first).values(), strategy)
    check(more, second)
    now = placed(second)
    for name, one in placed(first).items():
        assert name in leaving or now[name] == one


@settings(max_examples=100)
@given(fleets(), STRATEGY)
def test_each_remedy_makes_the_vm_fit(fleet: Fleet, strategy: str) -> None:
    hosts, vms = fleet
    before = plan(hosts, vms, strategy=strategy)
    for name, told in before.unplaced.items():
        sentence = str(told)
        assert sentence.startswith(f"VM {name} does not fit (")
        assert told.conflict
        hosts_after, vms_after = remedied(hosts, vms, told)
        # The VM alone: another that waits may want the same room, and may be first.
        wanted = [one for one in vms_after if one["name"] == name or one["name"] in placed(before)]
        listed = {one["name"] for one in wanted}
        for one in wanted:
            if one.get("apart") and one["apart"]["from"] not in listed:
                del one["apart"]
        after = plan(hosts_after, wanted, placed(before).values(), strategy)
        assert name in placed(after), sentence
        check(hosts_after, after)


@FEW
@given(fleets())
def test_conflict_is_one_and_smallest_by_itself(fleet: Fleet) -> None:
    hosts, vms = fleet
    for told in plan(hosts, vms).unplaced.values():
        left = [count for _wish, count in told.funnel]
        assert left == sorted(left, reverse=True)
        assert left[0] == len(hosts)
        assert len(set(told.conflict)) == len(told.conflict)


def test_property_tests_see_all_ends() -> None:
    """Fleets of the strategy have VMs that fit and VMs that do not."""
    seen = set()

    @settings(max_examples=50, database=None)
    @given(fleets())
    def look(fleet: Fleet) -> None:
        result = plan(*fleet)
        seen.update(chain(["fits"] * bool(placed(result)), ["does not"] * bool(result.unplaced)))

    look()
    assert seen == {"fits", "does not"}
