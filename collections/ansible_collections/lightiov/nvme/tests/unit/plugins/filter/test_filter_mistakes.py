# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mistakes in a fleet's variables and files of placements, beside those in a VM: each is one sentence for its operator.

test_intent.py has the mistakes in what is said of a VM.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.lightiov.nvme.plugins.filter import partition as plugin
from fleets import host, vm

partition = plugin.FilterModule().filters()["partition"]

PLACE = {"name": "data", "controller": "HV1-0", "namespace": "1", "size": "10 GiB", "queue_pairs": 2}
ANOTHER = {**host("hv2", controllers=1), "generation": 3, "placed": []}
WRITTEN = {"name": "vm1", "tenant": "blue", "memory_mib": 1024, "vcpus": 1, "disks": [PLACE]}
ELSEWHERE = {**WRITTEN, "disks": [{**PLACE, "controller": "HV2-0"}]}
OF_BEFORE = "correct the file, or take that of before from version control"


def fleet(*vms: Any, **options: Any) -> dict[str, Any]:
    found = {**host("hv1", controllers=1), "generation": 3, "placed": []}
    return {"hv1": {"vms": list(vms) or [vm("vm1")], "found": found, **options}}


def of_controller(said: Any) -> dict[str, Any]:
    return fleet(settings={"controllers": {"HV1-0": said}})


def with_file(*vms: Any) -> dict[str, Any]:
    return fleet(placements={"lightiov_generation": 3, "lightiov_vms": list(vms)})


def on(name: str, first: int) -> dict[str, Any]:
    """As its host tells it."""
    disk = {
        "name": "data",
        "controller": "HV1-0",
        "namespace": "1",
        "queue_pairs": 2,
        "first": first,
        "bytes": 10 << 30,
    }
    return {"vm": name, "tenant": "blue", "disks": [disk]}


def pinned(**pins: Any) -> dict[str, Any]:
    return fleet(vm("vm1", disks=[{"name": "data", "size": "10 GiB", **pins}]))


def with_pool(pool: Any) -> dict[str, Any]:
    return fleet(address_pool=pool)


NETWORK = "192.168.122.0/24"

