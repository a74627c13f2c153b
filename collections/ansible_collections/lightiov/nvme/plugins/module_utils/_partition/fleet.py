# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet as playbooks know it, planned: lists of VMs, what hosts told, their variables, their files of placements."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cache
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._partition import (
    difference,
    files,
    intent,
    resources,
    settings,
    wish,
)
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.moves import moves_for, moves_from
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.names import few, natural
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.placement import Placement
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.planner import STRATEGIES, Planner
from ansible_collections.lightiov.nvme.plugins.module_utils._size import show_size


@dataclass(frozen=True)
class Policy:
    strategy: str = "pack"
    reserve: int = 0
    moves_for: Sequence[str] = ()
    moves_from: Sequence[str] = ()
    # Of VMs that say nothing else.
    memory_mib: int = intent.DEFAULT_MEMORY_MIB
    vcpus: int = intent.DEFAULT_VCPUS

    def __post_init__(self) -> None:
        if self.strategy not in STRATEGIES:
            raise LightiovError(
                f"The fleet cannot be planned with {self.strategy!r} as strategy: choose from {', '.join(STRATEGIES)}"
            )
        if self.reserve < 0:
            raise LightiovError(
                f"The fleet cannot be planned with {self.reserve} hosts as reserve: write how many are to stay empty"
            )


def partition(hosts: Mapping[str, Mapping[str, Any]], policy: Policy) -> dict[str, Any]:
    """Each host has `vms`, `found` (lightiov.nvme.host_info, or none), `asked`, `settings`, `address_pool`, `groups`,
    `placements`.

    Of a host that has told what is placed on it, but not what it has for more, `placed` is that alone.
    """
    for name, one in hosts.items():
        _check_file(name, one.get("placements"))
    lists = {name: one.get("vms") or [] for name, one in hosts.items()}
    entries, seen_by = intent.collect(lists)
    wanted = intent.parse(entries, seen_by, policy.memory_mib, policy.vcpus)
    described = resources.parse({name: settings.described(name, one) for name, one in hosts.items()})
    cautions = [told for name in sorted(hosts, key=natural) for told in settings.strangers(name, hosts[name])]
    cautions += _unknown_domains(wanted, described)
    cautions += _foreign_pools(described)
    # Their lists are their placements, for people to change.
    by_hand = {name for name in wish.written_by_hand(lists, seen_by) if not hosts[name].get("placements")}
    present = _present(hosts, by_hand, policy)
    differing = _Differing.find(hosts, by_hand, described, present, wanted)
    planner = Planner(described, wanted, present, policy.strategy, policy.reserve)
    hidden = _hidden(hosts, by_hand, wanted, {one.vm for one in present})
    planner.lost |= hidden.keys()
    plan = planner.run()
    spec = {one.name: one for one in described}
    unplaced = [
        {
            "vm": name,
            "sentence": str(told),
            "funnel": [{"wish": wish or "hosts", "hosts": left} for wish, left in told.funnel],
            "conflict": list(told.conflict),
            "remedy": told.remedy.sentence,
        }
        for name, told in plan.unplaced.items()
    ]
    unplaced += hidden.values()
    leaving = _absent(hosts, entries, wanted.absent, seen_by)
    placements = {
        name: leaving.get(name, []) + [_entry(one, wanted, spec[name], hosts[name]) for one in of.values()]
        for name, of in plan.placements.items()
    }
    return {
        "placements": placements,
        "files": {
            name: files.text(name, _generation(hosts[name], vms), vms)
            for name, vms in placements.items()
            if spec[name].reachable and name not in by_hand
        },
        "unplaced": unplaced,
        "refused": [*differing.refused, *plan.refused],
        "cautions": [*cautions, *differing.cautions, *plan.warnings],
        "leaving": plan.leaving,
        "moves": _moves(planner, policy),
    }


def _hidden(
    hosts: Mapping[str, Mapping[str, Any]], by_hand: Container[str], wanted: intent.Intent, present: Collection[str]
) -> dict[str, dict[str, Any]]:
    """VMs that may be on a host of which nothing is known. Placed elsewhere, they would be there twice."""
    # Where nobody has anything, a host that does not answer has neither.
    new = not present and not any(one.get("placements") for one in hosts.values())
    unknown = [
        name
        for name in sorted(hosts, key=natural)
        if name not in by_hand
        and not hosts[name].get("found")
        and hosts[name].get("placed") is None
        and not hosts[name].get("placements")
        and not (new and hosts[name].get("asked", True))
    ]

    @cache  # the hosts of a list are those of each of its VMs
    def unknown_of(among: frozenset[str] | None) -> list[str]:
        return [name for name in unknown if among is None or name in among]

    found = {}
    for vm, shape in wanted.shapes.items():
        where = unknown_of(frozenset({shape.host}) if shape.host else shape.hosts)
        if not where or vm in present:
            continue
        remedy = (
            f"have {where[0]} asked, without --limit, or write in its file that it has none, as lightiov_vms: []"
            if len(where) == 1
            else "have them asked, without --limit, or write in the file of each that it has none, as lightiov_vms: []"
        )
        found[vm] = {
            "vm": vm,
            "sentence": f"VM {vm} is not placed, because it may be on {few(where)}, of which there is neither an "
            f"answer nor a file of placements: {remedy}",
            "funnel": [],
            "conflict": [],
            "remedy": remedy,
        }
    return found


