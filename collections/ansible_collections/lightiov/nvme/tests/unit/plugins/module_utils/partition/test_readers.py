# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole namespaces that VMs only read are shared: golden images."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.fleet import Policy, partition
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.moves import moves_from
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.planner import Planner
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.resources import parse
from fleets import GIB, accept, check, described, fleets, host, placed, plan, vm, wanted
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.many_cases

WHOLE = {"name": "golden", "controller": "HV1-0", "namespace": 1}
GOLDEN = {**WHOLE, "read_only": True}


def reader(name: str, *more: dict[str, Any]) -> dict[str, Any]:
    return vm(name, pairs=1, disks=[GOLDEN, *more])


def test_readers_share_and_whoever_writes_does_not() -> None:
    hosts = {"hv1": host("hv1", controllers=1)}
    writer = vm("writer", pairs=1, disks=[WHOLE])
    result = plan(hosts, [reader("web[1:3]"), vm("web9", pairs=1)])
    assert placed(result).keys() == {"web1", "web2", "web3"}
    readers = list(placed(result).values())
    again = plan(hosts, [reader("web[1:4]"), writer], readers)
    assert placed(again).keys() == {"web1", "web2", "web3", "web4"}
    assert again.unplaced["writer"].conflict == ("disks",)
    assert not again.refused
    # The namespace is free when the last of them has gone, and not before.
    assert "writer" not in placed(plan(hosts, [reader("web1"), writer], readers[:1]))
    writing = placed(plan(hosts, [writer]))["writer"]
    assert "web1" not in placed(plan(hosts, [reader("web1"), writer], [writing]))


def test_what_readers_leave_is_given_back_with_the_last_of_them() -> None:
    one = Planner(parse({"hv1": host("hv1", controllers=1)}), wanted([reader("web[1:2]")]))
    one.run()
    extents = one.ledger.hosts[0].controllers[0].namespaces[0].extents
    first = one.release("web1")
    assert extents.free == 0
    one.restore(first)
    one.release("web2")
    assert extents.free == 0
    one.release("web1")
    assert extents.free == extents.size


def test_what_only_one_reads_may_be_written_to_and_shared_again() -> None:
    hosts = {"hv1": host("hv1", controllers=1)}
    writer = vm("web1", pairs=1, disks=[WHOLE])
    both = [reader("web1"), reader("web2")]
    alone = placed(plan(hosts, both[:1])).values()
    writing = placed(plan(hosts, [writer], alone))
    assert not writing["web1"].slices[0].read_only
    assert placed(plan(hosts, both, writing.values())).keys() == {"web1", "web2"}
    shared = placed(plan(hosts, both))
    result = plan(hosts, [writer, both[1]], shared.values())
    assert placed(result) == shared
    assert result.refused == [
        "Disk golden of VM web1 cannot be written to, because other VMs read namespace 1 of controller HV1-0, which it "
        "is: keep read_only, or take it from them first"
    ]


def test_reader_and_writer_that_are_placed_on_each_other_are_told_of() -> None:
    hosts = {"hv1": host("hv1", controllers=1)}
    present = [*placed(plan(hosts, [reader("web1")])).values(), *placed(plan(hosts, [vm("vm1", pairs=1)])).values()]
    assert plan(hosts, [reader("web1"), vm("vm1", pairs=1)], present).refused == [
        "Disk golden of VM web1 has no room of its own in namespace 1 of controller HV1-0: another disk is there, so "
        "see which of the two the host's extents show"
    ]


def test_readers_of_a_list_by_hand_stay_beside_vms_that_are_planned() -> None:
    """As in inventories/example."""
    data, log = ({"name": "data", "controller": "HV1-0", "namespace": nsid, "queue_pairs": 1} for nsid in (2, 3))
    shop = {"tenant": "shop", "memory_mib": 1024, "vcpus": 1}
    by_hand = [
        {"name": "db0", "tenant": "shop", "state": "absent"},
        {"name": "db1", **shop, "disks": [data, {**GOLDEN, "queue_pairs": 1}]},
        {"name": "db2", **shop, "disks": [log, GOLDEN]},
    ]
    found = {**host("hv1", controllers=1), "placed": []}
    found["controllers"][0]["namespaces"] += [{"nsid": nsid, "bytes": 10 * GIB} for nsid in (2, 3)]
    hosts = {
        "hv1": {"vms": by_hand, "found": found},
        "hv2": {"vms": [vm("vm1")], "found": {**host("hv2"), "placed": []}},
    }
    result = partition(hosts, Policy())
    assert (result["refused"], result["unplaced"], list(result["files"])) == ([], [], ["hv2"])
    # Beside a wish the list becomes a file, and what comes shares as well.
    hosts["hv1"]["vms"] = [*by_hand, {**reader("web"), "tenant": "shop"}]
    result = partition(hosts, Policy())
    assert (result["refused"], result["unplaced"]) == ([], [])
    accept(result["files"]["hv1"])
    disks = {one["name"]: one.get("disks", []) for one in result["placements"]["hv1"]}
    assert [name for name, of in disks.items() if any(disk.get("read_only") for disk in of)] == ["db1", "db2", "web"]


def test_reader_whose_file_is_lost_is_found_again_as_one() -> None:
    hosts = {"hv1": {"vms": [reader("web1")], "found": {**host("hv1"), "placed": []}}}
    before = partition(hosts, Policy())["files"]
    disk = {**GOLDEN, "namespace": "1", "queue_pairs": 1, "first": 0, "bytes": 0}
    hosts["hv1"]["found"]["placed"] = [{"vm": "web1", "tenant": "blue", "disks": [disk]}]
    assert partition(hosts, Policy())["files"] == before


@given(fleets(), st.data())
def test_any_mix_of_readers_and_others_is_planned_soundly(fleet: Any, data: st.DataObject) -> None:
    hosts, vms = fleet
    name = data.draw(st.sampled_from(sorted(hosts)))
    controller = hosts[name]["controllers"][0]
    controller["namespaces"].append({"nsid": 2, "bytes": 5 * GIB})
    for one in vms:
        one["kind"] = None
        disk = {"name": "golden", "controller": controller["serial"], "namespace": data.draw(st.sampled_from([1, 2]))}
        what = data.draw(st.sampled_from(["none", "reads", "reads", "writes"]))
        if what != "none":
            one["disks"] = [*one["disks"][:1], {**disk, "read_only": what == "reads"}]
    first = plan(hosts, vms)
    check(hosts, first)
    second = plan(hosts, vms, placed(first).values())
    assert (second.placements, second.refused) == (first.placements, [])
    for host_name in hosts:
        planner = Planner(parse(hosts), wanted(vms), placed(first).values())
        planner.run()
        moves_from(planner, host_name)
        assert {n: state.placed for n, state in planner.ledger.by_name.items()} == first.placements
    for text in partition(described(hosts, vms), Policy())["files"].values():
        accept(text)
