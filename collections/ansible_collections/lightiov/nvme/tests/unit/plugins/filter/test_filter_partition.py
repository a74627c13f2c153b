# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.lightiov.nvme.plugins.filter import partition as plugin
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.files import digest
from fleets import GIB, host, vm

try:
    from ansible.template import trust_as_template
except ImportError:  # before ansible-core 2.19 any text is a template
    trust_as_template = str

partition = plugin.FilterModule().filters()["partition"]


def told(name: str, **options: Any) -> dict[str, Any]:
    return {**host(name, controllers=1), "generation": 3, "placed": [], **options}


def fleet(*vms: dict[str, Any], **found: Any) -> dict[str, Any]:
    return {name: {"vms": list(vms), "found": one} for name, one in (found or {"hv1": told("hv1")}).items()}


def applied(hosts: dict[str, Any], planned: dict[str, Any]) -> dict[str, Any]:
    """The fleet with the files that were written."""
    return {name: {**one, "placements": yaml.safe_load(planned["files"][name])} for name, one in hosts.items()}


def test_file_is_the_lightiov_vms_of_its_host() -> None:
    planned = partition(fleet(vm("vm2", address="192.0.2.2"), vm("vm1")))
    content = yaml.safe_load(planned["files"]["hv1"])
    assert content == {"lightiov_generation": 3, "lightiov_vms": planned["placements"]["hv1"]}
    first, second = content["lightiov_vms"]
    place = {"name": "data", "controller": "HV1-0", "namespace": "1", "size": "10 GiB", "queue_pairs": 2}
    assert first == {"name": "vm1", "tenant": "blue", "memory_mib": 1024, "vcpus": 1, "disks": [place]}
    assert (second["name"], second["address"]) == ("vm2", "192.0.2.2")


def test_one_more_vm_is_a_difference_of_its_lines_alone() -> None:
    before = partition(fleet(vm("vm1"), vm("vm3")))["files"]["hv1"].splitlines()
    hosts = applied(fleet(vm("vm1"), vm("vm3")), partition(fleet(vm("vm1"), vm("vm3"))))
    for one in hosts.values():
        one["vms"] = [vm("vm1"), vm("vm2"), vm("vm3")]
    after = partition(hosts)["files"]["hv1"].splitlines()
    added = after[:]
    at = 0
    for line in before:
        at = added.index(line, at)
        del added[at]
    assert len(after) == len(before) + len(added)
    assert added[0].strip() in ("- name: vm2", "tenant: blue")


def test_file_that_was_applied_stays_as_it_is() -> None:
    hosts = fleet(vm("vm1"))
    first = partition(hosts)
    hosts["hv1"]["found"].update(generation=4, digest=digest(first["placements"]["hv1"]))
    assert partition(applied(hosts, first))["files"] == first["files"]


def test_file_that_was_not_applied_gets_the_generation_of_its_host() -> None:
    """One that was written by hand, or before its host was installed anew: it would be stale for ever."""
    hosts = fleet(vm("vm1"))
    hosts = applied(hosts, partition(hosts))
    hosts["hv1"]["found"].update(generation=9, digest="of another")
    assert "lightiov_generation: 9\n" in partition(hosts)["files"]["hv1"]


def test_digest_is_that_of_the_role() -> None:
    tasks = yaml.safe_load((Path(plugin.__file__).parents[2] / "roles/partition/tasks/accept.yml").read_text())
    vms = partition(fleet(vm("vm1"), vm("vm2", image="/größe")))["placements"]["hv1"]
    template = tasks[0]["lightiov.nvme.generation"]["digest"]
    templar = Templar(loader=DataLoader(), variables={"lightiov_vms": vms})
    assert templar.template(trust_as_template(template)) == digest(vms)


def test_lost_file_is_found_again_from_the_host() -> None:
    disk = {
        "name": "data",
        "controller": "HV1-0",
        "namespace": "1",
        "queue_pairs": 2,
        "first": 5 * GIB,
        "bytes": 10 * GIB,
    }
    found = told("hv1", placed=[{"vm": "vm1", "tenant": "blue", "disks": [disk]}])
    hosts = fleet(vm("vm1"), hv0=told("hv0"), hv1=found)
    planned = partition(hosts)
    assert [one["name"] for one in planned["placements"]["hv1"]] == ["vm1"]
    assert not planned["placements"]["hv0"]


