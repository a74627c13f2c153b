# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._partition import intent, resources
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.fleet import Policy, partition
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.intent import collect, parse
from fleets import accept, host

GIB = 1 << 30
DISK = {"name": "data", "size": "1 GiB"}
GOOD: dict[str, Any] = {"name": "vm1", "tenant": "blue", "disks": [DISK]}


def disk(**options: Any) -> dict[str, Any]:
    return {**GOOD, "disks": [{**DISK, **options}]}


WRONG = {
    "no list": ("vm1", r"The value of lightiov_vms is 'vm1', which is not a list: write a list of VMs"),
    "no mapping": (["vm1"], r"VM 1 of lightiov_vms is 'vm1', which is not a mapping: write name and tenant"),
    "no name": ([{"tenant": "blue"}], r"VM 1 of lightiov_vms has no name: give it one"),
    "name of a bool": (
        [{**GOOD, "name": True}],
        r"VM 1 of lightiov_vms has the name True, which is not text: write it",
    ),
    "name with a blank": ([{**GOOD, "name": "vm 1"}], r"VM vm 1 cannot have this name: use up to 64 ASCII letters"),
    "name in unicode": ([{**GOOD, "name": "größe"}], r"VM größe cannot have this name: use up to 64 ASCII letters"),
    "name too long": ([{**GOOD, "name": "a" * 200}], r"VM a+ cannot have this name: use up to 64"),
    "name twice": ([GOOD, GOOD], r"VM vm1 is listed more than once in lightiov_vms: give each VM a name of its own"),
    "replica twice": (
        [{**GOOD, "name": "vm[1:3]"}, GOOD],
        r"VM vm1 is listed more than once in lightiov_vms: give each VM a name of its own",
    ),
    "range reversed": (
        [{**GOOD, "name": "vm[3:1]"}],
        r"VM vm\[3:1\] cannot have the replicas \[3:1\]: write the smaller",
    ),
    "range uneven": (
        [{**GOOD, "name": "vm[01:100]"}],
        r"VM vm\[01:100\] cannot have the replicas \[01:100\]: .* digits",
    ),
    "range of letters": (
        [{**GOOD, "name": "vm[a:c]"}],
        r"VM vm\[a:c\] cannot have the name 'vm\[a:c\]': write a range",
    ),
    "replicas of one address": (
        [{**GOOD, "name": "vm[1:2]", "address": "10.0.0.1"}],
        r"VM vm\[1:2\] are several replicas, which cannot share one address or mac: leave it out, or let address be",
    ),
    "unknown key": ([{**GOOD, "cores": 2}], r"VM vm1 has the unknown key 'cores': choose from address, apart, "),
    "no tenant": ([{"name": "vm1"}], r"VM vm1 has no tenant: set it to a name that VMs share which trust it"),
    "bad tenant": ([{**GOOD, "tenant": "a b"}], r"VM vm1 cannot have the tenant 'a b': use 1 to 64 letters"),
    "bad kind": ([{**GOOD, "kind": "direct"}], r"VM vm1 cannot have 'direct' as its kind: choose from passthrough, "),
    "kind that no host makes": (
        [{**GOOD, "kind": "mediated"}],
        r"VM vm1 cannot have the kind mediated, which no host makes yet: set it to passthrough$",
    ),
    "bad state": ([{**GOOD, "state": "off"}], r"VM vm1 cannot have 'off' as its state: choose from running, "),
    "bad numa": ([{**GOOD, "numa": "yes"}], r"VM vm1 cannot have 'yes' as its numa: choose from none, preferred"),
    "no vCPUs": ([{**GOOD, "vcpus": 0}], r"VM vm1 cannot have 0 as its vcpus: choose a whole number from 1 to 4,096"),
    "memory is no number": ([{**GOOD, "memory_mib": "4 GiB"}], r"VM vm1 cannot have '4 GiB' as its memory_mib: choose"),
    "memory without unit": ([{**GOOD, "memory": 4}], r"The memory of VM vm1 cannot have the size 4: write a whole num"),
    "memory twice": (
        [{**GOOD, "memory": "1 GiB", "memory_mib": 1024}],
        r"VM vm1 has both memory and memory_mib: keep one of them",
    ),
    "weight": ([{**GOOD, "weight": -1}], r"VM vm1 cannot have -1 as its weight: choose a whole number from 1 to 1,000"),
    "queue pairs": ([{**GOOD, "queue_pairs": 129}], r"VM vm1 cannot have 129 as its queue_pairs: choose .* to 128"),
    "least above wanted": (
        [{**GOOD, "queue_pairs": {"wanted": 2, "least": 4}}],
        r"VM vm1 wants 2 queue pairs and at least 4: write no more as least than as wanted",
    ),
    "key of queue pairs": (
        [{**GOOD, "queue_pairs": {"min": 2}}],
        r"The queue_pairs of VM vm1 have the unknown key 'min': write wanted and least",
    ),
    "disks no list": (
        [{**GOOD, "disks": "data"}],
        r"The value of disks of VM vm1 is 'data', which is not a list: write",
    ),
    "disk no mapping": (
        [{**GOOD, "disks": ["data"]}],
        r"Disk 1 of VM vm1 is 'data', which is not a mapping: write name",
    ),
    "disk without name": ([{**GOOD, "disks": [{"size": "1 GiB"}]}], r"Disk 1 of VM vm1 has no name: give it one"),
    "disk with a blank": (
        [disk(name="my data")],
        r"Disk 1 of VM vm1 cannot have the name 'my data': use ASCII letters, digits and punctuation, no blanks, no "
        r"slashes$",
    ),
    "disk with a slash": ([disk(name="a/b")], r"Disk 1 of VM vm1 cannot have the name 'a/b': use ASCII letters, digi"),
    "disk in unicode": ([disk(name="größe")], r"Disk 1 of VM vm1 cannot have the name 'größe': use ASCII letters, di"),
    "disks of one name on their host": (
        [{**GOOD, "disks": [{**DISK, "name": "a" * 100 + end} for end in "bc"]}],
        r"VM vm1 has disks a{100}b and a{100}c, which a host knows both as a{64}: give each a name of its own in 64 "
        r"letters, digits, dots, underscores and hyphens$",
    ),
    "disk twice": ([{**GOOD, "disks": [DISK, DISK]}], r"VM vm1 has several disks with the name data: give each a name"),
    "disk without size": ([disk(size=None)], r"Disk data of VM vm1 has no size: set it as in 200 GiB, or pin a whole"),
    "size without unit": ([disk(size="200")], r"Disk data of VM vm1 cannot have the size '200': write a whole number"),
    "size in GB": (
        [disk(size="200 GB")],
        r"Disk data of VM vm1 cannot have the size '200 GB', because .* decimal units: say it in MiB, GiB or TiB",
    ),
    "size of nothing": (
        [disk(size="0 GiB")],
        r"Disk data of VM vm1 cannot have the size '0 GiB': write a whole number",
    ),
    "key of a disk": ([disk(lba=1)], r"Disk data of VM vm1 has the unknown key 'lba': choose from controller, "),
    "read_only": (
        [disk(read_only="no")],
        r"Disk data of VM vm1 cannot have 'no' as its read_only: choose true or false",
    ),
    "namespace alone": ([disk(namespace=1)], r"Disk data of VM vm1 has a namespace and no controller: name the contr"),
    "namespace": (
        [disk(controller="C", namespace="x y")],
        r"Disk data of VM vm1 cannot have the namespace 'x y': set it to its number, to eui\. .* lightiov_namespaces",
    ),
    "apart": ([{**GOOD, "apart": "vm2"}], r"VM vm1 cannot be apart by 'vm2': write the VMs as from, and hosts or gr"),
    "apart from nobody": (
        [{**GOOD, "apart": {"from": []}}],
        r"VM vm1 cannot be apart from \[\]: write a list of names",
    ),
    "apart from a stranger": (
        [{**GOOD, "apart": {"from": ["vm2"]}}],
        r"VM vm1 is to be apart from VM vm2, which lightiov_vms does not list: correct the name, or list it",
    ),
}


