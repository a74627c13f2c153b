# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the hosts have, read from what lightiov.nvme.host_info found and from their variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._partition import addresses
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.intent import KINDS
from ansible_collections.lightiov.nvme.plugins.module_utils._placement import PAGE

# none; nothing new; nothing at all; only warned about.
CORDONS = ("none", "new", "all", "warn")
UNLIMITED = 1 << 62


@dataclass(frozen=True)
class Namespace:
    """Its name is its identity where it has one, else its number; `listed`: that in lightiov_namespaces."""

    name: str
    bytes: int
    nsid: int = 0
    # Of which sizes of disks are multiples, in bytes.
    granularity: int = PAGE
    cordon: str = "none"
    listed: str = ""

    @property
    def names(self) -> frozenset[str]:
        """What a pin or a placement may say."""
        return frozenset({self.name, str(self.nsid), self.listed} - {""})


@dataclass(frozen=True)
class Controller:
    serial: str
    queue_pairs: int
    namespaces: tuple[Namespace, ...] = ()
    vectors: int = UNLIMITED
    # Bytes of I/O virtual addresses.
    windows: int = UNLIMITED
    numa_node: int = 0
    tenant: str = ""
    kind: str = ""
    cordon: str = "none"


@dataclass(frozen=True)
class Node:
    """A NUMA node."""

    memory: int
    vcpus: int
    cpus: str = ""


@dataclass(frozen=True)
class Host:
    """Memory in MiB, for VMs."""

    name: str
    memory: int
    vcpus: int
    controllers: tuple[Controller, ...] = ()
    nodes: Mapping[int, Node] = field(default_factory=dict)
    groups: frozenset[str] = frozenset()
    cordon: str = "none"
    generation: int = 0
    # Nothing is known of it but what is written down: that stays, and nothing new comes.
    reachable: bool = True
    # That this is so surprises nobody.
    asked: bool = True
    # Of addresses for VMs, those that the host itself has, and those that its network leases to which VM.
    pool: addresses.Pool | None = None
    own_addresses: tuple[str, ...] = ()
    leases: Mapping[str, str] = field(default_factory=dict)


def parse(described: object) -> list[Host]:
    """Hosts by name, each as a mapping."""
    if not isinstance(described, Mapping):
        raise LightiovError(f"The hosts are {described!r}, which is not a mapping: write names of hosts with resources")
    hosts = [_host(str(name), options) for name, options in described.items()]
    owners: dict[str, str] = {}
    for host in hosts:
        for controller in host.controllers:
            if controller.serial in owners:
                raise LightiovError(
                    f"Controllers of host {owners[controller.serial]} and host {host.name} have the same serial number "
                    f"{controller.serial}: correct the host's variables, or leave one of the two out of "
                    "lightiov_controllers"
                )
            owners[controller.serial] = host.name
    return hosts


def _host(name: str, options: object) -> Host:
    where = f"Host {name}"
    if not isinstance(options, Mapping):
        raise LightiovError(f"{where} is {options!r}, which is not a mapping: write its resources with their values")
    nodes = options.get("nodes") or {}
    network = options.get("network") or {}
    return Host(
        name=name,
        memory=_number(options.get("memory_mib"), "memory_mib", where, 0),
        vcpus=_number(options.get("vcpus"), "vcpus", where, 0),
        controllers=tuple(_controller(one, where) for one in _list(options, "controllers", where)),
        nodes={
            int(node): Node(
                _number(of.get("memory_mib"), "memory_mib", f"NUMA node {node} of {where}", 0),
                _number(of.get("vcpus"), "vcpus", f"NUMA node {node} of {where}", 0),
                str(of.get("cpus") or ""),
            )
            for node, of in nodes.items()
        },
        groups=frozenset(map(str, _list(options, "groups", where))),
        cordon=_cordon(options, where),
        generation=_number(options.get("generation"), "generation", where, 0),
        reachable=bool(options.get("reachable", True)),
        asked=bool(options.get("asked", True)),
        pool=addresses.parse(options.get("address_pool"), name),
        own_addresses=tuple(network.get("addresses") or ()),
        leases=network.get("leases") or {},
    )


def _controller(options: Any, host: str) -> Controller:
    serial = str(options.get("serial") or "") if isinstance(options, Mapping) else ""
    if not serial:
        raise LightiovError(f"{host} has a controller without a serial number: bind it to a driver, which tells it")
    where = f"Controller {serial} of {host}"
    kind = str(options.get("kind") or "")
    if kind and kind not in KINDS:
        raise LightiovError(f"{where} cannot be reserved for the kind {kind!r}: choose from {', '.join(KINDS)}")
    return Controller(
        serial=serial,
        queue_pairs=_number(options.get("queue_pairs"), "queue_pairs", where, 0),
        vectors=_number(options.get("vectors"), "vectors", where, UNLIMITED),
        windows=_number(options.get("windows"), "windows", where, UNLIMITED),
        numa_node=_number(options.get("numa_node"), "numa_node", where, 0),
        tenant=str(options.get("reserved_tenant") or ""),
        kind=kind,
        cordon=_cordon(options, where),
        namespaces=tuple(_namespace(one, where) for one in _list(options, "namespaces", where)),
    )


def _namespace(options: Any, controller: str) -> Namespace:
    if not isinstance(options, Mapping):
        raise LightiovError(f"{controller} has the namespace {options!r}, which is not a mapping: write nsid and bytes")
    nsid = _number(options.get("nsid"), "nsid", controller, 0)
    where = f"Namespace {nsid} of {controller}"
    return Namespace(
        name=str(options.get("id") or nsid),
        nsid=nsid,
        bytes=_number(options.get("bytes"), "bytes", where, 0),
        granularity=_number(options.get("granularity"), "granularity", where, PAGE) or PAGE,
        cordon=_cordon(options, where),
        listed=str(options.get("listed") or ""),
    )


def _list(options: Mapping[str, Any], key: str, where: str) -> Sequence[Any]:
    value = options.get(key)
    if value is None:
        return []
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise LightiovError(f"The value of {key} of {where} is {value!r}, which is not a list: write a list")
    return value


def _number(value: object, key: str, where: str, default: int) -> int:
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, (int, str)) or not str(value).isdecimal():
        raise LightiovError(f"{where} cannot have {value!r} as its {key}: write a whole number")
    return int(value)


def _cordon(options: Mapping[str, Any], where: str) -> str:
    value: str | None = options.get("cordon")
    if value is None:
        return "none"
    if value not in CORDONS:
        raise LightiovError(f"{where} cannot have {value!r} as its cordon: choose from {', '.join(CORDONS)}")
    return value