REFUSED: Mapping[str, tuple[dict[str, Any], str]] = {
    "resources are a list": (
        fleet(settings=["cordon"]),
        "The lightiov_resources of host hv1 are ['cordon'], which is not a mapping: write them with their values",
    ),
    "unknown resource": (
        fleet(settings={"cores": 2}),
        "The lightiov_resources of host hv1 have the unknown key 'cores': choose from memory_mib, vcpus, cordon, "
        "controllers",
    ),
    "memory with a unit": (
        fleet(settings={"memory_mib": "64 GiB"}),
        "Host hv1 cannot have '64 GiB' as its memory_mib: write a whole number",
    ),
    "fewer vCPUs than none": (
        fleet(settings={"vcpus": -1}),
        "Host hv1 cannot have -1 as its vcpus: write a whole number",
    ),
    "cordon that YAML reads as a truth": (
        fleet(settings={"cordon": True}),
        "Host hv1 cannot have True as its cordon: choose from none, new, all, warn",
    ),
    "controllers are a list": (
        fleet(settings={"controllers": ["HV1-0"]}),
        "The lightiov_resources of host hv1 have ['HV1-0'] as controllers, which is not a mapping: write them by their "
        "names",
    ),
    "controller is a tenant": (
        of_controller("green"),
        "The lightiov_resources of controller HV1-0 of host hv1 are 'green', which is not a mapping: write them with "
        "their values",
    ),
    "reservation misspelt": (
        of_controller({"tennant": "green"}),
        "The lightiov_resources of controller HV1-0 of host hv1 have the unknown key 'tennant': choose from tenant, "
        "kind, cordon, queue_pairs, windows, namespaces",
    ),
    "reserved for several tenants": (
        of_controller({"tenant": ["blue", "green"]}),
        "The lightiov_resources of controller HV1-0 of host hv1 cannot have the tenant \"['blue', 'green']\": use 1 to "
        "64 letters, digits, dots, underscores and hyphens",
    ),
    "reserved for no kind": (
        of_controller({"kind": "fast"}),
        "Controller HV1-0 of Host hv1 cannot be reserved for the kind 'fast': choose from passthrough, mediated",
    ),
    "queue pairs are not whole": (
        of_controller({"queue_pairs": 1.5}),
        "Controller HV1-0 of Host hv1 cannot have 1.5 as its queue_pairs: write a whole number",
    ),
    "namespaces are a list": (
        of_controller({"namespaces": [1]}),
        "The lightiov_resources of controller HV1-0 of host hv1 have [1] as namespaces, which is not a mapping: write "
        "them by their names",
    ),
    "cordon of a namespace": (
        of_controller({"namespaces": {1: "yes"}}),
        "Namespace 1 of Controller HV1-0 of Host hv1 cannot have 'yes' as its cordon: choose from none, new, all, warn",
    ),
    "file without a list": (
        fleet(placements={"lightiov_vms": "vm1"}),
        f"The placements of host hv1 are not a list of VMs with names as lightiov_vms: {OF_BEFORE}",
    ),
    "file with names alone": (
        with_file("vm1"),
        f"The placements of host hv1 are not a list of VMs with names as lightiov_vms: {OF_BEFORE}",
    ),
    "file with a VM without a name": (
        with_file({"tenant": "blue"}),
        f"The placements of host hv1 are not a list of VMs with names as lightiov_vms: {OF_BEFORE}",
    ),
    "file with a VM without a tenant": (
        with_file({"name": "vm1", "disks": []}),
        f"VM vm1 is not written as the plan writes it in the placements of host hv1: {OF_BEFORE}",
    ),
    "file with a disk without a name": (
        with_file({**WRITTEN, "disks": [{"controller": "HV1-0", "namespace": "1"}]}),
        f"VM vm1 is not written as the plan writes it in the placements of host hv1: {OF_BEFORE}",
    ),
    "file with no number": (
        with_file({**WRITTEN, "memory_mib": "1 GiB"}),
        f"VM vm1 is not written as the plan writes it in the placements of host hv1: {OF_BEFORE}",
    ),
    "file with a wish": (
        with_file({**WRITTEN, "disks": [{"name": "data", "size": "10 GiB"}]}),
        "Disk data of VM vm1 has no place in the placements of host hv1: remove the VM from that file to have it "
        "planned",
    ),
    "file with a wrong size": (
        with_file({**WRITTEN, "disks": [{**PLACE, "size": "10 GB"}]}),
        "Disk data of VM vm1 cannot have the size '10 GB', because drives and systems do not agree on decimal units: "
        "say it in MiB, GiB or TiB, such as 200 GiB",
    ),
    "VM in two ways": (
        {**fleet(vm("vm1")), "hv2": {"vms": [vm("vm1", "green")]}},
        "VM vm1 is written differently for host hv1 and host hv2: give each VM of the fleet a name of its own in "
        "lightiov_vms",
    ),
    "one drive in two hosts": (
        {**fleet(), "hv2": fleet()["hv1"]},
        "Controllers of host hv1 and host hv2 have the same serial number HV1-0: correct the host's variables, or "
        "leave one of the two out of lightiov_controllers",
    ),
    "pinned to hosts": (
        fleet(vm("vm1", host=["hv1"])),
        "VM vm1 has the host ['hv1'], which is not text: write it between quotation marks",
    ),
    "pool is a network": (
        with_pool(NETWORK),
        "The lightiov_address_pool of host hv1 is '192.168.122.0/24', which is not a mapping: write network and ranges "
        "with their values",
    ),
    "unknown key of a pool": (
        with_pool({"network": NETWORK, "range": []}),
        "The lightiov_address_pool of host hv1 has the unknown key 'range': choose from network, ranges, exclude, "
        "gateway, unique",
    ),
    "pool without a network": (
        with_pool({"ranges": ["192.168.122.10"]}),
        "The lightiov_address_pool of host hv1 has None as its network, which is no IPv4 network: write it as in "
        "192.168.122.0/24",
    ),
    "pool of an address": (
        with_pool({"network": "192.168.122.0"}),
        "The lightiov_address_pool of host hv1 has '192.168.122.0' as its network, which is no IPv4 network: write it "
        "as in 192.168.122.0/24",
    ),
    "pool of IPv6": (
        with_pool({"network": "fd00::/64"}),
        "The lightiov_address_pool of host hv1 has 'fd00::/64' as its network, which is no IPv4 network: write it as "
        "in 192.168.122.0/24",
    ),
    "ranges are text": (
        with_pool({"network": NETWORK, "ranges": "192.168.122.10-192.168.122.20"}),
        "The value of ranges of the lightiov_address_pool of host hv1 is '192.168.122.10-192.168.122.20', which is not "
        "a list: write a list of addresses, networks, and ranges as in 192.168.122.10-192.168.122.99",
    ),
    "range with half an address": (
        with_pool({"network": NETWORK, "ranges": ["192.168.122.10-20"]}),
        "The lightiov_address_pool of host hv1 has '192.168.122.10-20' in ranges, which is neither address, network "
        "nor range: write it as in 192.168.122.10-192.168.122.99",
    ),
    "range reversed": (
        with_pool({"network": NETWORK, "ranges": ["192.168.122.20-192.168.122.10"]}),
        "The lightiov_address_pool of host hv1 has '192.168.122.20-192.168.122.10' in ranges, which is neither "
        "address, network nor range: write it as in 192.168.122.10-192.168.122.99",
    ),
    "range of another network": (
        with_pool({"network": NETWORK, "exclude": ["192.168.123.1"]}),
        "The lightiov_address_pool of host hv1 has '192.168.123.1' in exclude, which is not in its network "
        "192.168.122.0/24: correct one of the two",
    ),
    "gateway of another network": (
        with_pool({"network": NETWORK, "gateway": "10.0.0.1"}),
        "The lightiov_address_pool of host hv1 cannot have '10.0.0.1' as its gateway: write an address of "
        "192.168.122.0/24",
    ),
    "pool unique in a rack": (
        with_pool({"network": NETWORK, "unique": "rack"}),
        "The lightiov_address_pool of host hv1 cannot have 'rack' as its unique: choose from host, fleet",
    ),
    "pool of nothing": (
        with_pool({"network": "192.168.122.0/30", "exclude": ["192.168.122.2"]}),
        "The lightiov_address_pool of host hv1 has no address for a VM: write larger ranges, or exclude less",
    ),
    "address is a list": (
        fleet(vm("vm1", address=["192.168.122.2"])),
        "VM vm1 has the address ['192.168.122.2'], which is not text: write it between quotation marks",
    ),
    "apart over a number": (
        fleet(vm("vm1", apart={"from": "vm1", "over": 3})),
        "VM vm1 cannot be apart over 3: write hosts, or a list of names of groups",
    ),
    "memory in no unit": (
        fleet(vm("vm1", memory_mib=None, memory="4 Gi")),
        "The memory of VM vm1 cannot have the size '4 Gi': write a whole number and MiB, GiB or TiB, such as 200 GiB, "
        "or write memory_mib",
    ),
}


