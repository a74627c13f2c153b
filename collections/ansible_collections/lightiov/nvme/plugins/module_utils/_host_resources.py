# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host has for VMs, and which VMs have it now."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils._generation import generation
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host, entries, read
from ansible_collections.lightiov.nvme.plugins.module_utils._mdev_state import MdevState, mdev_states
from ansible_collections.lightiov.nvme.plugins.module_utils._namespace_record import Made, recorded
from ansible_collections.lightiov.nvme.plugins.module_utils._sysfs import Controller, controllers

NODES = "/sys/devices/system/node"
NODE = re.compile(r"node(\d+)")


def describe(host: Host, accepted: bool = False) -> dict[str, Any]:
    """With the placements that it has accepted, if asked for them."""
    present = [one for one in controllers(host) if one.held and one.serial]
    nodes = _nodes(host)
    now = generation(host)
    made = recorded(host)
    return {
        "generation": now.number,
        "digest": now.digest,
        **({"placements": now.vms} if accepted else {}),
        "memory_mib": _memory_mib(host.read("/proc/meminfo") or "", "MemTotal"),
        "vcpus": len(cpus(host.read("/sys/devices/system/cpu/online") or "")),
        # One node is as good as none.
        "nodes": nodes if len(nodes) > 1 else {},
        "controllers": [_controller(one, made.get(one.serial, {})) for one in present],
        "placed": _placed(host, {one.serial: one for one in present}),
    }


def _controller(controller: Controller, made: Mapping[str, Made]) -> dict[str, Any]:
    listed = {one.identity: name for name, one in made.items() if one.identity}
    return {
        "serial": controller.serial,
        "model": controller.model,
        "tenant": controller.tenant,
        "queue_pairs": controller.queue_pairs or 0,
        "vectors": controller.vectors,
        "windows": controller.windows,
        "numa_node": controller.numa_node or 0,
        "namespaces": [
            {
                "nsid": one.nsid,
                "id": one.id or "",
                "bytes": one.lba_size * one.lba_count,
                **({"granularity": one.granularity} if one.granularity else {}),
                **({"listed": listed[one.id]} if one.id in listed else {}),
            }
            for one in controller.namespaces
        ],
    }


def _placed(host: Host, present: dict[str, Controller]) -> list[dict[str, Any]]:
    """VMs by the labels of their mdevs, with what these have."""
    found: dict[str, dict[str, Any]] = {}
    for mdev in mdev_states(host):
        # The version before made an mdev of each disk, and named it so.
        vm, _slash, former = mdev.label.partition("/")
        if vm and mdev.parent in present:
            one = found.setdefault(vm, {"vm": vm, "tenant": mdev.tenant, "disks": []})
            one["disks"] += _disks(mdev, present[mdev.parent], former)
    return [found[vm] for vm in sorted(found)]


def _disks(mdev: MdevState, controller: Controller, former: str) -> list[dict[str, Any]]:
    known = {one.nsid: one for one in controller.namespaces}
    return [
        {
            "name": disk["name"] or former,
            "controller": mdev.parent,
            "namespace": known[disk["nsid"]].id or str(disk["nsid"]),
            "queue_pairs": mdev.queue_pairs,
            "first": (disk["first"] or 0) * known[disk["nsid"]].lba_size,
            "bytes": (disk["count"] or 0) * known[disk["nsid"]].lba_size,
            "read_only": disk["read_only"],
        }
        for disk in mdev.disks
        if disk["nsid"] in known
    ]


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
