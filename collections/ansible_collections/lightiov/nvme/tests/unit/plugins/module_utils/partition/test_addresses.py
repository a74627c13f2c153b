# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._partition import addresses
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.fleet import Policy, partition
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.planner import Plan
from fleets import check, fleets, host, placed, plan, vm
from hypothesis import given
from hypothesis import strategies as st

NETWORK = "10.0.0.0/24"
POOL = {"network": NETWORK, "ranges": ["10.0.0.1-10.0.0.6"], "exclude": ["10.0.0.3"]}


def pooled(name: str, **options: Any) -> dict[str, Any]:
    return vm(name, address="pool", **options)


def given_to(result: Plan) -> dict[str, str]:
    return {name: one.address for name, one in placed(result).items()}


def numbers(pool: dict[str, Any]) -> list[str]:
    parsed = addresses.parse(pool, "hv1")
    assert parsed
    return [str(addresses.netaddr.IPAddress(number)) for number in parsed.numbers(0)]


@pytest.mark.parametrize(
    ("pool", "expected"),
    [
        ({"network": "192.0.2.8/29"}, ["192.0.2.10", "192.0.2.11", "192.0.2.12", "192.0.2.13", "192.0.2.14"]),
        (
            {"network": "192.0.2.9/29", "gateway": "192.0.2.14", "exclude": ["192.0.2.8/30"]},
            ["192.0.2.12", "192.0.2.13"],
        ),
        (POOL, ["10.0.0.2", "10.0.0.4", "10.0.0.5", "10.0.0.6"]),
        ({**POOL, "ranges": ["10.0.0.9", "10.0.0.4 - 10.0.0.5"]}, ["10.0.0.4", "10.0.0.5", "10.0.0.9"]),
        ({"network": "192.0.2.8/31"}, ["192.0.2.9"]),
    ],
)
def test_pool_has_neither_the_network_nor_its_host(pool: dict[str, Any], expected: list[str]) -> None:
    assert numbers(pool) == expected


def test_first_free_address_by_name() -> None:
    hosts = {"hv1": host("hv1", address_pool=POOL)}
    vms = [pooled("vm10"), pooled("vm2"), vm("vm3", address="10.0.0.2"), vm("vm4")]
    assert given_to(plan(hosts, vms)) == {"vm2": "10.0.0.4", "vm3": "10.0.0.2", "vm4": "", "vm10": "10.0.0.5"}


def test_replicas_have_one_each_in_order() -> None:
    """They are placed in another one."""
    hosts = {"hv1": host("hv1", pairs=64, address_pool={"network": NETWORK, "ranges": ["10.0.0.8-10.0.0.20"]})}
    told = {"addresses": [], "leases": {"10.0.0.11": "web2"}}
    last = {"web1": 8, "web2": 9, **{f"web{number}": number + 7 for number in range(3, 11)}}
    expected = {name: f"10.0.0.{number}" for name, number in last.items()}
    assert given_to(plan(hosts, [pooled("web[1:10]")])) == expected
    # One that has an address already keeps it, and the others are in order.
    hosts["hv1"]["network"] = told
    result = given_to(plan(hosts, [pooled("web[1:4]")]))
    assert result == {"web1": "10.0.0.8", "web2": "10.0.0.11", "web3": "10.0.0.9", "web4": "10.0.0.10"}


def test_one_that_a_vm_anywhere_has_of_its_own_is_not_given() -> None:
    """It may come to this host later."""
    hosts = {name: host(name, address_pool=POOL) for name in ("hv1", "hv2")}
    vms = [pooled("vm1", host="hv1"), vm("vm2", host="hv2", address="10.0.0.2")]
    assert given_to(plan(hosts, vms)) == {"vm1": "10.0.0.4", "vm2": "10.0.0.2"}


def test_networks_of_two_hosts_have_the_same_addresses_unless_they_are_one() -> None:
    vms = [pooled(f"vm{number}", host=f"hv{number}") for number in (1, 2)]
    private = {f"hv{number}": host(f"hv{number}", address_pool=POOL) for number in (1, 2)}
    assert given_to(plan(private, vms)) == {"vm1": "10.0.0.2", "vm2": "10.0.0.2"}
    routed = {name: {**one, "address_pool": {**POOL, "unique": "fleet"}} for name, one in private.items()}
    assert given_to(plan(routed, vms)) == {"vm1": "10.0.0.2", "vm2": "10.0.0.4"}


def test_two_vms_with_one_address_of_their_own_go_to_two_hosts() -> None:
    hosts = {name: host(name) for name in ("hv1", "hv2")}
    vms = [vm("vm1", address="10.0.0.2"), vm("vm2", address="10.0.0.2"), vm("vm3", address="10.0.0.2")]
    result = plan(hosts, vms)
    assert {name: one.host for name, one in placed(result).items()} == {"vm1": "hv1", "vm3": "hv2"}
    assert str(result.unplaced["vm2"]) == (
        "VM vm2 does not fit (2 hosts, 0 with an address for it), because none is with an address for it: give it "
        "another address than 10.0.0.2, which VM vm1 has there, or none; host hv1 then has the room"
    )


