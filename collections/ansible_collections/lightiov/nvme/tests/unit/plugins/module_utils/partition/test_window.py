# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows are spent as the host spends them: by the memory of each VM, in powers of two."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.fleet import Policy, partition
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.window import most_memory, window
from fleets import GIB, described, host, placed, plan, vm
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("memory", "gib"),
    [(64, 1), (1024, 1), (1025, 2), (2048, 2), (2815, 4), (2816, 8), (4096, 8), (6144, 8), (6145, 16), (262144, 512)],
)
def test_window_is_a_power_of_two_above_the_end_of_memory(memory: int, gib: int) -> None:
    assert window(memory) == gib * GIB


@given(st.integers(0, 1 << 50))
def test_most_memory_is_the_most_that_has_a_window(free: int) -> None:
    most = most_memory(free)
    assert window(most + 1) > free
    assert not most or window(most) <= free


def hosts(gib: int) -> dict[str, Any]:
    one = host("hv1", controllers=1)
    one["controllers"][0]["windows"] = gib * GIB
    return {"hv1": one}


def test_vms_are_placed_until_the_bytes_of_windows_are_spent() -> None:
    result = plan(hosts(17), [vm("large[1:3]", pairs=1, memory_mib=4096), vm("small", pairs=1, memory_mib=512)])
    assert placed(result).keys() == {"large1", "large2", "small"}
    assert str(result.unplaced["large3"]) == (
        "VM large3 does not fit (1 hosts, 0 with a window for its memory), because none is with a window for its "
        "memory: add a host with 4 GiB of memory, 1 vCPUs, 1 free controller with 1 queue pairs and 10 GiB"
    )
    # With something left, less memory helps.
    result = plan(hosts(12), [vm("large[1:2]", pairs=1, memory_mib=4096)])
    assert result.unplaced["large2"].remedy.sentence == "ask for 2815 MiB of memory; host hv1 then has the room"
    smaller = [vm("large1", pairs=1, memory_mib=4096), vm("large2", pairs=1, memory_mib=2815)]
    assert not plan(hosts(12), smaller).unplaced


def test_memory_of_a_placed_vm_grows_within_its_window() -> None:
    vms = [vm("vm1", pairs=1, memory_mib=2048), vm("vm2", pairs=1)]
    before = placed(plan(hosts(5), vms)).values()
    assert plan(hosts(5), [{**vms[0], "memory_mib": 3072}, vms[1]], before).refused == [
        "VM vm1 cannot have 3072 MiB of memory on host hv1, where it has 2048 and controller HV1-0 has windows for 767 "
        "more: ask for no more than 2815, or for moves"
    ]
    grown = plan(hosts(5), [{**vms[0], "memory_mib": 2815}, vms[1]], before)
    assert (grown.refused, placed(grown)["vm1"].memory) == ([], 2815)


def test_disk_on_another_controller_needs_a_window_there() -> None:
    one = host("hv1", controllers=2, gib=20)
    vms = [
        vm("vm1", pairs=1),
        {**vm("vm1", pairs=1), "disks": [{"name": n, "size": "15 GiB"} for n in ("data", "log")]},
    ]
    vms[0]["disks"] = vms[1]["disks"][:1]
    before = placed(plan({"hv1": one}, vms[:1]))
    other = {"HV1-0": 1, "HV1-1": 0}[before["vm1"].slices[0].controller]
    one["controllers"][other]["windows"] = GIB
    assert len(placed(plan({"hv1": one}, vms[1:], before.values()))["vm1"].slices) == 2
    one["controllers"][other]["windows"] = GIB - 1
    assert plan({"hv1": one}, vms[1:], before.values()).refused == [
        "VM vm1 cannot have disk log of 15 GiB on host hv1, whose controllers do not have the room for it: ask for "
        "smaller ones, or for moves"
    ]


def test_windows_are_what_the_host_tells_unless_its_variables_say_less() -> None:
    vms = [vm("vm[1:2]", pairs=1)]
    fleet = described(hosts(2), vms)
    assert not partition(fleet, Policy())["unplaced"]
    fleet["hv1"]["settings"] = {"controllers": {"HV1-0": {"windows": "1 GiB"}}}
    assert [one["vm"] for one in partition(fleet, Policy())["unplaced"]] == ["vm2"]
    fleet["hv1"]["settings"] = {"controllers": {"HV1-0": {"windows": 16}}}
    with pytest.raises(
        LightiovError, match=r"^The windows of controller HV1-0 of host hv1 cannot have the size 16: wri"
    ):
        partition(fleet, Policy())
