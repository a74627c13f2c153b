# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every sentence that is promised of a plan, on fleets in which something runs out."""

from __future__ import annotations

import random
from collections.abc import Set
from dataclasses import replace
from itertools import chain
from typing import Any

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils._partition import resources
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.explain import WISHES
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.extents import Extents
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.fit import try_place
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.ledger import HostState
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.planner import Planner
from fleets import GIB, by_domain, check, fleets, host, placed, plan, remedied, wanted
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.many_cases

Fleet = tuple[dict[str, Any], list[dict[str, Any]]]
STRATEGY = st.sampled_from(["pack", "spread"])
PLENTY = 1 << 20


@given(fleets(), STRATEGY, st.integers(0, 1))
def test_nothing_is_over_its_limit_or_allotted_twice(fleet: Fleet, strategy: str, reserve: int) -> None:
    hosts, vms = fleet
    result = plan(hosts, vms, strategy=strategy, reserve=reserve)
    check(hosts, result)
    assert placed(result).keys() | result.unplaced.keys() == {one["name"] for one in vms}
    assert not placed(result).keys() & result.unplaced.keys()


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


@given(fleets(), STRATEGY, st.data())
def test_what_is_placed_stays_whoever_joins_or_leaves(fleet: Fleet, strategy: str, data: st.DataObject) -> None:
    hosts, vms = fleet
    names = [one["name"] for one in vms]
    early = data.draw(st.sets(st.sampled_from(names)))
    leaving = data.draw(st.sets(st.sampled_from(names)))
    lost = data.draw(st.sets(st.sampled_from(sorted(hosts)), max_size=len(hosts) - 1))
    for one in vms:  # a rule about a VM that is not listed is a mistake
        one.pop("apart", None)
    first = plan(hosts, [one for one in vms if one["name"] in early], strategy=strategy)
    after = {name: one for name, one in hosts.items() if name not in lost}
    after["zz"] = {**host("zz"), "groups": ["rack_a"], "cordon": "none"}
    second = plan(after, [one for one in vms if one["name"] not in leaving], placed(first).values(), strategy)
    check(after, second)
    now = placed(second)
    for name, one in placed(first).items():
        if one.host in lost:
            # Its disks are there: it is not made a second time, and whoever waits for it is told.
            assert name not in now and name not in second.unplaced
            assert name in leaving or any(told.startswith(f"VM {name} is placed on") for told in second.refused)
        else:
            assert name in leaving or now[name] == one


@given(fleets(), STRATEGY, st.integers(1, 3))
def test_reserve_stays_empty(fleet: Fleet, strategy: str, reserve: int) -> None:
    hosts, vms = fleet
    result = plan(hosts, vms, strategy=strategy, reserve=reserve)
    able = {name for name, one in hosts.items() if one["cordon"] != "new"}
    assert len([name for name in able if not result.placements[name]]) >= min(reserve, len(able))
    assert bool(result.warnings) >= (len(able) < reserve)


@given(fleets(), STRATEGY, st.integers(1, 2))
def test_vms_of_a_host_that_is_lost_find_room_or_the_plan_has_warned(fleet: Fleet, strategy: str, reserve: int) -> None:
    hosts, vms = fleet
    result = plan(hosts, vms, strategy=strategy, reserve=reserve)
    homeless = {}
    for lost, there in result.placements.items():
        others = resources.parse({name: one for name, one in hosts.items() if name != lost})
        # Rules and addresses of VMs that wait are as they were; it is not they who are placed.
        again = Planner(others, wanted(vms), [one for one in placed(result).values() if one.host != lost], strategy)
        left = [name for name in again.order(there) if not again.add(name)]
        if left:
            homeless[lost] = sorted(left)
    told = [sentence for sentence in result.warnings if sentence.startswith("If host ")]
    if homeless and any(not result.placements[name] and hosts[name]["cordon"] != "new" for name in hosts):
        name = min(homeless)
        assert told[0].startswith(
            f"If host {name} is lost, there is no room elsewhere for {', '.join(homeless[name])}, "
        )
        assert (f"with {len(homeless) - 1} other hosts" in told[0]) == (len(homeless) > 1)
    elif homeless:
        assert any(sentence.startswith("Only 0 hosts are empty") for sentence in result.warnings)
    else:
        assert not told


@given(fleets(), STRATEGY, st.data())
def test_cordon_keeps_what_is_there_and_lets_nothing_in(fleet: Fleet, strategy: str, data: st.DataObject) -> None:
    hosts, vms = fleet
    early = data.draw(st.sets(st.sampled_from([one["name"] for one in vms])))
    for one in vms:
        one.pop("apart", None)
    first = placed(plan(hosts, [one for one in vms if one["name"] in early], strategy=strategy))
    name = data.draw(st.sampled_from(sorted(hosts)))
    controller = data.draw(st.sampled_from(hosts[name]["controllers"]))
    what = data.draw(st.sampled_from([hosts[name], controller, controller["namespaces"][0]]))
    what["cordon"] = data.draw(st.sampled_from(["new", "all"]))
    result = plan(hosts, vms, first.values(), strategy)
    for vm_name, one in placed(result).items():
        if vm_name not in first:
            serials = {part.controller for part in one.slices}
            assert one.host != name if what is hosts[name] else controller["serial"] not in serials
    there = [
        one.vm
        for one in first.values()
        if one.host == name
        and (what is hosts[name] or any(part.controller == controller["serial"] for part in one.slices))
    ]
    assert {one: placed(result)[one] for one in first} == first
    told = [sentence for sentence in result.leaving if all(one in sentence for one in there)]
    assert bool(told) == (what["cordon"] == "all" and bool(there))