@pytest.mark.parametrize(("listed", "sentence"), WRONG.values(), ids=WRONG.keys())
def test_wrong_intent_is_one_sentence(listed: object, sentence: str) -> None:
    with pytest.raises(LightiovError, match=f"^{sentence}"):
        parse(listed)


WRONG_HOSTS = {
    "no mapping": ([], r"The hosts are \[\], which is not a mapping: write names of hosts with resources"),
    "host": ({"hv1": None}, r"Host hv1 is None, which is not a mapping: write its resources with their values"),
    "memory": ({"hv1": {"memory_mib": "lots"}}, r"Host hv1 cannot have 'lots' as its memory_mib: write a whole number"),
    "cordon": (
        {"hv1": {"cordon": "yes"}},
        r"Host hv1 cannot have 'yes' as its cordon: choose from none, new, all, warn",
    ),
    "serial": (
        {"hv1": {"controllers": [{}]}},
        r"Host hv1 has a controller without a serial number: bind it to a driver",
    ),
    "kind": (
        {"hv1": {"controllers": [{"serial": "A", "kind": "fast"}]}},
        r"Controller A of Host hv1 cannot be reserved for the kind 'fast': choose from passthrough, mediated",
    ),
    "one serial twice": (
        {"hv1": {"controllers": [{"serial": "A"}]}, "hv2": {"controllers": [{"serial": "A"}]}},
        r"Controllers of host hv1 and host hv2 have the same serial number A: ",
    ),
}