def test_hosts_own_address_is_for_no_vm() -> None:
    result = plan({"hv1": host("hv1", address_pool=POOL)}, [vm("vm1", address="10.0.0.1")])
    assert "another address than 10.0.0.1, which the host itself has there, or none" in str(result.unplaced["vm1"])
    told = {"addresses": ["10.0.0.2"], "leases": {}}
    assert given_to(plan({"hv1": host("hv1", address_pool=POOL, network=told)}, [pooled("vm1")])) == {"vm1": "10.0.0.4"}


def test_host_without_an_address_left_is_passed_over() -> None:
    hosts = {
        "hv1": host("hv1"),
        "hv2": host("hv2", address_pool={"network": "10.0.0.0/30"}),
        "hv3": host("hv3", address_pool=POOL),
    }
    where = {name: one.host for name, one in placed(plan(hosts, [vm("vm1"), pooled("vm2"), pooled("vm3")])).items()}
    assert where == {"vm1": "hv1", "vm2": "hv3", "vm3": "hv2"}


@pytest.mark.parametrize(
    ("pool", "remedy"),
    [
        (
            {**POOL, "ranges": ["10.0.0.2"]},
            "let lightiov_address_pool of host hv1 (10.0.0.2/32) have more than 1 addresses",
        ),
        (None, "give host hv1 a lightiov_address_pool"),
    ],
)
def test_vm_without_an_address_is_explained(pool: dict[str, Any] | None, remedy: str) -> None:
    hosts = {"hv1": host("hv1", address_pool=pool)}
    result = plan(hosts, [pooled("vm1"), pooled("vm2")])
    assert str(result.unplaced["vm2"]) == (
        f"VM vm2 does not fit (1 hosts, 0 with an address for it), because none is with an address for it: {remedy}; "
        "host hv1 then has the room"
    )


def test_placed_vm_gets_one_when_it_wants_it_and_keeps_it_when_the_pool_changes() -> None:
    before = plan({"hv1": host("hv1")}, [vm("vm1"), vm("vm2")])
    hosts = {"hv1": host("hv1", address_pool={**POOL, "ranges": ["10.0.0.5"]})}
    result = plan(hosts, [pooled("vm1"), pooled("vm2")], placed(before).values())
    assert given_to(result) == {"vm1": "10.0.0.5", "vm2": ""}
    assert result.refused == [
        "VM vm2 gets no address on host hv1, which has none for it: let lightiov_address_pool of host hv1 "
        "(10.0.0.5/32) have more than 1 addresses, or give the VM one of its own"
    ]
    hosts = {"hv1": host("hv1", address_pool=POOL)}
    kept = plan(hosts, [pooled("vm1"), pooled("vm2")], placed(result).values())
    assert given_to(kept) == {"vm1": "10.0.0.5", "vm2": "10.0.0.2"}
    excluded = {"hv1": host("hv1", address_pool={**POOL, "exclude": ["10.0.0.5"]})}
    assert given_to(plan(excluded, [pooled("vm1"), vm("vm2")], placed(kept).values())) == {"vm1": "10.0.0.5", "vm2": ""}


def test_vms_exchange_their_own_addresses() -> None:
    hosts = {"hv1": host("hv1")}
    first = plan(hosts, [vm("vm1", address="10.0.0.2"), vm("vm2", address="10.0.0.4")])
    result = plan(hosts, [vm("vm1", address="10.0.0.4"), vm("vm2", address="10.0.0.2")], placed(first).values())
    assert given_to(result) == {"vm1": "10.0.0.4", "vm2": "10.0.0.2"}
    assert not result.refused


def test_an_own_address_that_the_pool_gave_to_another_is_told() -> None:
    hosts = {"hv1": host("hv1", address_pool=POOL)}
    first = plan(hosts, [pooled("vm1"), vm("vm2")])
    result = plan(hosts, [pooled("vm1"), vm("vm2", address="10.0.0.2")], placed(first).values())
    assert result.refused == [
        "VM vm2 has the address 10.0.0.2 on host hv1, which VM vm1 has: give one of them another in lightiov_vms, or "
        "remove the address that a plan gave from the host's placements"
    ]


def test_vm_that_leaves_has_its_address_until_it_is_gone() -> None:
    hosts = {"hv1": host("hv1", address_pool=POOL)}
    first = plan(hosts, [pooled("vm1"), pooled("vm2")])
    assert given_to(first) == {"vm1": "10.0.0.2", "vm2": "10.0.0.4"}
    # Its file does not list it after this plan, but its host leases to it what it had, until that is taken away.
    leaving = plan(hosts, [pooled("vm2"), pooled("vm3")], placed(first).values())
    assert given_to(leaving) == {"vm2": "10.0.0.4", "vm3": "10.0.0.5"}
    told = {"addresses": ["10.0.0.1"], "leases": {"10.0.0.2": "vm1", "10.0.0.4": "vm2", "10.0.0.5": "vm3"}}
    leased = {"hv1": {**hosts["hv1"], "network": told}}
    vms = [pooled("vm2"), pooled("vm3"), pooled("vm4")]
    assert given_to(plan(leased, vms, placed(leaving).values()))["vm4"] == "10.0.0.6"
    assert given_to(plan(hosts, vms, placed(leaving).values()))["vm4"] == "10.0.0.2"