def test_lost_file_is_found_again_as_it_was_from_what_its_host_accepted() -> None:
    """Also of VMs that have no disk by which their host would know them, or whose disks are not made yet."""
    wishes = [vm("vm1", disks=[], memory_mib=4096, address="192.0.2.1"), vm("vm2")]
    hosts = fleet(*wishes, hv1=told("hv1"), hv2=told("hv2"))
    first = partition(hosts, strategy="spread")
    assert [len(first["placements"][name]) for name in ("hv1", "hv2")] == [1, 1]
    # Packed from nothing, both would be on hv1.
    for name, one in hosts.items():
        one["found"]["placements"] = first["placements"][name]
    assert partition(hosts)["placements"] == first["placements"]
    # A file that is there says what is true.
    hosts["hv2"]["placements"] = {"lightiov_vms": []}
    planned = partition(hosts)
    assert [one["name"] for one in planned["placements"]["hv1"]] == ["vm1", "vm2"]


def has(vm: str = "vm1", tenant: str = "blue", *disks: dict[str, Any], **options: Any) -> dict[str, Any]:
    """What a host tells of a VM that was placed on it by `fleet`; it has one disk unless others are given."""
    disk = {"name": "data", "controller": "HV1-0", "namespace": "1", "queue_pairs": 2, "first": 0, "bytes": 10 * GIB}
    return {"vm": vm, "tenant": tenant, "disks": list(disks) or [{**disk, **options}]}


def differing(*placed: dict[str, Any], wishes: Sequence[dict[str, Any]] = (), accepted: bool = True) -> dict[str, Any]:
    """The plan where the file says what `fleet` gave vm1, and the host has these; unless it has accepted the file, that
    is yet to be applied."""
    hosts = fleet(vm("vm1"))
    first = partition(hosts)
    hosts = applied(hosts, first)
    hosts["hv1"]["found"]["placed"] = list(placed)
    if accepted:
        hosts["hv1"]["found"].update(generation=4, digest=digest(first["placements"]["hv1"]))
    if wishes:
        hosts["hv1"]["vms"] = list(wishes)
    return partition(hosts)


ACCEPTED = "by the placements of host hv1, which it has accepted"
NOT_ACCEPTED = "by host hv1 itself, and {} its placements, which it has accepted"
FIND_AGAIN = "correct the file, or remove the VM from it to have it found again"


@pytest.mark.parametrize(
    ("host_has", "sentence"),
    [
        (
            has(namespace="2"),
            "Disk data of VM vm1 is in namespace 1 of controller HV1-0 by the placements of host hv1, and in namespace "
            f"2 of controller HV1-0 by the host itself: {FIND_AGAIN}",
        ),
        (
            has(controller="HV1-1"),
            "Disk data of VM vm1 is in namespace 1 of controller HV1-0 by the placements of host hv1, and in namespace "
            f"1 of controller HV1-1 by the host itself: {FIND_AGAIN}",
        ),
        (
            has(tenant="red"),
            f"VM vm1 is tenant blue's by the placements of host hv1, and tenant red's by the host itself: {FIND_AGAIN}",
        ),
        (
            has(bytes=20 * GIB),
            "Disk data of VM vm1 is 10 GiB by the placements of host hv1, and 20 GiB by the host itself, and disks do "
            "not shrink: make it 20 GiB in the file and in lightiov_vms",
        ),
        (
            has(bytes=0),
            "Disk data of VM vm1 is 10 GiB by the placements of host hv1, and a whole namespace by the host itself, "
            "and disks do not shrink: make it a whole namespace in the file and in lightiov_vms",
        ),
    ],
    ids=["namespace", "controller", "tenant", "larger", "whole"],
)
@pytest.mark.parametrize("accepted", [False, True])
def test_file_and_host_that_contradict_each_other_are_both_named(
    host_has: dict[str, Any], sentence: str, accepted: bool
) -> None:
    """No plan writes this of a VM that is there, so the file need not be one that was applied."""
    planned = differing(host_has, accepted=accepted)
    assert planned["refused"] == [sentence]
    assert not planned["cautions"]


OTHER = {"name": "old", "controller": "HV1-0", "namespace": "1", "queue_pairs": 2, "first": 20 * GIB, "bytes": GIB}


