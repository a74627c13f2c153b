# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What VMs the operator wants, read from lightiov_vms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils import _vms
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._mdev import (
    MAX_NAME,
    MAX_QUEUE_PAIRS,
    check_tenant,
    driver_name,
    namespace_name,
)
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.addresses import POOL
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.names import natural, replicas
from ansible_collections.lightiov.nvme.plugins.module_utils._size import parse_size

PLANNED_KEYS = frozenset({"queue_pairs", "kind", "host", "group", "apart", "disks_apart", "numa", "weight", "memory"})
DISK_KEYS = _vms.DISK_KEYS | {"size", "read_only"}
# What a controller can be reserved for; of these, what hosts can make.
KINDS = ("passthrough", "mediated")
MADE = KINDS[0]
NUMA = ("none", "preferred", "required")
# The host module's limit of one mdev.
MAX_EXTENTS = 32
MAX_WEIGHT = 1000
DEFAULT_MEMORY_MIB = 512
DEFAULT_VCPUS = 2


@dataclass(frozen=True)
class Disk:
    """Size 0: a whole namespace. Controller and namespace are empty unless pinned."""

    name: str
    size: int
    controller: str = ""
    namespace: str = ""
    read_only: bool = False


@dataclass(frozen=True)
class Apart:
    """Not in one failure domain with any of these VMs; a domain is a host, or one of these groups."""

    vms: frozenset[str]
    domains: tuple[str, ...] = ()


@dataclass(frozen=True)
class Shape:
    """All that a VM wants, but for its name: replicas share one, and are planned as one."""

    tenant: str
    kind: str
    memory: int
    vcpus: int
    disks: tuple[Disk, ...]
    queue_pairs: int
    least: int
    weight: int = 1
    host: str = ""
    group: str = ""
    # The hosts whose variables list the VM; None: all.
    hosts: frozenset[str] | None = None
    apart: tuple[Apart, ...] = ()
    disks_apart: bool = False
    numa: str = "none"
    # Its own, or POOL.
    address: str = ""

    @property
    def bytes(self) -> int:
        return sum(disk.size for disk in self.disks)


@dataclass(frozen=True)
class Intent:
    """The VMs by name, and what of them does not concern the plan but goes into their placements."""

    shapes: Mapping[str, Shape]
    options: Mapping[str, Mapping[str, Any]]
    absent: frozenset[str] = frozenset()


def parse(
    listed: object,
    hosts: Mapping[str, frozenset[str] | None] | None = None,
    memory_mib: int = DEFAULT_MEMORY_MIB,
    vcpus: int = DEFAULT_VCPUS,
) -> Intent:
    """`hosts` are those that list a name, unless all do."""
    if not isinstance(listed, Sequence) or isinstance(listed, str):
        raise LightiovError(f"The value of lightiov_vms is {listed!r}, which is not a list: write a list of VMs")
    shapes: dict[str, Shape] = {}
    options: dict[str, Mapping[str, Any]] = {}
    absent = set()
    # Equal shapes are one object, so that the planner may go by identity.
    known: dict[Shape, Shape] = {}
    for number, entry in enumerate(listed, 1):
        names, shape, passed = _vm(entry, number, memory_mib, vcpus, hosts or {})
        shape = known.setdefault(shape, shape)
        for name in names:
            if name in options:
                raise LightiovError(
                    f"VM {name} is listed more than once in lightiov_vms: give each VM a name of its own"
                )
            options[name] = passed
            if passed.get("state") == "absent":
                absent.add(name)
            else:
                shapes[name] = shape
    _refuse_strangers(shapes, options)
    return Intent(shapes, options, frozenset(absent))


def collect(by_host: Mapping[str, object]) -> tuple[list[object], dict[str, frozenset[str] | None]]:
    """The lists of all hosts as one, and on which hosts each VM may be: those whose variables list it.

    A list of a group's variables is seen by each of its hosts; one of a host's own variables pins its VMs to it.
    """
    entries: dict[str, object] = {}
    seen: dict[str, set[str]] = {}
    where: dict[str, str] = {}
    # Hosts that share a group's variables often share the very object.
    for host in sorted(by_host, key=natural):
        listed = by_host[host]
        if not isinstance(listed, Sequence) or isinstance(listed, str):
            raise LightiovError(
                f"The value of lightiov_vms of host {host} is {listed!r}, which is not a list: write a list of VMs"
            )
        for number, entry in enumerate(listed, 1):
            name = entry.get("name") if isinstance(entry, Mapping) else None
            key = str(name) if name is not None else f"{host} {number}"
            if key in entries and entries[key] != entry:
                raise LightiovError(
                    f"VM {key} is written differently for host {where[key]} and host {host}: "
                    "give each VM of the fleet a name of its own in lightiov_vms"
                )
            entries.setdefault(key, entry)
            where.setdefault(key, host)
            seen.setdefault(key, set()).add(host)
    hosts = {key: None if len(of) == len(by_host) else frozenset(of) for key, of in seen.items()}
    return list(entries.values()), hosts


