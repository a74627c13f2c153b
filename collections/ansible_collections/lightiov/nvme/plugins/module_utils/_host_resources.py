# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host has for VMs, and which VMs have it now."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils._generation import generation
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host, entries, read
from ansible_collections.lightiov.nvme.plugins.module_utils._mdev_state import MdevState, mdev_states
from ansible_collections.lightiov.nvme.plugins.module_utils._mdevctl import MDEV_DEVICES
from ansible_collections.lightiov.nvme.plugins.module_utils._sysfs import Controller, Namespace, controllers

NODES = "/sys/devices/system/node"
NODE = re.compile(r"node(\d+)")


def describe(host: Host) -> dict[str, Any]:
    present = [one for one in controllers(host) if one.held and one.serial]
    nodes = _nodes(host)
    now = generation(host)
    return {
        "generation": now.number,
        "digest": now.digest,
        "memory_mib": _memory_mib(host.read("/proc/meminfo") or "", "MemTotal"),
        "vcpus": len(cpus(host.read("/sys/devices/system/cpu/online") or "")),
        # One node is as good as none.
        "nodes": nodes if len(nodes) > 1 else {},
        "controllers": [_controller(one) for one in present],
        "placed": _placed(host, {one.serial: one for one in present}),
    }


def _controller(controller: Controller) -> dict[str, Any]:
    return {
        "serial": controller.serial,
        "model": controller.model,
        "tenant": controller.tenant,
        "queue_pairs": controller.queue_pairs or 0,
        "vectors": controller.vectors,
        "numa_node": controller.numa_node or 0,
        "namespaces": [
            {"nsid": one.nsid, "id": one.id or "", "bytes": one.lba_size * one.lba_count}
            for one in controller.namespaces
        ],
    }


def _placed(host: Host, present: dict[str, Controller]) -> list[dict[str, Any]]:
    """VMs by the labels of their mdevs, with the extents that the host module tells."""
    found: dict[str, dict[str, Any]] = {}
    for mdev in mdev_states(host):
        vm, _slash, disk = mdev.label.partition("/")
        controller = present.get(mdev.parent)
        if not vm or controller is None:
            continue
        one = found.setdefault(vm, {"vm": vm, "tenant": mdev.tenant, "disks": []})
        table = read(host.path(f"{MDEV_DEVICES}/{mdev.uuid}/extents"))
        one["disks"] += _whole(mdev, controller, disk) if table is None else parse_extents(table, mdev, controller)
    return [found[vm] for vm in sorted(found)]


def _whole(mdev: MdevState, controller: Controller, name: str) -> list[dict[str, Any]]:
    """A host module of before extents: an mdev is one disk."""
    return [_disk(name, mdev, one) for one in controller.namespaces if one.nsid in mdev.namespaces]


def parse_extents(table: str, mdev: MdevState, controller: Controller) -> list[dict[str, Any]]:
    """The driver's attribute: "slot id nsid identity first count flags name" a line, "-" for what there is not."""
    known = {one.nsid: one for one in controller.namespaces}
    disks = []
    for line in table.splitlines():
        _slot, _id, nsid, _identity, first, count, _flags, name = line.split()
        if int(nsid) in known:
            disks.append(_disk(name, mdev, known[int(nsid)], first, count))
    return disks


def _disk(name: str, mdev: MdevState, namespace: Namespace, first: str = "-", count: str = "-") -> dict[str, Any]:
    return {
        "name": name,
        "controller": mdev.parent,
        "namespace": namespace.id or str(namespace.nsid),
        "queue_pairs": mdev.queue_pairs,
        "first": 0 if first == "-" else int(first) * namespace.lba_size,
        "bytes": 0 if count == "-" else int(count) * namespace.lba_size,
    }


def _nodes(host: Host) -> dict[str, dict[str, Any]]:
    found = {}
    for directory in entries(host.path(NODES)):
        match = NODE.fullmatch(directory.name)
        if match:
            listed = read(directory / "cpulist") or ""
            found[match[1]] = {
                "memory_mib": _memory_mib(read(directory / "meminfo") or "", "MemTotal"),
                "vcpus": len(cpus(listed)),
                "cpus": listed,
            }
    return found


def _memory_mib(meminfo: str, what: str) -> int:
    match = re.search(rf"{what}:\s+(\d+) kB", meminfo)
    return int(match[1]) >> 10 if match else 0


def cpus(text: str) -> list[int]:
    """Linux's notation: 0-3,8."""
    numbers: list[int] = []
    for part in filter(None, text.split(",")):
        first, _hyphen, last = part.partition("-")
        numbers += range(int(first), int(last or first) + 1)
    return numbers
