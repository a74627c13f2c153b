# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils._partition import intent, resources
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.moves import moves_for, moves_from
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.planner import Planner
from fleets import GIB, check, fleets, host, placed, plan, remedied, vm, wanted
from hypothesis import given


def hosts_of(result: Any) -> dict[str, str]:
    return {name: one.host for name, one in placed(result).items()}


def test_pack_and_spread() -> None:
    hosts = {name: host(name) for name in ("hv1", "hv2")}
    vms = [vm("vm1"), vm("vm2")]
    assert set(hosts_of(plan(hosts, vms)).values()) == {"hv1"}
    assert set(hosts_of(plan(hosts, vms, strategy="spread")).values()) == {"hv1", "hv2"}


def test_tenants_do_not_meet_on_a_controller() -> None:
    result = plan({"hv1": host("hv1", controllers=1)}, [vm("vm1"), vm("vm2", "green")])
    assert placed(result).keys() == {"vm1"}
    assert str(result.unplaced["vm2"]).startswith(
        "VM vm2 does not fit (1 hosts, 0 with a controller for its tenant), because none is with a controller for its "
        "tenant: add a host with 1 GiB of memory, 1 vCPUs, 1 free controller with 2 queue pairs and 10 GiB"
    )


def test_funnel_names_what_ran_out() -> None:
    hosts = {f"hv{number}": host(f"hv{number}", gib=number * 10) for number in range(1, 5)}
    told = plan(hosts, [vm("vm1", gib=50)]).unplaced["vm1"]
    assert str(told) == (
        "VM vm1 does not fit (4 hosts, 0 with the bytes), because none is with the bytes: ask for 40 GiB for disk "
        "data; host hv4 then has the room"
    )


def test_spare_queue_pairs_by_weight() -> None:
    pairs = {"wanted": 8, "least": 1}
    hosts = {"hv1": host("hv1", controllers=1, pairs=8)}
    result = plan(hosts, [vm("vm1", pairs=pairs, weight=3), vm("vm2", pairs=pairs)])
    assert {name: one.queue_pairs[0][1] for name, one in placed(result).items()} == {"vm1": 6, "vm2": 2}


def test_disk_grows_in_place_or_not_at_all() -> None:
    hosts = {"hv1": host("hv1", controllers=1)}
    before = placed(plan(hosts, [vm("vm1"), vm("vm2")])).values()
    grown = plan(hosts, [vm("vm1"), vm("vm2", gib=90)], before)
    assert placed(grown)["vm2"].slices[0].size == 90 * GIB
    refused = plan(hosts, [vm("vm1", gib=11), vm("vm2")], before)
    assert refused.refused == [
        "Disk data of VM vm1 cannot grow from 10 GiB to 11 GiB where it is, in namespace 1 of controller HV1-0, "
        "because what follows it is not free: ask for no more than 10 GiB, or make a second disk"
    ]
    shrunk = plan(hosts, [vm("vm1", gib=9), vm("vm2")], before)
    assert shrunk.refused[0].startswith(
        "Disk data of VM vm1 cannot become 9 GiB from 10 GiB, because data could be lost"
    )


def test_disk_is_added_to_a_placed_vm() -> None:
    hosts = {"hv1": host("hv1", controllers=1)}
    before = placed(plan(hosts, [vm("vm1")]))["vm1"]
    disks = [{"name": "data", "size": "10 GiB"}, {"name": "log", "size": "5 GiB"}]
    after = placed(plan(hosts, [vm("vm1", disks=disks)], [before]))["vm1"]
    assert after.slices[0] == before.slices[0]
    assert (after.slices[1].name, after.slices[1].first) == ("log", 10 * GIB)
    assert after.queue_pairs == before.queue_pairs
    back = placed(plan(hosts, [vm("vm1")], [after]))["vm1"]
    assert back == before