def _vm(
    entry: object, number: int, memory_mib: int, vcpus: int, hosts: Mapping[str, frozenset[str] | None]
) -> tuple[list[str], Shape, dict[str, Any]]:
    where = f"VM {number} of lightiov_vms"
    if not isinstance(entry, Mapping):
        raise LightiovError(f"{where} is {entry!r}, which is not a mapping: write name and tenant with their values")
    name = _text(entry.get("name"), where, "name", "give it one")
    where = f"VM {name}"
    if not _vms.NAME.fullmatch(name) or len(name) > 64:
        raise LightiovError(
            f"{where} cannot have this name: use up to 64 ASCII letters, digits and punctuation, no blanks, no slashes"
        )
    known = _vms.VM_KEYS | PLANNED_KEYS
    for key in entry:
        if key not in known:
            raise LightiovError(f"{where} has the unknown key {key!r}: choose from {', '.join(sorted(known))}")
    _choice(_or(entry.get("state"), "running"), "state", _vms.STATES, where)
    if entry.get("memory") is not None and entry.get("memory_mib") is not None:
        raise LightiovError(f"{where} has both memory and memory_mib: keep one of them")
    wanted, least = _queue_pairs(entry.get("queue_pairs"), entry.get("disks"), where)
    shape = Shape(
        tenant=check_tenant(
            _text(entry.get("tenant"), where, "tenant", "set it to a name that VMs share which trust it"), where
        ),
        kind=_kind(entry.get("kind"), where),
        memory=parse_size(entry["memory"], f"The memory of {where}", "write memory_mib") >> 20
        if entry.get("memory") is not None
        else _whole(_or(entry.get("memory_mib"), memory_mib), "memory_mib", where, 1 << 30),
        vcpus=_whole(_or(entry.get("vcpus"), vcpus), "vcpus", where, 4096),
        disks=_disks(entry.get("disks"), where),
        queue_pairs=wanted,
        least=least,
        weight=_whole(_or(entry.get("weight"), 1), "weight", where, MAX_WEIGHT),
        host=_name(entry.get("host"), where, "host"),
        group=_name(entry.get("group"), where, "group"),
        hosts=hosts.get(name),
        apart=_apart(entry.get("apart"), where),
        disks_apart=_bool(entry.get("disks_apart"), "disks_apart", where),
        numa=_choice(_or(entry.get("numa"), NUMA[0]), "numa", NUMA, where),
        address=_name(entry.get("address"), where, "address"),
    )
    names = replicas(name, where)
    if len(names) > 1 and (shape.address not in ("", POOL) or entry.get("mac") is not None):
        raise LightiovError(
            f"{where} are several replicas, which cannot share one address or mac: leave it out, or let address be "
            f"{POOL}"
        )
    passed = {
        key: value
        for key, value in entry.items()
        if key in _vms.VM_KEYS and key not in ("name", "disks", "numa_node", "numa_cpus")
    }
    if "root" in passed:
        passed["root"] = _vms.root_option(passed["root"], f"The root of {where}")
    return names, shape, passed


def _kind(value: object, where: str) -> str:
    kind = _choice(_or(value, MADE), "kind", KINDS, where)
    if kind != MADE:
        raise LightiovError(f"{where} cannot have the kind {kind}, which no host makes yet: set it to {MADE}")
    return kind


def _disks(listed: object, where: str) -> tuple[Disk, ...]:
    if listed is None:
        return ()
    if not isinstance(listed, Sequence) or isinstance(listed, str):
        raise LightiovError(f"The value of disks of {where} is {listed!r}, which is not a list: write a list of disks")
    disks = tuple(_disk(options, number, where) for number, options in enumerate(listed, 1))
    names = [disk.name for disk in disks]
    for name in names:
        if names.count(name) > 1:
            raise LightiovError(f"{where} has several disks with the name {name}: give each a name of its own")
    for one, other in combinations(disks, 2):
        if driver_name(one.name) == driver_name(other.name) and not _are_pinned_apart(one, other):
            raise LightiovError(
                f"{where} has disks {one.name} and {other.name}, which a host knows both as {driver_name(one.name)}: "
                f"give each a name of its own in {MAX_NAME} letters, digits, dots, underscores and hyphens"
            )
    return disks


def _are_pinned_apart(one: Disk, other: Disk) -> bool:
    return bool(one.controller and other.controller) and one.controller != other.controller