def _absent(
    hosts: Mapping[str, Mapping[str, Any]],
    entries: Iterable[Any],
    absent: Set[str],
    seen_by: Mapping[str, frozenset[str] | None],
) -> dict[str, list[dict[str, Any]]]:
    """VMs that are to go, on the host that has them, with their disks: it has to be told that they go."""
    own = {str(one["name"]): one for one in entries}
    there: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
    for name in sorted(hosts, key=natural):
        written, told = _written(hosts[name]), _told(hosts[name])
        for vm in absent & {*written, *told}:
            entry = written[vm] if vm in written else _recovered(told[vm])
            there.setdefault(vm, []).append((name, entry))
    found: dict[str, list[dict[str, Any]]] = {}
    for vm in sorted(absent, key=natural):
        listed = seen_by.get(vm)
        only = listed if listed and len(listed) == 1 else ()
        for name, entry in there.get(vm) or [(name, own[vm]) for name in only]:
            found.setdefault(name, []).append({**entry, "state": "absent"})
    return found


def _written(host: Mapping[str, Any]) -> dict[str, Any]:
    """The VMs of the host's file, or if that is lost, of what the host has kept of it."""
    file = host.get("placements")
    listed = file.get("lightiov_vms") if file else (host.get("found") or {}).get("placements")
    return {str(one["name"]): one for one in listed or []}


def _told(host: Mapping[str, Any]) -> dict[str, Any]:
    placed = host.get("placed")
    if placed is None:
        placed = (host.get("found") or {}).get("placed")
    return {str(one["vm"]): one for one in placed or []}


def _entry(
    placement: Placement, wanted: intent.Intent, spec: resources.Host, host: Mapping[str, Any]
) -> dict[str, Any]:
    entry = placement.to_vm(wanted.options[placement.vm])
    if placement.node is not None:
        # A host that does not answer tells no nodes.
        node = spec.nodes.get(placement.node)
        entry["numa_cpus"] = node.cpus if node else _written(host).get(placement.vm, {}).get("numa_cpus")
    return entry


def _generation(host: Mapping[str, Any], vms: Sequence[Mapping[str, Any]]) -> int:
    """That of the host; of a file that says the same, and is the one that was applied last, still its own."""
    was = host.get("placements") or {}
    found = host.get("found") or {}
    same = was.get("lightiov_vms") == vms and "lightiov_generation" in was
    if same and (not found or found.get("digest") == files.digest(vms)):
        return int(was["lightiov_generation"])
    return int(found.get("generation") or 0)


def _present(hosts: Mapping[str, Mapping[str, Any]], by_hand: Container[str], policy: Policy) -> list[Placement]:
    """Files, lists by hand, and hosts where there is none."""
    present = []
    placed = {
        vm
        for name, host in hosts.items()
        if name not in by_hand
        for vm, entry in _written(host).items()
        if entry.get("state") != "absent"
    }
    for name in sorted(hosts, key=natural):
        host = hosts[name]
        told = _told(host)
        written = {str(one["name"]): one for one in host["vms"]} if name in by_hand else _written(host)
        places = {
            (vm, disk["name"]): disk["first"]
            for vm, one in told.items()
            for disk in one["disks"]
            if disk.get("first") is not None
        }
        for entry in written.values():
            if entry.get("state") == "absent":
                continue
            present.append(_placement(name, entry, places, policy))
        # What was removed from a file is found again, unless the file of another host has it.
        found = told.keys() - written.keys() - (placed if host.get("placements") else set())
        present += [Placement.from_vm(name, _recovered(told[vm]), places) for vm in told if vm in found]
    return present