def test_vm_whose_file_is_lost_has_what_its_host_leases_to_it() -> None:
    told = {"addresses": [], "leases": {"10.0.0.5": "vm1", "10.0.0.99": "vm2"}}
    hosts = {"hv1": host("hv1", address_pool=POOL, network=told)}
    assert given_to(plan(hosts, [pooled("vm1"), pooled("vm2")])) == {"vm1": "10.0.0.5", "vm2": "10.0.0.2"}


Fleet = tuple[dict[str, Any], list[dict[str, Any]]]


def usable(spec: dict[str, Any]) -> list[str]:
    return numbers(spec["address_pool"]) if spec.get("address_pool") else []


@given(fleets(), st.sampled_from(["pack", "spread"]), st.sampled_from(["host", "fleet"]))
def test_addresses_are_of_the_pool_and_nobody_elses(fleet: Fleet, strategy: str, unique: str) -> None:
    hosts, vms = fleet
    for one in hosts.values():
        if one.get("address_pool"):
            one["address_pool"]["unique"] = unique
    result = plan(hosts, vms, strategy=strategy)
    check(hosts, result)
    wanted = {one["name"]: one["address"] for one in vms}
    own = set(wanted.values())
    gave: list[str] = []
    for name, got in placed(result).items():
        if wanted[name] == "pool":
            assert got.address in usable(hosts[got.host])
            assert got.address not in own
            gave.append(got.address)
        else:
            assert got.address == (wanted[name] or "")
        assert not got.address or got.address != (hosts[got.host].get("address_pool") and "10.0.0.1")
    assert unique == "host" or len(set(gave)) == len(gave)


@given(fleets(), st.data())
def test_addresses_stay_whoever_joins_or_leaves(fleet: Fleet, data: st.DataObject) -> None:
    hosts, vms = fleet
    for one in vms:
        one.pop("apart", None)
    names = [one["name"] for one in vms]
    early = data.draw(st.sets(st.sampled_from(names)))
    leaving = data.draw(st.sets(st.sampled_from(names)))
    first = plan(hosts, [one for one in vms if one["name"] in early])
    second = plan(hosts, [one for one in vms if one["name"] not in leaving], placed(first).values())
    before, after = given_to(first), given_to(second)
    assert all(after[name] == address for name, address in before.items() if name not in leaving)
    # What those that leave had is for nobody who comes in the same run.
    gone = {(one.host, one.address) for name, one in placed(first).items() if name in leaving and one.address}
    come = [one for name, one in placed(second).items() if name not in before]
    wishes = {one["name"]: one["address"] for one in vms}
    assert not [one for one in come if wishes[one.vm] == "pool" and (one.host, one.address) in gone]


def test_address_is_written_and_read_again() -> None:
    hosts = {"hv1": {"vms": [pooled("vm1", mac="02:00:00:00:00:01")], "found": host("hv1"), "address_pool": POOL}}
    first = partition(hosts, Policy())
    entry = first["placements"]["hv1"][0]
    assert list(entry)[:4] == ["name", "tenant", "address", "mac"]
    assert entry["address"] == "10.0.0.2"
    hosts["hv1"].update(placements={"lightiov_vms": [{**entry, "address": "10.0.0.6"}]})
    assert partition(hosts, Policy())["placements"]["hv1"] == [{**entry, "address": "10.0.0.6"}]
    # Who takes it out of the file has another given.
    hosts["hv1"].update(placements={"lightiov_vms": [{key: entry[key] for key in entry if key != "address"}]})
    assert partition(hosts, Policy())["placements"]["hv1"] == [entry]
    hosts["hv1"]["vms"] = [vm("vm1")]
    assert "address" not in partition(hosts, Policy())["placements"]["hv1"][0]


def test_pool_that_is_of_another_network_than_the_hosts_is_told() -> None:
    found = {**host("hv1"), "network": {"addresses": ["192.168.122.1"], "leases": {}}}
    hosts = {"hv1": {"vms": [], "found": found, "address_pool": POOL}}
    assert partition(hosts, Policy())["cautions"] == [
        "The lightiov_address_pool of host hv1 has the gateway 10.0.0.1, and in its VMs' network the host is "
        "192.168.122.1: correct the pool's network or gateway, or lightiov_vm_network"
    ]


def test_pools_need_netaddr_and_nothing_else_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "netaddr", None)
    assert given_to(plan({"hv1": host("hv1")}, [vm("vm1", address="10.0.0.2")])) == {"vm1": "10.0.0.2"}
    with pytest.raises(LightiovError, match="without the Python library netaddr: install it where Ansible runs"):
        plan({"hv1": host("hv1", address_pool=POOL)}, [])