def _disk(options: object, number: int, vm: str) -> Disk:
    where = f"Disk {number} of {vm}"
    if not isinstance(options, Mapping):
        raise LightiovError(f"{where} is {options!r}, which is not a mapping: write name and size with their values")
    name = _vms.checked_name(options.get("name"), where)
    where = f"Disk {name} of {vm}"
    for key in options:
        if key not in DISK_KEYS:
            raise LightiovError(f"{where} has the unknown key {key!r}: choose from {', '.join(sorted(DISK_KEYS))}")
    controller = str(_or(options.get("controller"), ""))
    namespace = str(_or(options.get("namespace"), ""))
    if namespace and not controller:
        raise LightiovError(f"{where} has a namespace and no controller: name the controller whose namespace it is")
    if namespace and namespace_name(namespace) is None:
        raise LightiovError(
            f"{where} cannot have the namespace {namespace!r}: set it to its number, to eui. and its NGUID or EUI-64, "
            "or to its name in lightiov_namespaces"
        )
    if options.get("size") is None and not namespace:
        raise LightiovError(f"{where} has no size: set it as in 200 GiB, or pin a whole namespace")
    return Disk(
        name=name,
        size=parse_size(options["size"], where) if options.get("size") is not None else 0,
        controller=controller,
        namespace=namespace_name(namespace) or "" if namespace else "",
        read_only=_bool(options.get("read_only"), "read_only", where),
    )


def _queue_pairs(value: object, disks: object, where: str) -> tuple[int, int]:
    """Wanted, and the least that will do: of one controller, so a disk of the form before may say it for its VM."""
    if value is None:
        stated = [
            disk["queue_pairs"]
            for disk in (disks if isinstance(disks, Sequence) else ())
            if isinstance(disk, Mapping) and disk.get("queue_pairs") is not None
        ]
        value = max(stated, key=str) if stated else 1
    if isinstance(value, Mapping):
        for key in value:
            if key not in ("wanted", "least"):
                raise LightiovError(f"The queue_pairs of {where} have the unknown key {key!r}: write wanted and least")
        wanted = _whole(value.get("wanted"), "queue_pairs", where, MAX_QUEUE_PAIRS)
        least = _whole(_or(value.get("least"), wanted), "least queue_pairs", where, MAX_QUEUE_PAIRS)
        if least > wanted:
            raise LightiovError(
                f"{where} wants {wanted} queue pairs and at least {least}: write no more as least than as wanted"
            )
        return wanted, least
    wanted = _whole(value, "queue_pairs", where, MAX_QUEUE_PAIRS)
    return wanted, wanted


def _apart(value: object, where: str) -> tuple[Apart, ...]:
    if value is None:
        return ()
    rules = []
    for rule in value if isinstance(value, Sequence) and not isinstance(value, str) else [value]:
        if not isinstance(rule, Mapping) or not {"from"} <= rule.keys() <= {"from", "over"}:
            raise LightiovError(
                f"{where} cannot be apart by {rule!r}: write the VMs as from, and hosts or groups as over"
            )
        listed = [rule["from"]] if isinstance(rule["from"], str) else rule["from"]
        if not isinstance(listed, Sequence) or not listed:
            raise LightiovError(f"{where} cannot be apart from {listed!r}: write a list of names of VMs")
        over = _or(rule.get("over"), "hosts")
        groups = [over] if isinstance(over, str) else over
        if not isinstance(groups, Sequence) or not groups or not all(isinstance(one, str) for one in groups):
            raise LightiovError(f"{where} cannot be apart over {over!r}: write hosts, or a list of names of groups")
        domains = () if over == "hosts" else tuple(sorted(groups))
        rules.append(Apart(frozenset(one for name in listed for one in replicas(str(name), where)), domains))
    return tuple(rules)


def _refuse_strangers(shapes: Mapping[str, Shape], options: Mapping[str, object]) -> None:
    checked = set()
    for name, shape in shapes.items():
        for rule in shape.apart:
            if id(rule) in checked:
                continue
            checked.add(id(rule))
            for other in sorted(rule.vms):
                if other not in options:
                    raise LightiovError(
                        f"VM {name} is to be apart from VM {other}, which lightiov_vms does not list: "
                        "correct the name, or list it"
                    )


def _or(value: object, default: object) -> object:
    return default if value is None else value


def _text(value: object, where: str, key: str, remedy: str) -> str:
    if value is None or value == "":
        raise LightiovError(f"{where} has no {key}: {remedy}")
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise LightiovError(f"{where} has the {key} {value!r}, which is not text: write it between quotation marks")
    return str(value)


def _name(value: object, where: str, key: str) -> str:
    """Of something else, if it is given."""
    return "" if value is None else _text(value, where, key, "leave it out, or name one")


def _whole(value: object, key: str, where: str, most: int) -> int:
    text = str(value)
    if not isinstance(value, bool) and text.isascii() and text.isdecimal() and 1 <= int(text) <= most:
        return int(text)
    raise LightiovError(f"{where} cannot have {value!r} as its {key}: choose a whole number from 1 to {most:,}")


def _bool(value: object, key: str, where: str) -> bool:
    if value is None or isinstance(value, bool):
        return bool(value)
    raise LightiovError(f"{where} cannot have {value!r} as its {key}: choose true or false")


def _choice(value: object, key: str, choices: Sequence[str], where: str) -> str:
    if value not in choices:
        raise LightiovError(f"{where} cannot have {value!r} as its {key}: choose from {', '.join(choices)}")
    return str(value)
