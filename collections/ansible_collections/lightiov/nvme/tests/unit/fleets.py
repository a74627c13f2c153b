# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fleets for tests of the planner, and what must hold of every plan."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import yaml
from ansible_collections.lightiov.nvme.plugins.module_utils import _vms
from ansible_collections.lightiov.nvme.plugins.module_utils._mdev import Wanted
from ansible_collections.lightiov.nvme.plugins.module_utils._partition import intent, planner, resources
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.explain import Explanation
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.placement import Placement
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.window import window
from hypothesis import strategies as st

MIB = 1 << 20
GIB = 1 << 30


def host(name: str, controllers: int = 2, pairs: int = 8, gib: int = 100, **options: Any) -> dict[str, Any]:
    serials = [f"{name}-{number}".upper() for number in range(controllers)]
    listed = [
        {"serial": serial, "queue_pairs": pairs, "namespaces": [{"nsid": 1, "bytes": gib * GIB}]} for serial in serials
    ]
    return {"memory_mib": 65536, "vcpus": 64, "controllers": listed, **options}


def vm(name: str, tenant: str = "blue", gib: int = 10, pairs: Any = 2, **options: Any) -> dict[str, Any]:
    disks = [{"name": "data", "size": f"{gib} GiB"}]
    return {
        "name": name,
        "tenant": tenant,
        "queue_pairs": pairs,
        "memory_mib": 1024,
        "vcpus": 1,
        "disks": disks,
        **options,
    }


def wanted(vms: Sequence[Mapping[str, Any]]) -> intent.Intent:
    """The intent, with the kinds that the planner knows and that no operator can have yet."""
    parsed = intent.parse([{key: one[key] for key in one if key != "kind"} for one in vms])
    kinds = {one["name"]: one["kind"] for one in vms if one.get("kind")}
    known: dict[intent.Shape, intent.Shape] = {}
    shapes = {name: replace(shape, kind=kinds.get(name, shape.kind)) for name, shape in parsed.shapes.items()}
    return replace(parsed, shapes={name: known.setdefault(shape, shape) for name, shape in shapes.items()})


def plan(
    hosts: Mapping[str, Any],
    vms: Iterable[Mapping[str, Any]],
    present: Iterable[Placement] = (),
    strategy: str = "pack",
    reserve: int = 0,
) -> planner.Plan:
    return planner.plan(resources.parse(hosts), wanted(list(vms)), present, strategy, reserve)


def placed(result: planner.Plan) -> dict[str, Placement]:
    return {name: one for of in result.placements.values() for name, one in of.items()}


def described(hosts: dict[str, Any], vms: Sequence[Any]) -> dict[str, Any]:
    """As playbooks have a fleet."""
    of_variables = ("groups", "address_pool")
    return {
        name: {"vms": vms, "found": one, **{key: one[key] for key in of_variables if key in one}}
        for name, one in hosts.items()
    }


def accept(text: str) -> None:
    """What reads the list of a host, and what makes its mdevs."""
    for mdev in _vms.vm_mdevs(yaml.safe_load(text)["lightiov_vms"]):
        Wanted.parse({**mdev, "type": "lightiov-passthrough"})


def check(hosts: Mapping[str, Any], result: planner.Plan) -> None:
    """No resource over its limit, no overlap, one tenant on a controller."""
    everything = [one for of in result.placements.values() for one in of.values()]
    assert len({one.vm for one in everything}) == len(everything)
    for name, spec in {one.name: one for one in resources.parse(hosts)}.items():
        here = list(result.placements[name].values())
        addresses = [one.address for one in here if one.address]
        assert len(set(addresses)) == len(addresses)
        assert sum(one.memory for one in here) <= spec.memory
        assert sum(one.vcpus for one in here) <= spec.vcpus
        for number, node in spec.nodes.items():
            assert sum(one.memory for one in here if one.node == number) <= node.memory
            assert sum(one.vcpus for one in here if one.node == number) <= node.vcpus
        for controller in spec.controllers:
            mdevs = [
                (one, dict(one.queue_pairs)[controller.serial])
                for one in here
                if controller.serial in dict(one.queue_pairs)
            ]
            assert sum(pairs for _one, pairs in mdevs) <= min(controller.queue_pairs, controller.vectors)
            assert sum(window(one.memory) for one, _pairs in mdevs) <= controller.windows
            tenants = {one.tenant for one, _pairs in mdevs}
            kinds = {one.kind for one, _pairs in mdevs}
            assert len(kinds) <= 1
            assert len(tenants) <= 1 or kinds == {"mediated"}
            assert not controller.tenant or tenants <= {controller.tenant}
            assert not controller.kind or kinds <= {controller.kind}
            for namespace in controller.namespaces:
                # Those who only read all of it are as one.
                parts = sorted(
                    {
                        (
                            part.first,
                            part.first + (part.size or namespace.bytes),
                            "" if part.read_only and not part.size else f"{one.vm}/{part.name}",
                        )
                        for one in here
                        for part in one.slices
                        if (part.controller, part.namespace) == (controller.serial, namespace.name)
                        and part.first is not None
                    }
                )
                assert all(end <= after[0] for (_first, end, _who), after in zip(parts, parts[1:]))
                assert all(end <= namespace.bytes for _first, end, _who in parts)
            extents = Counter(one.vm for one in here for part in one.slices if part.controller == controller.serial)
            assert all(count <= 32 for count in extents.values())