@pytest.mark.parametrize(
    ("placed", "sentence"),
    [
        (
            [has(bytes=5 * GIB)],
            f"Disk data of VM vm1 has 10 GiB {ACCEPTED}, and 5 GiB by the host itself: lightiov.nvme.deploy grows it; "
            "say its size in lightiov_vms and in the file if it is to stay as it is",
        ),
        (
            [has(queue_pairs=1)],
            f"VM vm1 has 2 queue pairs of controller HV1-0 {ACCEPTED}, and 1 by the host itself: lightiov.nvme.deploy "
            "changes them when the VM is off; correct the file if they are to stay as they are",
        ),
        (
            [],
            f"VM vm1 has disks {ACCEPTED}, and none by the host itself: lightiov.nvme.deploy makes them; take out of "
            "lightiov_vms what is to be gone",
        ),
        (
            [has("vm1", "blue", *has()["disks"], OTHER)],
            f"Disk old of VM vm1 is in namespace 1 of controller HV1-0 {NOT_ACCEPTED.format('not by')}: "
            "lightiov.nvme.deploy takes it away with remove in lightiov_allow; write it in lightiov_vms and in the "
            "file to keep it",
        ),
        (
            [has(), has("vm9", "blue", OTHER)],
            f"VM vm9 has disk old in namespace 1 of controller HV1-0 {NOT_ACCEPTED.format('is not in')}: "
            "lightiov.nvme.deploy takes it away with remove in lightiov_allow; list the VM in lightiov_vms to keep it",
        ),
    ],
    ids=["smaller", "queue pairs", "lost VM", "disk of the host alone", "VM of the host alone"],
)
def test_what_a_host_has_accepted_and_does_not_have_is_told(placed: list[dict[str, Any]], sentence: str) -> None:
    """And is not refused: a deployment that was interrupted leaves the same, and the next one makes it."""
    planned = differing(*placed)
    assert planned["cautions"] == [sentence]
    assert not planned["refused"]


def test_disk_that_a_host_has_lost_is_told() -> None:
    wish = vm("vm1", disks=[{"name": "data", "size": "10 GiB"}, {"name": "log", "size": "1 GiB"}])
    hosts = fleet(wish)
    first = partition(hosts)
    hosts = applied(hosts, first)
    hosts["hv1"]["found"].update(generation=4, digest=digest(first["placements"]["hv1"]), placed=[has()])
    planned = partition(hosts)
    assert planned["cautions"] == [
        f"Disk log of VM vm1 is in namespace 1 of controller HV1-0 {ACCEPTED}, and the host itself does not have it: "
        "lightiov.nvme.deploy makes it; take it out of lightiov_vms if it is to be gone"
    ]
    assert planned["files"] == first["files"]
    # Of what is missing with its controller, another sentence tells.
    hosts["hv1"]["found"].update(controllers=[], placed=[])
    planned = partition(hosts)
    assert not planned["cautions"]
    assert planned["refused"][0].startswith("VM vm1 has disks on controller HV1-0, which host hv1 does not have: ")


@pytest.mark.parametrize(
    "placed",
    [[], [has(bytes=5 * GIB)], [has(queue_pairs=1)], [has("vm1", "blue", *has()["disks"], OTHER)]],
    ids=["new VM", "growth", "other queue pairs", "disk that goes"],
)
def test_file_that_is_yet_to_be_applied_does_not_differ(placed: list[dict[str, Any]]) -> None:
    planned = differing(*placed, accepted=False)
    assert not planned["refused"] + planned["cautions"]


@pytest.mark.parametrize(
    "wish",
    [vm("vm1", gib=20), vm("vm1", pairs=4), vm("vm1", disks=[])],
    ids=["growth", "other queue pairs", "disk that goes"],
)
def test_changed_wish_is_no_difference(wish: dict[str, Any]) -> None:
    """File and host are as they were."""
    planned = differing(has(), wishes=[wish])
    assert not planned["cautions"]
    assert not [one for one in planned["refused"] if "by the host itself" in one]


def test_namespace_of_a_file_that_is_named_otherwise_than_by_its_host_is_the_same() -> None:
    hosts = fleet(vm("vm1"))
    first = partition(hosts)
    hosts = applied(hosts, first)
    hosts["hv1"]["found"]["controllers"][0]["namespaces"][0]["id"] = "eui.0000000000000001"
    hosts["hv1"]["found"].update(
        digest=digest(first["placements"]["hv1"]), placed=[has(namespace="eui.0000000000000001")]
    )
    planned = partition(hosts)
    assert not planned["refused"] + planned["cautions"]


