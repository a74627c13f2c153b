# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs and hosts come and go; nothing else moves. Each test goes on from the one before."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator

import pytest
from conftest import HOSTS, ONLY, Fleet

MORE = {
    "name": "vm4",
    "tenant": "green",
    "address": "pool",
    "queue_pairs": 2,
    "disks": [{"name": "data", "size": "64 MiB"}, {"name": "log", "size": "32 MiB"}],
}


@pytest.fixture(scope="module", autouse=True)
def no_vm_stays(fleet: Fleet) -> Iterator[None]:
    yield
    image = f"/var/lib/libvirt/images/{MORE['name']}-root.qcow2"
    gone = f"virsh destroy {MORE['name']}; virsh undefine {MORE['name']}; rm -f {image}*"
    fleet.host("host2").run(gone, check=False)


def test_what_is_deployed_is_found_again_and_stays(fleet: Fleet) -> None:
    run = fleet.deploy(*ONLY)
    assert (run.did_to("host1"), run.did_to("host2")) == (set(), set()), run.changed
    assert {name: [vm["name"] for vm in vms] for name, vms in fleet.placed.items()} == {
        "host1": ["vm1", "vm2"],
        "host2": ["vm3"],
    }


def test_added_vm_changes_one_host_and_of_that_nothing_else(fleet: Fleet) -> None:
    before = {vm: (fleet.of(vm), fleet.things(vm)) for vm in ("vm1", "vm2", "vm3")}
    fleet.vms.append(MORE)
    run = fleet.deploy()
    placed = fleet.of("vm4")
    # The other controller is the other tenant's.
    assert placed["on"] == "host2"
    assert [disk["controller"] for disk in placed["disks"]] == ["LIOV2A", "LIOV2A"]
    assert placed["address"] == "192.168.122.14"
    assert re.search(r"name='vm4' ip='192.168.122.14'", fleet.host("host2").run("virsh net-dumpxml default").stdout)
    assert run.did_to("host1") == set()
    assert run.did_to("host2")
    assert not {"vm1", "vm2", "vm3"} & run.changed.keys()
    assert {vm: (fleet.of(vm), fleet.things(vm)) for vm in before} == before
    assert len(re.findall(r"vm4 .*written and verified", run.output)) == 2


def test_again_changes_nothing(fleet: Fleet) -> None:
    before = fleet.placed
    run = fleet.deploy(*HOSTS)
    assert run.changed == {}
    assert fleet.placed == before
    # Its plan of a host, with nothing in it, is taken at its word.
    assert "Plan mediated devices" in run.output
    assert "Make the mediated devices of the host" not in run.output


def test_added_host_moves_nothing_and_lost_files_are_found_again(fleet: Fleet) -> None:
    before = fleet.placed
    shutil.rmtree(fleet.files)
    fleet.lab.up(("host3",))
    fleet.hosts["host3"] = {"lightiov_controllers": [{"serial": "LIOV3A"}]}
    run = fleet.deploy(*ONLY)
    assert fleet.placed == {**before, "host3": []}
    assert (run.did_to("host1"), run.did_to("host2")) == (set(), set()), run.changed
    # It has been prepared, so that it could be planned with.
    assert fleet.host("host3").run("cat /sys/bus/pci/drivers/lightiov/*:*/lightiov/serial").stdout.split() == ["LIOV3A"]


def test_removed_vm_changes_one_host_and_of_that_nothing_else(fleet: Fleet) -> None:
    before = {vm: (fleet.of(vm), fleet.things(vm)) for vm in ("vm1", "vm2", "vm3")}
    placed = fleet.of("vm4")
    fleet.vms.remove(MORE)
    told = fleet.deploy("--check", "--diff", *ONLY)
    assert re.search(r"^-.* vm4$", told.output, re.MULTILINE), "the placements' difference is not shown"
    assert (fleet.of("vm4"), {vm: (fleet.of(vm), fleet.things(vm)) for vm in before}) == (placed, before)
    run = fleet.deploy(*ONLY)
    assert told.changed == run.changed
    assert run.did_to("host1") == set()
    assert run.did_to("host2")
    assert {vm: (fleet.of(vm), fleet.things(vm)) for vm in before} == before
    assert "vm4" not in fleet.host("host2").run("mdevctl list --defined --dumpjson").stdout