def test_host_that_is_not_reached_keeps_what_it_has() -> None:
    hosts = {"hv1": host("hv1")}
    before = placed(plan(hosts, [vm("vm1")])).values()
    after = plan({"hv1": {**hosts["hv1"], "reachable": False}}, [vm("vm1"), vm("vm2")], before)
    assert placed(after).keys() == {"vm1"}
    assert after.warnings == [
        "Host hv1 does not answer, so its 1 VMs keep what they have and it gets no new ones: see to the host, or "
        "take it out of lightiov_hosts"
    ]


def test_host_that_is_not_listed_keeps_its_vms() -> None:
    hosts = {name: host(name) for name in ("hv1", "hv2")}
    before = placed(plan(hosts, [vm("vm1")])).values()
    after = plan({"hv2": hosts["hv2"]}, [vm("vm1")], before)
    assert not placed(after)
    assert after.refused[0].startswith(
        "VM vm1 is placed on host hv1, which is not in lightiov_hosts: list the host again"
    )


def test_cordon_all_says_what_would_have_to_go() -> None:
    hosts = {name: host(name) for name in ("hv1", "hv2")}
    before = placed(plan(hosts, [vm("vm1")])).values()
    hosts["hv1"]["cordon"] = "all"
    after = plan(hosts, [vm("vm1")], before)
    assert hosts_of(after) == {"vm1": "hv1"}
    assert after.leaving == ["Host hv1 is to be empty and still has vm1: ask for the moves that empty it"]


def test_replicas_apart_over_racks() -> None:
    hosts = {f"hv{number}": host(f"hv{number}", groups=[f"rack{number % 3}"]) for number in range(6)}
    apart = {"from": ["web[1:4]"], "over": ["rack0", "rack1", "rack2"]}
    result = plan(hosts, [vm("web[1:4]", apart=apart)])
    assert sorted(hosts[one]["groups"][0] for one in hosts_of(result).values()) == ["rack0", "rack1", "rack2"]
    assert result.unplaced["web4"].conflict == ("apart",)


def test_no_host_is_added_to_a_group_that_the_vm_is_to_be_apart_from() -> None:
    hosts = {"hv1": host("hv1", groups=["rack1"])}
    vms = [vm("vm1", apart={"from": "vm2", "over": ["rack1", "rack2"]}, host="hv1"), vm("vm2", group="rack1")]
    told = plan(hosts, vms).unplaced["vm2"]
    assert told.conflict == ("apart",)
    assert told.remedy.sentence == (
        "add a host with 1 GiB of memory, 1 vCPUs, 1 free controller with 2 queue pairs and 10 GiB and take its pin to "
        "group rack1 away"
    )
    hosts_after, vms_after = remedied(hosts, vms, told)
    assert hosts_of(plan(hosts_after, vms_after)) == {"vm1": "hv1", "vm2": "new"}


def test_tenant_goes_where_most_is_left_of_its_controllers_and_leaves_others_free() -> None:
    hosts = {"hv1": host("hv1", controllers=3)}
    pinned = [vm(f"vm{number}", disks=[disk_on(number)], pairs=6 - 2 * number) for number in (0, 1)]
    result = placed(plan(hosts, [*pinned, vm("new")]))
    assert result["new"].slices[0].controller == "HV1-1"


def disk_on(number: int) -> dict[str, Any]:
    return {"name": "data", "size": "10 GiB", "controller": f"HV1-{number}"}


def test_reserve_stays_empty() -> None:
    hosts = {f"hv{number}": host(f"hv{number}", controllers=1) for number in range(2)}
    result = plan(hosts, [vm("vm[1:9]", pairs=1)], reserve=1)
    assert set(hosts_of(result).values()) == {"hv0"}
    assert len(result.unplaced) == 1


def test_twelve_disks_apart_on_alike_controllers_are_quick() -> None:
    disks = [{"name": f"d{number}", "size": "1 GiB"} for number in range(12)]
    hosts = resources.parse({"hv1": host("hv1", controllers=16)})
    listed = intent.parse([vm("vm1", disks=disks, disks_apart=True), vm("vm2", disks=disks, apart={"from": "vm1"})])
    planner = Planner(hosts, listed)
    started = time.process_time()
    placement = planner.add("vm1")
    assert not planner.add("vm2")
    assert time.process_time() - started < 0.05
    assert placement
    assert len({one.controller for one in placement.slices}) == 12