@pytest.mark.parametrize(("hosts", "sentence"), REFUSED.values(), ids=REFUSED.keys())
def test_mistake_is_refused_in_one_sentence(hosts: dict[str, Any], sentence: str) -> None:
    with pytest.raises(AnsibleFilterError) as refused:
        partition(hosts)
    assert str(refused.value) == sentence


POLICIES = {
    "strategy": (
        {"strategy": "tight"},
        "The fleet cannot be planned with 'tight' as strategy: choose from pack, spread",
    ),
    "reserve": (
        {"reserve": -1},
        "The fleet cannot be planned with -1 hosts as reserve: write how many are to stay empty",
    ),
    "moves for nobody": (
        {"moves_for": ["db"]},
        "No moves are found for VM db, which lightiov_vms does not list: correct the name",
    ),
    "moves from nowhere": (
        {"moves_from": ["hv9"]},
        "Host hv9 cannot be emptied, for it is not in lightiov_hosts: correct the name",
    ),
}


@pytest.mark.parametrize(("policy", "sentence"), POLICIES.values(), ids=POLICIES.keys())
def test_wrong_policy_is_refused_in_one_sentence(policy: dict[str, Any], sentence: str) -> None:
    with pytest.raises(AnsibleFilterError) as refused:
        partition(fleet(), **policy)
    assert str(refused.value) == sentence


