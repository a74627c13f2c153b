# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves that are proposed are the cheapest, and once they are made none is."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils._partition import resources
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.ledger import HostState
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.moves import MOST_MOVES, moves_for, moves_from
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.placement import Placement
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.planner import Planner
from fleets import GIB, check, fleets, host, placed, plan, vm, wanted
from hypothesis import given

Fleet = tuple[dict[str, Any], list[dict[str, Any]]]
Cost = tuple[int, int]


def planner(hosts: dict[str, Any], vms: list[dict[str, Any]], present: Any = ()) -> Planner:
    one = Planner(resources.parse(hosts), wanted(vms), present)
    one.run()
    return one


def cost(placements: Sequence[Placement]) -> Cost:
    return sum(part.size for one in placements for part in one.slices), len(placements)


def cheapest(one: Planner, name: str) -> Cost | None:
    """By trying everything: each host, each few of its VMs, each of the other hosts for each of these."""
    best: Cost | None = None
    for state in one.ledger.hosts:
        for count in range(1, MOST_MOVES + 1):
            for chosen in combinations(list(state.placed.values()), count):
                if (best is None or cost(chosen) < best) and makes_room(one, name, state, chosen):
                    best = cost(chosen)
    return best


def makes_room(one: Planner, name: str, state: HostState, chosen: Sequence[Placement]) -> bool:
    for victim in chosen:
        one.release(victim.vm)
    fits = one.place(name, state) is not None
    found = fits and find_places(one, [victim.vm for victim in chosen])
    if fits:
        one.release(name)
    for victim in reversed(chosen):
        one.restore(victim)
    return found


def find_places(one: Planner, names: list[str]) -> bool:
    if not names:
        return True
    for state in one.ledger.hosts:
        if one.place(names[0], state):
            found = find_places(one, names[1:])
            one.release(names[0])
            if found:
                return True
    return False


@given(fleets())
def test_no_cheaper_moves_make_a_vm_fit(fleet: Fleet) -> None:
    hosts, vms = fleet
    one = planner(hosts, vms)
    for name in one.plan.unplaced:
        moves = moves_for(one, name)
        told = (sum(move.bytes for move in moves), len(moves)) if moves else None
        assert told == cheapest(one, name)


@given(fleets())
def test_a_host_is_empty_once_its_moves_are_made(fleet: Fleet) -> None:
    hosts, vms = fleet
    first = placed(plan(hosts, vms))
    for name in {one.host for one in first.values()}:
        cordoned = {**hosts, name: {**hosts[name], "cordon": "all"}}
        moves = moves_from(planner(cordoned, vms, first.values()), name)
        if moves is None:
            continue
        assert {move.vm for move in moves} == {one.vm for one in first.values() if one.host == name}
        after = {**first, **{move.vm: move.target for move in moves}}
        again = plan(cordoned, vms, after.values())
        check(cordoned, again)
        assert not again.refused and not again.placements[name]
        assert moves_from(planner(cordoned, vms, after.values()), name) == []


def test_moves_of_a_host_are_told_with_what_they_cost() -> None:
    hosts = {name: host(name, controllers=1) for name in ("hv1", "hv2")}
    vms = [vm("vm1", gib=20), vm("vm2", disks=[])]
    moves = moves_from(planner(hosts, vms), "hv1")
    assert moves is not None
    assert [str(one) for one in moves] == [
        "Move VM vm1 from host hv1 to host hv2: it is off while 20 GiB of its disks are copied",
        "Move VM vm2 from host hv1 to host hv2: it is off while it is defined there",
    ]
    assert [one.bytes for one in moves] == [20 * GIB, 0]
    present = [one.target for one in moves]
    assert moves_from(planner(hosts, vms, present), "hv1") == []
    # Not empty, and asked for the second time.
    assert moves_from(planner(hosts, [*vms, vm("vm3", host="hv1", gib=1)], present), "hv1") is None


def test_vm_moves_that_another_is_to_be_apart_from() -> None:
    hosts = {"hv1": host("hv1", controllers=1), "hv2": host("hv2", controllers=1)}
    vms = [vm("vm1", gib=1, apart={"from": "big"}), vm("big", host="hv1")]
    before = placed(plan(hosts, [vm("vm1", gib=1)]))
    assert before["vm1"].host == "hv1"
    moves = moves_for(planner(hosts, vms, before.values()), "big")
    assert moves is not None
    assert [(one.vm, one.target.host) for one in moves] == [("vm1", "hv2")]


def test_move_to_another_controller_of_its_host_says_so() -> None:
    hosts = {"hv1": host("hv1", controllers=2)}
    vms = [vm("vm1"), vm("big", disks=[{"name": "data", "size": "95 GiB", "controller": "HV1-0"}])]
    before = placed(plan(hosts, vms[:1]))
    moves = moves_for(planner(hosts, vms, before.values()), "big")
    assert moves is not None
    assert [str(one) for one in moves] == [
        "Move VM vm1 within host hv1, to controller HV1-1: it is off while 10 GiB of its disks are copied"
    ]


def test_one_heavy_vm_goes_where_several_light_ones_cost_more() -> None:
    """What is lightest first is not what is cheapest: two of 12 GiB free the memory, and so does one of 20 GiB."""
    hosts = {name: host(name, controllers=1, memory_mib=8192) for name in ("hv1", "hv2")}
    vms = [
        vm("light[1:2]", gib=12, memory_mib=2048, host="hv1"),
        vm("heavy", gib=20, memory_mib=4096, host="hv1"),
        vm("big", gib=1, memory_mib=4096),
        vm("full", gib=1, memory_mib=4096, host="hv2"),
    ]
    before = placed(plan(hosts, [one for one in vms if one["name"] != "big"]))
    unpinned = [{**one, "host": None} for one in vms]
    unpinned[2]["host"] = "hv1"
    moves = moves_for(planner(hosts, unpinned, before.values()), "big")
    assert moves is not None
    assert [(one.vm, one.bytes) for one in moves] == [("heavy", 20 * GIB)]