@dataclass(frozen=True)
class _Differing:
    """Where files and hosts differ: what only people can settle, and what the next deployment settles."""

    refused: list[str]
    cautions: list[str]

    @classmethod
    def find(
        cls,
        hosts: Mapping[str, Mapping[str, Any]],
        by_hand: Container[str],
        described: Iterable[resources.Host],
        present: Iterable[Placement],
        wanted: intent.Intent,
    ) -> _Differing:
        found = cls([], [])
        of: dict[str, list[Placement]] = {}
        for one in present:
            of.setdefault(one.host, []).append(one)
        for spec in sorted(described, key=lambda one: natural(one.name)):
            # A list by hand may say that a disk is another from now on.
            if spec.name in by_hand:
                continue
            host = hosts[spec.name]
            told, listed = _told(host), _written(host)
            written = [one for one in of.get(spec.name, ()) if one.vm in listed]
            found.refused.extend(difference.contradictions(spec, written, told))
            if _is_accepted(host):
                # Of what the host has: a set of all that is known, for each host, would be work for each pair.
                known = {vm for vm in told if vm in listed or vm in wanted.options}
                found.cautions.extend(difference.unapplied(spec, written, told, known))
        return found


def _is_accepted(host: Mapping[str, Any]) -> bool:
    """Whether the host has accepted what is written. A file that it has not is yet to be applied."""
    found, file = host.get("found") or {}, host.get("placements")
    if not file:
        return found.get("placements") is not None
    return bool(found.get("digest")) and found["digest"] == files.digest(file.get("lightiov_vms") or [])


def _placement(host: str, entry: Mapping[str, Any], places: Mapping[tuple[str, str], int], policy: Policy) -> Placement:
    try:
        return Placement.from_vm(host, entry, places, policy.memory_mib, policy.vcpus)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise LightiovError(
            f"VM {entry['name']} is not written as the plan writes it in the placements of host {host}: correct the "
            "file, or take that of before from version control"
        ) from None


def _check_file(host: str, content: object) -> None:
    """Whether it has VMs with names: what else it says of each is seen to where it is read."""
    listed = content.get("lightiov_vms") if isinstance(content, Mapping) else content
    if listed is None:
        return
    if not isinstance(listed, Sequence) or not all(isinstance(one, Mapping) and one.get("name") for one in listed):
        raise LightiovError(
            f"The placements of host {host} are not a list of VMs with names as lightiov_vms: correct the file, or "
            "take that of before from version control"
        )


def _unknown_domains(wanted: intent.Intent, hosts: Iterable[resources.Host]) -> Iterable[str]:
    """A failure domain that no host is in keeps nothing apart."""
    groups = {group for host in hosts for group in host.groups}
    told: set[str] = set()
    for name in sorted(wanted.shapes, key=natural):
        for rule in wanted.shapes[name].apart:
            for group in sorted(set(rule.domains) - groups - told):
                told.add(group)
                yield (
                    f"VM {name} is to be apart over group {group}, in which no host of lightiov_hosts is: correct the "
                    "group's name, or put hosts into it"
                )


def _foreign_pools(hosts: Iterable[resources.Host]) -> Iterable[str]:
    """A pool of another network gives addresses that nobody leases."""
    for host in hosts:
        if host.pool and host.own_addresses and host.pool.gateway not in host.own_addresses:
            yield (
                f"The lightiov_address_pool of host {host.name} has the gateway {host.pool.gateway}, and in its VMs' "
                f"network the host is {' and '.join(host.own_addresses)}: correct the pool's network or gateway, or "
                "lightiov_vm_network"
            )


def _recovered(told: Mapping[str, Any]) -> dict[str, Any]:
    """The entry of a VM whose file is lost, from what its host keeps of it."""
    return {
        "name": told["vm"],
        "tenant": told["tenant"],
        "disks": [
            {
                "name": disk["name"],
                "controller": disk["controller"],
                "namespace": disk["namespace"],
                "queue_pairs": disk["queue_pairs"],
                **({"size": show_size(disk["bytes"])} if disk.get("bytes") else {}),
                **({"read_only": True} if disk.get("read_only") else {}),
            }
            for disk in told["disks"]
        ],
    }


def _moves(planner: Planner, policy: Policy) -> list[dict[str, Any]]:
    asked = []
    for vm in policy.moves_for:
        if vm not in planner.intent.shapes:
            raise LightiovError(f"No moves are found for VM {vm}, which lightiov_vms does not list: correct the name")
        asked.append((f"for VM {vm} to fit", moves_for(planner, vm)))
    for host in policy.moves_from:
        if host not in planner.ledger.by_name:
            raise LightiovError(f"Host {host} cannot be emptied, for it is not in lightiov_hosts: correct the name")
        asked.append((f"for host {host} to be empty", moves_from(planner, host)))
    return [
        {
            "purpose": purpose,
            "possible": moves is not None,
            "moves": [
                {"vm": one.vm, "from": one.source, "to": one.target.host, "bytes": one.bytes, "sentence": str(one)}
                for one in moves or []
            ],
        }
        for purpose, moves in asked
    ]