# What may be right tomorrow, or concerns one VM: the rest of the fleet is planned, and this is said.
SAID: Mapping[str, tuple[dict[str, Any], str]] = {
    "controller that is not there": (
        fleet(settings={"controllers": {"HV9": {"tenant": "green"}}}),
        "The lightiov_resources of host hv1 name controller HV9, which is not LightIOV's there: correct the serial "
        "number, or list it in lightiov_controllers",
    ),
    "namespace that is not there": (
        of_controller({"namespaces": {9: "new"}}),
        "The lightiov_resources of host hv1 name namespace 9 of controller HV1-0, which does not have it: correct its "
        "number or identity",
    ),
    "failure domain that is not there": (
        fleet(vm("vm1", apart={"from": "vm1", "over": ["rack_z"]})),
        "VM vm1 is to be apart over group rack_z, in which no host of lightiov_hosts is: correct the group's name, or "
        "put hosts into it",
    ),
    "address of a pool that is not there": (
        fleet(vm("vm1", address="pool")),
        "VM vm1 does not fit (1 hosts, 0 with an address for it), because none is with an address for it: give host "
        "hv1 a lightiov_address_pool; host hv1 then has the room",
    ),
    "pin to a host that is not there": (
        fleet(vm("vm1", host="hv9")),
        "VM vm1 does not fit (1 hosts, 0 that its pin or its list allows), because none is that its pin or its list "
        "allows: take its pin to host hv9 away; host hv1 then has the room",
    ),
    "pin to a group that is not there": (
        fleet(vm("vm1", group="rack_z")),
        "VM vm1 does not fit (1 hosts, 0 in its group), because none is in its group: take its pin to group rack_z "
        "away; host hv1 then has the room",
    ),
    "pin to a controller that is not there": (
        pinned(controller="HV9"),
        "VM vm1 does not fit (1 hosts, 0 with its controller), because none is with its controller: take its pin to "
        "controller HV9 away; host hv1 then has the room",
    ),
    "file that its host contradicts": (
        with_file({**WRITTEN, "disks": [{**PLACE, "namespace": "2"}]}),
        "Disk data of VM vm1 is in namespace 2 of controller HV1-0, which is not there: attach the namespace again, or "
        "remove the VM from the host's placements",
    ),
    "file with another tenant's VM": (
        fleet(vm("vm1", "green"), placements={"lightiov_vms": [WRITTEN]}),
        "VM vm1 cannot pass from tenant blue and kind passthrough to green and passthrough on host hv1: remove the VM, "
        "and list it again under another name",
    ),
}