@pytest.mark.parametrize(("described", "sentence"), WRONG_HOSTS.values(), ids=WRONG_HOSTS.keys())
def test_wrong_host_is_one_sentence(described: object, sentence: str) -> None:
    with pytest.raises(LightiovError, match=f"^{sentence}"):
        resources.parse(described)


def test_replicas_share_a_shape() -> None:
    parsed = parse([{**GOOD, "name": "web[01:40]"}])
    assert list(parsed.shapes)[:2] == ["web01", "web02"]
    assert len(parsed.shapes) == 40
    assert len({id(shape) for shape in parsed.shapes.values()}) == 1


def test_form_of_before_is_pins() -> None:
    listed = [{**GOOD, "disks": [{"name": "data", "controller": "C1", "namespace": 1, "queue_pairs": 4}]}]
    shape = parse(listed).shapes["vm1"]
    assert (shape.queue_pairs, shape.least) == (4, 4)
    assert [(one.controller, one.namespace, one.size) for one in shape.disks] == [("C1", "1", 0)]


@pytest.mark.parametrize("name", ["a" * 200, "~!-.", "7"])
def test_name_of_a_disk_that_its_host_takes_is_planned(name: str) -> None:
    hosts = {"hv1": {"vms": [disk(name=name)], "found": {**host("hv1"), "placed": []}}}
    planned = partition(hosts, Policy())
    assert planned["placements"]["hv1"][0]["disks"][0]["name"] == name
    accept(planned["files"]["hv1"])


def test_disks_of_one_name_for_their_hosts_are_told_apart_by_their_controllers() -> None:
    apart = [{**DISK, "name": "a" * 100 + end, "controller": end} for end in "bc"]
    assert len(parse([{**GOOD, "disks": apart}]).shapes["vm1"].disks) == 2


def test_absent_is_not_planned() -> None:
    parsed = parse([{**GOOD, "state": "absent"}])
    assert parsed.absent == {"vm1"}
    assert not parsed.shapes


def test_vm_goes_where_its_list_is_seen() -> None:
    own = {**GOOD, "name": "own"}
    entries, hosts = collect({"hv1": [GOOD, own], "hv2": [GOOD]})
    assert entries == [GOOD, own]
    assert hosts == {"vm1": None, "own": frozenset({"hv1"})}
    assert intent.parse(entries, hosts).shapes["own"].hosts == {"hv1"}


def test_vm_written_in_two_ways_is_refused() -> None:
    other = {**GOOD, "tenant": "green"}
    with pytest.raises(LightiovError, match=r"^VM vm1 is written differently for host hv1 and host hv2: give each VM"):
        collect({"hv2": [other], "hv1": [GOOD]})


def test_root_is_passed_on_as_it_is_meant() -> None:
    """YAML takes the key `on` for true, which would not sort beside text."""
    found = parse([{**GOOD, "root": {True: "lightiov", "disk": "data"}}])
    assert found.options["vm1"]["root"] == {"on": "lightiov", "disk": "data"}
    with pytest.raises(LightiovError, match="The root of VM vm1 cannot have 'nvme' as its on"):
        parse([{**GOOD, "root": {"on": "nvme"}}])