def test_hosts_whose_memory_others_have_had_are_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Green's first VM comes before blue fills all hosts but the last, its second after: that is one host to try."""
    hosts = {f"hv{number:03}": host(f"hv{number:03}", memory_mib=2048) for number in range(100)}
    blue = [vm(f"blue{number:03}", memory_mib=2048) for number in range(98)]
    green = [vm(f"green{number}", "green", memory_mib=2048, gib=9 + number) for number in (1, 2)]
    one = Planner(resources.parse(hosts), intent.parse([*blue, *green]))
    assert one.add("green1")
    for each in blue:
        assert one.add(each["name"])
    tried: list[str] = []
    place = Planner.place
    monkeypatch.setattr(Planner, "place", lambda *given: tried.append(given[2].spec.name) or place(*given))
    placement = one.add("green2")
    assert placement and tried == [placement.host] == ["hv099"]


def planner(hosts: dict[str, Any], vms: list[dict[str, Any]], present: Any = ()) -> Planner:
    one = Planner(resources.parse(hosts), wanted(vms), present)
    one.run()
    return one


def test_moves_make_a_vm_fit_and_then_none_is_proposed() -> None:
    hosts = {name: host(name, controllers=1, gib=30) for name in ("hv1", "hv2")}
    small = [vm("vm1", gib=10), vm("vm2", gib=10)]
    before = placed(plan(hosts, small, strategy="spread"))
    assert {one.host for one in before.values()} == {"hv1", "hv2"}
    fleet = planner(hosts, [*small, vm("big", gib=30)], before.values())
    moves = moves_for(fleet, "big")
    assert moves is not None
    assert [str(one) for one in moves] == [
        "Move VM vm1 from host hv1 to host hv2: it is off while 10 GiB of its disks are copied"
    ]
    assert moves_for(fleet, "big") == moves
    after = {**before, "vm1": moves[0].target}
    assert moves_for(planner(hosts, [*small, vm("big", gib=30)], after.values()), "big") == []


def test_moves_empty_a_host() -> None:
    hosts = {name: host(name, controllers=1) for name in ("hv1", "hv2")}
    fleet = planner(hosts, [vm("vm1"), vm("vm2")])
    moves = moves_from(fleet, "hv1")
    assert moves is not None
    assert {(one.vm, one.target.host) for one in moves} == {("vm1", "hv2"), ("vm2", "hv2")}
    assert moves_from(fleet, "hv2") == []


@given(fleets())
def test_moves_are_possible_and_leave_no_trace(fleet: tuple[dict[str, Any], list[dict[str, Any]]]) -> None:
    hosts, vms = fleet
    one = planner(hosts, vms)
    before = {name: dict(state.placed) for name, state in one.ledger.by_name.items()}
    holes = [space.extents.holes[:] for state in one.ledger.hosts for c in state.controllers for space in c.namespaces]
    for name in one.plan.unplaced:
        moves = moves_for(one, name)
        assert moves != []
        if moves:
            moved = {move.vm: move.target for move in moves}
            present = [moved.get(each.vm, each) for of in before.values() for each in of.values()]
            listed = [each for each in vms if each["name"] == name or any(p.vm == each["name"] for p in present)]
            listed = [{**each, "apart": None} for each in listed]
            after = plan(hosts, listed, [replace(each) for each in present])
            check(hosts, after)
            assert name in placed(after)
            assert moves_for(planner(hosts, listed, present), name) == []
    for name in hosts:
        moves_from(one, name)
    assert before == {name: dict(state.placed) for name, state in one.ledger.by_name.items()}
    assert holes == [
        space.extents.holes for state in one.ledger.hosts for c in state.controllers for space in c.namespaces
    ]