def remedied(
    hosts: Mapping[str, Any], vms: Iterable[Mapping[str, Any]], told: Explanation
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Hosts and VMs after the operator has done what the remedy says."""
    remedy = told.remedy
    changed_hosts = {name: dict(options) for name, options in hosts.items()}
    for name, options in changed_hosts.items():
        if name == remedy.uncordon:
            options["cordon"] = "none"
        if name == remedy.more_addresses:
            options["address_pool"] = {"network": "10.0.0.0/24"}
        options["controllers"] = [
            {**one, "cordon": "none"} if one["serial"] == remedy.uncordon else one for one in options["controllers"]
        ]
    if remedy.add_host:
        added = dict(remedy.add_host)
        count, pairs, size = added.pop("controllers"), added.pop("queue_pairs"), added.pop("bytes")
        serials = [f"NEW-{number}" for number in range(count)]
        if added.pop("address_pool", False):
            added["address_pool"] = {"network": "10.9.9.0/24"}
        added["controllers"] = [
            {"serial": serial, "queue_pairs": pairs, "namespaces": [{"nsid": 1, "bytes": size}]} for serial in serials
        ]
        changed_hosts["new"] = added
    changed_vms = []
    for one in vms:
        changed = dict(one)
        if one["name"] == told.vm:
            changed.update(remedy.vm)
            if "controller" in changed:
                del changed["controller"]
                pins = ("controller", "namespace")
                changed["disks"] = [
                    {key: value for key, value in disk.items() if key not in pins} for disk in changed["disks"]
                ]
        changed_vms.append(changed)
    return changed_hosts, changed_vms


@st.composite
def fleets(draw: st.DrawFn) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Small fleets in which something runs out."""
    hosts: dict[str, Any] = {}
    for number in range(draw(st.integers(1, 4))):
        name = f"hv{number}"
        one = host(
            name,
            controllers=draw(st.integers(1, 3)),
            pairs=draw(st.integers(1, 8)),
            gib=draw(st.integers(1, 40)),
            memory_mib=draw(st.sampled_from([2048, 4096, 8192])),
            vcpus=draw(st.integers(2, 8)),
            groups=[draw(st.sampled_from(["rack_a", "rack_b"]))],
            cordon=draw(st.sampled_from(["none", "none", "none", "new", "warn"])),
        )
        for controller in one["controllers"]:
            controller["vectors"] = draw(st.integers(1, 8))
            controller["windows"] = draw(st.integers(1, 6)) * GIB
            controller["numa_node"] = draw(st.integers(0, 1))
            controller["reserved_tenant"] = draw(st.sampled_from(["", "", "", "blue"]))
            controller["kind"] = draw(st.sampled_from(["", "", "", "mediated"]))
        pool = draw(st.sampled_from([None, None, "10.0.0.2-10.0.0.3", "10.0.0.2-10.0.0.6"]))
        if pool:
            one["address_pool"] = {"network": "10.0.0.0/24", "ranges": [pool]}
        if draw(st.booleans()):
            half = {"memory_mib": one["memory_mib"] // 2, "vcpus": one["vcpus"] // 2}
            one["nodes"] = {0: half, 1: half}
        hosts[name] = one
    vms = []
    count = draw(st.integers(1, 10))
    for number in range(count):
        least = draw(st.integers(1, 3))
        others = [f"vm{other}" for other in range(count) if other != number]
        options: dict[str, Any] = {
            "memory_mib": draw(st.sampled_from([512, 1024, 2048])),
            "vcpus": draw(st.integers(1, 3)),
            "kind": draw(st.sampled_from(["passthrough", "passthrough", "mediated"])),
            "numa": draw(st.sampled_from(["none", "none", "preferred", "required"])),
            "weight": draw(st.integers(1, 4)),
            "disks_apart": draw(st.sampled_from([False, False, True])),
            "address": draw(st.sampled_from([None, None, "pool", "10.0.0.1", "10.0.0.2", "10.0.0.4"])),
            "disks": [
                {"name": f"d{disk}", "size": f"{draw(st.integers(1, 15))} GiB"}
                for disk in range(draw(st.integers(0, 3)))
            ],
        }
        if others and draw(st.integers(0, 3)) == 0:
            over = draw(st.sampled_from(["hosts", ["rack_a", "rack_b"]]))
            options["apart"] = {"from": draw(st.sampled_from(others)), "over": over}
        pin = draw(st.integers(0, 9))
        if pin == 0:
            options["host"] = draw(st.sampled_from([*hosts, "elsewhere"]))
        elif pin == 1:
            options["group"] = draw(st.sampled_from(["rack_a", "rack_b"]))
        elif pin == 2:
            owner = draw(st.sampled_from(sorted(hosts)))
            options["disks"] = [{**disk, "controller": f"{owner}-0".upper()} for disk in options["disks"]]
        pairs = {"wanted": least + draw(st.integers(0, 3)), "least": least}
        vms.append(vm(f"vm{number}", draw(st.sampled_from(["blue", "green"])), pairs=pairs, **options))
    return hosts, vms


def by_domain(hosts: Mapping[str, Any], result: planner.Plan, over: Any) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for name, of in result.placements.items():
        groups = [group for group in (over if over != "hosts" else []) if group in hosts[name].get("groups", ())]
        for domain in groups or [name]:
            found[domain] |= of.keys()
    return found