def test_lost_file_differs_from_nothing_that_its_host_has() -> None:
    """Unless the host has accepted a list, which then stands for the file."""
    hosts = fleet(vm("vm1"))
    entries = partition(hosts)["placements"]["hv1"]
    hosts["hv1"]["found"].update(generation=4, digest=digest(entries), placed=[has(), has("vm9", "blue", OTHER)])
    assert not partition(hosts)["cautions"]
    hosts["hv1"]["found"]["placements"] = entries
    assert [one.split(" has ")[0] for one in partition(hosts)["cautions"]] == ["VM vm9"]


def test_vm_that_two_hosts_have_is_where_the_files_say() -> None:
    hosts = fleet(vm("vm1"), hv1=told("hv1"), hv2=told("hv2"))
    [entry] = partition(hosts)["placements"]["hv1"]
    elsewhere = {**entry, "disks": [{**entry["disks"][0], "controller": "HV2-0"}]}
    hosts["hv1"]["found"]["placed"] = [has()]
    hosts["hv2"]["found"]["placed"] = [has(controller="HV2-0")]
    hosts["hv1"]["placements"] = {"lightiov_vms": [entry]}
    hosts["hv2"]["placements"] = {"lightiov_vms": [elsewhere]}
    twice = (
        "VM vm1 is placed on host hv1 and on host hv2: remove it from the placements of the one that does not run it"
    )
    planned = partition(hosts)
    assert planned["refused"] == [twice]
    # Which of the two it is taken away from is for people to say.
    assert planned["placements"] == {"hv1": [entry], "hv2": [elsewhere]}
    # Nor is it moved from there before.
    assert partition(hosts, moves_from=["hv2"])["moves"][0]["moves"] == []
    for name, empty, kept in (("hv1", "hv2", entry), ("hv2", "hv1", elsewhere)):
        hosts[name]["placements"], hosts[empty]["placements"] = {"lightiov_vms": [kept]}, {"lightiov_vms": []}
        planned = partition(hosts)
        assert planned["placements"] == {name: [kept], empty: []}
        assert not planned["refused"]
        # A host whose file is lost has what it tells.
        hosts[empty]["placements"] = None
        assert partition(hosts)["refused"] == [twice]


def test_unreachable_host_keeps_its_file() -> None:
    hosts = fleet(vm("vm1"))
    hosts = applied(hosts, partition(hosts))
    before = partition(hosts)["placements"]["hv1"]
    hosts["hv1"].update(found=None, vms=[vm("vm1", memory_mib=2048)])
    planned = partition(hosts)
    assert planned["placements"]["hv1"] == before
    assert not planned["files"] and not planned["refused"]
    assert planned["cautions"][0].startswith("Host hv1 does not answer, so its 1 VMs keep what they have")
    # As those outside --limit.
    hosts["hv1"]["asked"] = False
    assert not partition(hosts)["cautions"]


def test_vm_that_may_be_on_a_host_of_which_nothing_is_known_is_not_placed() -> None:
    hosts = fleet(vm("vm1"), hv1=told("hv1"), hv2=None)
    hosts["hv2"]["asked"] = False
    planned = partition(hosts)
    assert not planned["placements"]["hv1"]
    [one] = planned["unplaced"]
    assert one["sentence"] == (
        "VM vm1 is not placed, because it may be on hv2, of which there is neither an answer nor a file of placements: "
        "have hv2 asked, without --limit, or write in its file that it has none, as lightiov_vms: []"
    )
    # Its remedies.
    asked = partition({**hosts, "hv2": {**hosts["hv2"], "found": told("hv2")}})
    written = partition({**hosts, "hv2": {**hosts["hv2"], "placements": {"lightiov_vms": []}}})
    # Or it is there, or it cannot be.
    elsewhere = partition({**hosts, "hv2": {**hosts["hv2"], "vms": []}})
    failed = partition({**hosts, "hv2": {**hosts["hv2"], "placed": []}})
    for planned in (asked, written, elsewhere, failed):
        assert [one["name"] for one in planned["placements"]["hv1"]] == ["vm1"]


def test_hosts_of_which_nothing_is_known_are_counted_when_they_are_many() -> None:
    others = {f"hv{number}": None for number in range(2, 302)}
    hosts = fleet(vm("vm1"), hv1=told("hv1"), **others)
    for name in others:
        hosts[name]["asked"] = False
    [one] = partition(hosts)["unplaced"]
    assert "because it may be on hv2, hv3, hv4, hv5, hv6 and 295 more, of which" in one["sentence"]