@given(fleets(), STRATEGY, st.data())
def test_disk_grows_in_place_or_is_refused(fleet: Fleet, strategy: str, data: st.DataObject) -> None:
    hosts, vms = fleet
    first = placed(plan(hosts, vms, strategy=strategy))
    growing = [(one, disk) for one in vms if one["name"] in first for disk in one["disks"]]
    if not growing:
        return
    one, disk = data.draw(st.sampled_from(growing))
    larger = int(disk["size"].split()[0]) + data.draw(st.integers(1, 30))
    disk["size"] = f"{larger} GiB"
    result = plan(hosts, vms, first.values(), strategy)
    check(hosts, result)
    after = placed(result)
    for name, before in first.items():
        if name != one["name"]:
            assert after[name] == before
    changes = [(old, new) for old, new in zip(first[one["name"]].slices, after[one["name"]].slices) if old != new]
    if changes:
        assert [(old.first, old.controller, new.size) for old, new in changes] == [
            (new.first, new.controller, larger * GIB) for _old, new in changes
        ]
        assert not result.refused
    else:
        [sentence] = result.refused
        assert sentence.startswith(f"Disk {disk['name']} of VM {one['name']} cannot grow from ")
        # What it says is possible is.
        most = sentence.partition("ask for no more than ")[2].partition(",")[0]
        disk["size"] = most
        assert not plan(hosts, vms, first.values(), strategy).refused


@given(fleets(), STRATEGY)
def test_spare_queue_pairs_go_to_whoever_has_the_least_for_its_weight(fleet: Fleet, strategy: str) -> None:
    hosts, vms = fleet
    result = plan(hosts, vms, strategy=strategy)
    wants = {one["name"]: (one["queue_pairs"]["wanted"], one["queue_pairs"]["least"], one["weight"]) for one in vms}
    for name, of in result.placements.items():
        for controller in hosts[name]["controllers"]:
            pairs = {one.vm: dict(one.queue_pairs).get(controller["serial"]) for one in of.values()}
            has = {vm_name: count for vm_name, count in pairs.items() if count is not None}
            left = min(controller["queue_pairs"], controller["vectors"]) - sum(has.values())
            hungry = {vm_name for vm_name, count in has.items() if count < wants[vm_name][0]}
            assert not left or not hungry
            for vm_name in hungry:
                # Nobody got a spare one while this one would have had less for its weight with one more.
                mine = (has[vm_name] + 1) / wants[vm_name][2]
                assert all(count == wants[other][1] or count / wants[other][2] <= mine for other, count in has.items())


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
        alone = [one for one in vms_after if one["name"] == name or one["name"] in placed(before)]
        listed = {one["name"] for one in alone}
        for one in alone:
            if one.get("apart") and one["apart"]["from"] not in listed:
                del one["apart"]
        after = plan(hosts_after, alone, placed(before).values(), strategy)
        assert name in placed(after), sentence
        check(hosts_after, after)


@given(fleets(), STRATEGY)
def test_conflict_is_one_and_none_of_it_is_idle(fleet: Fleet, strategy: str) -> None:
    hosts, vms = fleet
    # Several disks may each be on a controller of its own, so that there is no one place that grants what.
    for one in vms:
        one["disks"] = one["disks"][:1]
    for name, told in plan(hosts, vms, strategy=strategy).unplaced.items():
        left = [count for _wish, count in told.funnel]
        assert left == sorted(left, reverse=True)
        assert left[0] == len(hosts)
        others = WISHES.keys() - set(told.conflict)
        assert not fits_with(hosts, vms, strategy, name, others), told.conflict
        for idle in told.conflict:
            assert fits_with(hosts, vms, strategy, name, others | {idle}), told.conflict


def fits_with(hosts: Any, vms: Any, strategy: str, name: str, wishes: Set[str]) -> bool:
    """Whether the VM has room once these wishes are granted everywhere, by plenty of what they are for."""
    planner = Planner(resources.parse(hosts), wanted(vms), strategy=strategy)
    planner.run()
    shape = planner.intent.shapes[name]
    for host_state in planner.ledger.hosts:
        grant(host_state, wishes)
    if wishes & {"host", "group"}:
        shape = replace(
            shape,
            host="" if "host" in wishes else shape.host,
            group="" if "group" in wishes else shape.group,
        )
    if "controller" in wishes:
        shape = replace(shape, disks=tuple(replace(disk, controller="") for disk in shape.disks))
    if "numa" in wishes:
        shape = replace(shape, numa="none")
    if "address" in wishes:
        shape = replace(shape, address="")
    if "apart" in wishes:
        planner.ledger._rules.clear()
    return any(try_place(planner.ledger, one, name, shape) for one in planner.ledger.hosts)


def grant(host_state: HostState, wishes: Set[str]) -> None:
    if "cordon" in wishes:
        host_state.closed = False
    if "memory" in wishes:
        host_state.memory = PLENTY
    if "vcpus" in wishes:
        host_state.vcpus = PLENTY
    for state in host_state.controllers:
        if "cordon" in wishes:
            state.closed = False
        if "kind" in wishes:
            state.spec = replace(state.spec, kind="")
        if "tenant" in wishes:
            state.owner = ""
            state.spec = replace(state.spec, tenant="")
        if "queue_pairs" in wishes:
            state.queue_pairs = state.vectors = PLENTY
        if "windows" in wishes:
            state.windows = PLENTY << 40
        if "disks" in wishes:
            for namespace in state.namespaces:
                namespace.extents = Extents(PLENTY << 30)


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