SAID_OF_WHAT_IS_PLACED: Mapping[str, tuple[dict[str, Any], str]] = {
    "one VM in two files": (
        {
            **with_file(WRITTEN),
            "hv2": {**fleet()["hv1"], "found": ANOTHER, "placements": {"lightiov_vms": [ELSEWHERE]}},
        },
        "VM vm1 is placed on host hv1 and on host hv2: remove it from the placements of the one that does not run it",
    ),
    "controller that is gone": (
        with_file({**WRITTEN, "disks": [{**PLACE, "controller": "HV1-9"}]}),
        "VM vm1 has disks on controller HV1-9, which host hv1 does not have: put the controller back, or remove the VM "
        "from the host's placements",
    ),
    "two tenants on a controller": (
        fleet(
            vm("vm1"),
            vm("vm2", "green"),
            placements={"lightiov_vms": [WRITTEN, {**WRITTEN, "name": "vm2", "tenant": "green"}]},
        ),
        "VM vm2 of tenant green is on controller HV1-0 of host hv1, which blue has: move one of the two, since they "
        "could reach each other's memory",
    ),
    "two disks on each other": (
        fleet(vm("vm1"), vm("vm2"), placed=[on("vm1", 0), on("vm2", 9 << 30)]),
        "Disk data of VM vm2 has no room of its own in namespace 1 of controller HV1-0: another disk is there, so see "
        "which of the two the host's extents show",
    ),
    "new disk that has no room": (
        fleet(
            vm("vm1", disks=[{"name": "data", "size": "10 GiB"}, {"name": "log", "size": "95 GiB"}]),
            placements={"lightiov_vms": [WRITTEN]},
        ),
        "VM vm1 cannot have disk log of 95 GiB on host hv1, whose controllers do not have the room for it: ask for "
        "smaller ones, or for moves",
    ),
    "more memory than there is": (
        fleet(vm("vm1", memory_mib=70000), placements={"lightiov_vms": [WRITTEN]}),
        "VM vm1 cannot have 70000 MiB of memory on host hv1, where it has 1024 and 64512 more are free: ask for no "
        "more than 65536, or for moves",
    ),
    "more vCPUs than there are": (
        fleet(vm("vm1", vcpus=65), placements={"lightiov_vms": [WRITTEN]}),
        "VM vm1 cannot have 65 vCPUs on host hv1, where it has 1 and 63 more are free: ask for no more than 64, or for "
        "moves",
    ),
    # A cordon that only warns lets VMs in all the same.
    "host that is warned of": (
        fleet(settings={"cordon": "warn"}),
        "Host hv1 is not to be relied on, and has vm1",
    ),
    "controller that is warned of": (
        of_controller({"cordon": "warn"}),
        "Controller HV1-0 of host hv1 is not to be relied on, and has vm1",
    ),
    "namespace that is warned of": (
        of_controller({"namespaces": {1: "warn"}}),
        "Namespace 1 of controller HV1-0 is not to be relied on, and has vm1",
    ),
}


@pytest.mark.parametrize(
    ("hosts", "sentence"), [*SAID.values(), *SAID_OF_WHAT_IS_PLACED.values()], ids=[*SAID, *SAID_OF_WHAT_IS_PLACED]
)
def test_mistake_is_said_in_one_sentence(hosts: dict[str, Any], sentence: str) -> None:
    planned = partition(hosts)
    assert [*planned["cautions"], *planned["refused"], *(one["sentence"] for one in planned["unplaced"])] == [sentence]


@pytest.mark.parametrize("said", SAID_OF_WHAT_IS_PLACED)
def test_vm_stays_where_it_is_whatever_is_said_of_it(said: str) -> None:
    placed = partition(SAID_OF_WHAT_IS_PLACED[said][0])["placements"]
    assert "vm1" in [one["name"] for one in placed["hv1"]]


def test_reserve_without_a_host_that_is_empty_is_told() -> None:
    assert partition(with_file(WRITTEN), reserve=1)["cautions"] == [
        "Only 0 hosts are empty, and the reserve is 1: add hosts, or ask for moves that empty one"
    ]


def test_host_whose_loss_the_reserve_does_not_make_good_is_told() -> None:
    wishes = [vm("vm1", host="hv1"), vm("vm2", host="hv2"), vm("vm3")]
    hosts = {name: {"vms": wishes, "found": {**host(name), "placed": []}} for name in ("hv1", "hv2", "hv3")}
    assert partition(hosts, reserve=1)["cautions"] == [
        "If host hv1 is lost, there is no room elsewhere for vm1, reserve and all, and so it is with 1 other hosts: "
        "raise lightiov_plan_reserve, add larger hosts, or take pins away"
    ]


def test_serial_numbers_and_namespaces_are_text_or_numbers() -> None:
    hosts = fleet(settings={"controllers": {1234: {"namespaces": {"1": "new"}}}})
    hosts["hv1"]["found"]["controllers"][0]["serial"] = "1234"
    planned = partition(hosts)
    assert not planned["cautions"]
    assert [one["vm"] for one in planned["unplaced"]] == ["vm1"]


def test_node_of_a_host_that_does_not_answer_stays_written() -> None:
    entry = {**WRITTEN, "numa_node": 1, "numa_cpus": "4-7"}
    hosts = with_file(entry)
    hosts["hv1"]["found"] = None
    assert partition(hosts)["placements"]["hv1"][0]["numa_cpus"] == "4-7"