def test_host_that_does_not_answer_has_nothing_in_a_fleet_that_is_new_alone() -> None:
    hosts = fleet(vm("vm1"), hv1=told("hv1"), hv2=None)
    planned = partition(hosts)
    assert [one["name"] for one in planned["placements"]["hv1"]] == ["vm1"]
    hosts["hv1"]["placements"] = yaml.safe_load(planned["files"]["hv1"])
    for one in hosts.values():
        one["vms"] = [vm("vm1"), vm("vm2")]
    planned = partition(hosts)
    assert [one["name"] for one in planned["placements"]["hv1"]] == ["vm1"]
    assert [one["vm"] for one in planned["unplaced"]] == ["vm2"]


def test_host_that_failed_after_it_has_answered_keeps_what_it_told() -> None:
    disk = {"name": "data", "controller": "HV2-0", "namespace": "1", "queue_pairs": 2, "first": 0, "bytes": 10 * GIB}
    hosts = fleet(vm("vm1"), hv1=told("hv1"), hv2=None)
    hosts["hv2"]["placed"] = [{"vm": "vm1", "tenant": "blue", "disks": [disk]}]
    planned = partition(hosts)
    assert [one["name"] for one in planned["placements"]["hv2"]] == ["vm1"]
    assert not planned["placements"]["hv1"] and not planned["unplaced"]


def by_hand(name: str, gib: int, namespace: int = 1) -> dict[str, Any]:
    place = {"name": "data", "controller": "HV1-0", "namespace": namespace, "size": f"{gib} GiB", "queue_pairs": 2}
    return {"name": name, "tenant": "blue", "memory_mib": 1024, "vcpus": 1, "disks": [place]}


def test_list_by_hand_needs_no_file_and_is_not_free_for_others() -> None:
    hosts = {
        "hv1": {"vms": [by_hand("vm1", 95)], "found": told("hv1")},
        "hv2": {"vms": [vm("vm2")], "found": told("hv2")},
    }
    planned = partition(hosts)
    assert list(planned["files"]) == ["hv2"]
    assert planned["placements"]["hv1"][0]["disks"][0]["size"] == "95 GiB"
    # Beside one that says nothing of its place there is something to write down for the host.
    hosts["hv1"]["vms"].append(vm("vm3"))
    planned = partition(hosts)
    assert sorted(planned["files"]) == ["hv1", "hv2"]
    assert planned["unplaced"][0]["conflict"] == ["host", "disks"]


def test_list_by_hand_may_change_where_a_plan_may_not() -> None:
    disk = {"name": "data", "controller": "HV1-0", "namespace": "1", "queue_pairs": 2, "first": 0, "bytes": 10 * GIB}
    found = told("hv1", placed=[{"vm": "vm1", "tenant": "blue", "disks": [disk]}])
    found["controllers"][0]["namespaces"].append({"nsid": 2, "bytes": 100 * GIB})
    hosts = {"hv1": {"vms": [by_hand("vm1", 10, namespace=2)], "found": found}, "hv2": {"vms": [vm("vm2")]}}
    planned = partition(hosts)
    assert planned["placements"]["hv1"][0]["disks"][0]["namespace"] == "2"
    assert not planned["refused"]


def test_vm_that_a_host_still_has_is_not_placed_again_beside_a_list_by_hand() -> None:
    disk = {"name": "data", "controller": "HV1-0", "namespace": "1", "queue_pairs": 2, "first": 0, "bytes": 10 * GIB}
    found = told("hv1", placed=[{"vm": "vm2", "tenant": "blue", "disks": [disk]}])
    hosts = {"hv1": {"vms": [by_hand("vm1", 10)], "found": found}, "hv2": {"vms": [vm("vm2")], "found": told("hv2")}}
    planned = partition(hosts)
    assert not planned["placements"]["hv2"]
    assert planned["refused"] == [
        "VM vm2 is pinned to the hosts that list it and is placed on host hv1, where it stays: unpin it, or move it by "
        "hand"
    ]


def test_pin_to_a_namespace_by_its_name_on_the_list_is_written_by_its_identity() -> None:
    found = told("hv1")
    found["controllers"][0]["namespaces"] += [
        {"nsid": nsid, "id": f"eui.{nsid:016x}", "bytes": 20 * GIB, "listed": name}
        for nsid, name in ((2, "Logs"), (3, "data"))
    ]
    pinned = [{"name": "data", "size": "10 GiB", "controller": "HV1-0", "namespace": "Logs"}]
    hosts = fleet(vm("vm1", disks=pinned), hv1=found)
    planned = partition(hosts)
    assert planned["placements"]["hv1"][0]["disks"][0]["namespace"] == "eui.0000000000000002"
    assert partition(applied(hosts, planned))["files"] == planned["files"]
    # A list by hand keeps what it says, and nobody gets what it means.
    place = {**pinned[0], "queue_pairs": 2}
    hosts["hv1"]["vms"] = [{"name": "vm1", "tenant": "blue", "memory_mib": 16, "vcpus": 1, "disks": [place]}]
    hosts["hv2"] = {"vms": [vm("vm2")], "found": told("hv2")}
    planned = partition(hosts)
    assert list(planned["files"]) == ["hv2"] and not planned["refused"]


