# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a VM is: what a plan decides, and what hosts and files say of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._mdev import namespace_name
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.addresses import POOL
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.intent import MADE
from ansible_collections.lightiov.nvme.plugins.module_utils._size import parse_size, show_size


@dataclass(frozen=True)
class Slice:
    """A disk's place. Size 0: the whole namespace. `first` is in bytes; None: only the host knows."""

    name: str
    controller: str
    namespace: str
    size: int
    first: int | None = None
    read_only: bool = False


@dataclass(frozen=True)
class Placement:
    """A VM on a host, with its queue pairs on each controller."""

    vm: str
    host: str
    tenant: str
    kind: str
    memory: int
    vcpus: int
    slices: tuple[Slice, ...] = ()
    queue_pairs: tuple[tuple[str, int], ...] = ()
    # The NUMA node that it is bound to; None: to none.
    node: int | None = None
    address: str = ""

    def to_vm(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """As an entry of the host's lightiov_vms."""
        pairs = dict(self.queue_pairs)
        entry: dict[str, Any] = {"name": self.vm, "tenant": self.tenant}
        options = {**options, "address": self.address}
        entry.update({key: options[key] for key in sorted(options) if key not in ("tenant", "memory_mib", "vcpus")})
        if not self.address:
            del entry["address"]
        entry["memory_mib"] = self.memory
        entry["vcpus"] = self.vcpus
        if self.node is not None:
            entry["numa_node"] = self.node
        entry["disks"] = [
            {
                "name": one.name,
                "controller": one.controller,
                "namespace": one.namespace,
                **({"size": show_size(one.size)} if one.size else {}),
                **({"read_only": True} if one.read_only else {}),
                "queue_pairs": pairs[one.controller],
            }
            for one in self.slices
        ]
        return entry

    @classmethod
    def from_vm(
        cls,
        host: str,
        entry: Mapping[str, Any],
        places: Mapping[tuple[str, str], int] | None = None,
        memory: int = 512,
        vcpus: int = 2,
    ) -> Placement:
        """`places` are the first bytes of disks, by VM and disk, as the host tells them."""
        name = str(entry["name"])
        pairs: dict[str, int] = {}
        slices = []
        for disk in entry.get("disks") or []:
            if not disk.get("controller") or disk.get("namespace") is None:
                raise LightiovError(
                    f"Disk {disk.get('name')} of VM {name} has no place in the placements of host {host}: remove the "
                    "VM from that file to have it planned"
                )
            serial = str(disk["controller"])
            pairs[serial] = max(int(disk.get("queue_pairs") or 1), pairs.get(serial, 0))
            slices.append(
                Slice(
                    name=str(disk["name"]),
                    controller=serial,
                    namespace=namespace_name(str(disk["namespace"])) or str(disk["namespace"]),
                    size=parse_size(disk["size"], f"Disk {disk['name']} of VM {name}") if disk.get("size") else 0,
                    first=(places or {}).get((name, str(disk["name"]))),
                    read_only=bool(disk.get("read_only")),
                )
            )
        return cls(
            vm=name,
            host=host,
            tenant=str(entry["tenant"]),
            kind=MADE,
            memory=int(entry.get("memory_mib") or memory),
            vcpus=int(entry.get("vcpus") or vcpus),
            slices=tuple(slices),
            queue_pairs=tuple(sorted(pairs.items())),
            node=None if entry.get("numa_node") is None else int(entry["numa_node"]),
            address="" if entry.get("address") in (None, POOL) else str(entry["address"]),
        )