def test_absent_vm_is_told_to_its_host() -> None:
    hosts = fleet(vm("vm1"))
    hosts = applied(hosts, partition(hosts))
    hosts["hv1"]["vms"] = [vm("vm1", state="absent")]
    entry = partition(hosts)["placements"]["hv1"][0]
    assert (entry["name"], entry["state"], len(entry["disks"])) == ("vm1", "absent", 1)


def test_settings_reserve_and_cordon() -> None:
    hosts = fleet(vm("vm1"))
    hosts["hv1"]["settings"] = {"controllers": {"HV1-0": {"tenant": "green"}}}
    assert partition(hosts)["unplaced"][0]["conflict"] == ["tenant"]
    hosts["hv1"]["settings"] = {"controllers": {"HV1-0": {"namespaces": {1: "new"}}}}
    assert partition(hosts)["unplaced"][0]["vm"] == "vm1"
    hosts["hv1"]["settings"] = {"cores": 2}
    with pytest.raises(AnsibleFilterError, match=r"^The lightiov_resources of host hv1 have the unknown key 'cores': "):
        partition(hosts)


def test_moves_are_listed_when_asked_for() -> None:
    hosts = fleet(vm("vm1"), hv1=told("hv1"), hv2=told("hv2"))
    assert not partition(hosts)["moves"]
    asked = partition(hosts, moves_from=["hv1"])["moves"][0]
    assert [one["sentence"] for one in asked["moves"]] == [
        "Move VM vm1 from host hv1 to host hv2: it is off while 10 GiB of its disks are copied"
    ]
    with pytest.raises(
        AnsibleFilterError, match=r"^No moves are found for VM nobody, which lightiov_vms does not list"
    ):
        partition(hosts, moves_for=["nobody"])


def test_error_is_one_of_templates() -> None:
    with pytest.raises(AnsibleFilterError, match=r"^VM vm1 has no tenant: "):
        partition({"hv1": {"vms": [{"name": "vm1"}]}})


def test_vm_is_bound_to_the_node_of_its_controller() -> None:
    nodes = {node: {"memory_mib": 32768, "vcpus": 32, "cpus": f"{node * 32}-{node * 32 + 31}"} for node in (0, 1)}
    found = told("hv1", nodes=nodes)
    found["controllers"][0]["numa_node"] = 1
    entry = partition(fleet(vm("vm1", numa="required"), hv1=found))["placements"]["hv1"][0]
    assert (entry["numa_node"], entry["numa_cpus"]) == (1, "32-63")
    hosts = fleet(vm("vm1", numa="required"), hv1=found)
    assert partition(applied(hosts, partition(hosts)))["placements"]["hv1"] == [entry]


def test_sizes_are_multiples_of_what_the_namespace_is_given_in() -> None:
    """A host refuses all others; where one cannot be had, the next smaller one is offered."""
    units = 48 << 10
    found = told("hv1")
    for namespace in found["controllers"][0]["namespaces"]:
        namespace["granularity"] = units
    hosts = fleet(vm("vm1"), hv1=found)
    [unplaced] = partition(hosts)["unplaced"]
    assert unplaced["remedy"] == "ask for 10239 MiB for disk data; host hv1 then has the room"
    hosts["hv1"]["vms"][0]["disks"][0]["size"] = "10239 MiB"
    planned = partition(hosts)
    assert not planned["unplaced"]
    hosts = applied(hosts, planned)
    hosts["hv1"]["vms"][0]["disks"][0]["size"] = "11 GiB"
    assert partition(hosts)["refused"] == [
        "Disk data of VM vm1 cannot grow from 10239 MiB to 11 GiB in namespace 1 of controller HV1-0, which is given "
        "in units of 49152 bytes: ask for 11262 MiB"
    ]
    hosts["hv1"]["vms"][0]["disks"][0]["size"] = "11262 MiB"
    assert not partition(hosts)["refused"]
