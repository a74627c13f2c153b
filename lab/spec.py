# SPDX-License-Identifier: GPL-3.0-or-later
"""What the hosts of a lab are made of."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

MIB = 1 << 20
GIB = 1 << 30
MEASURING = "6"


@dataclass(frozen=True)
class Controller:
    """One emulated NVMe controller, in a slot of its own so that it can be unplugged."""

    id: str
    serial: str
    queue_pairs: int
    namespaces: int
    namespace_bytes: int
    # Which identity its namespaces have: the 16 bytes of an NGUID or the 8 of an EUI-64.
    identity_bytes: int = 16
    # The NUMA node whose root complex it is behind; None: behind that of the machine, which is on no node.
    numa_node: int | None = None

    def namespace_identity(self, nsid: int) -> str:
        """In hexadecimal digits. It moves with the controller, and no other namespace of any lab has it."""
        return hashlib.sha256(f"{self.serial}/{nsid}".encode()).hexdigest()[: 2 * self.identity_bytes]

    def wwid(self, nsid: int) -> str:
        """A namespace's identity as Linux shows it."""
        return f"eui.{self.namespace_identity(nsid)}"


@dataclass(frozen=True)
class HostSpec:
    name: str
    memory_mib: int = 5120
    cpus: int = 2
    controllers: tuple[Controller, ...] = ()
    iommu: bool = True
    # Among which memory and CPUs are divided evenly.
    numa_nodes: int = 1
    # Whether its kernel looks for errors in memory all the time, which takes time.
    watchful: bool = True

    def slot(self, controller_id: str) -> int:
        """The number of the slot that a controller is in: 1, 2, ..."""
        return [controller.id for controller in self.controllers].index(controller_id) + 1

    def with_hardware(self, hardware: list[tuple[str, str]]) -> HostSpec:
        """These controllers, as (ID, serial), in the order of their slots, instead of those it was delivered with."""
        known = {controller.id: controller for controller in self.controllers}
        return replace(self, controllers=tuple(replace(known[id_], serial=serial) for id_, serial in hardware))


def host_spec(name: str) -> HostSpec:
    """host1, host2, ...: alike but for the serial numbers.

    But host3 is smaller, since fleets are not of one kind; host4 is so, too, and has two NUMA nodes, with its first
    controller on the second; host5 has a controller for hundreds of VMs, of which none runs; and host6 is for
    measuring: it has memory for many VMs, and a controller with queue pairs for hundreds of users.
    """
    number = name.removeprefix("host")
    if not number.isdecimal() or name == number:
        raise ValueError(f"{name!r} is not a host's name; use host1, host2, ...")
    if number == MEASURING:
        return HostSpec(
            name=name,
            memory_mib=8192,
            watchful=False,
            controllers=(
                Controller("nvme0", "LIOV6A", queue_pairs=64, namespaces=1, namespace_bytes=4 * GIB),
                Controller("nvme1", "LIOV6B", queue_pairs=512, namespaces=4, namespace_bytes=GIB),
            ),
        )
    small = name in ("host3", "host4")
    divided = name == "host4"
    many = name == "host5"
    # Large enough for a VM's root disk, and sparse.
    namespace_bytes = 6 * GIB if many else GIB
    return HostSpec(
        name=name,
        memory_mib=3072 if small or many else 5120,
        numa_nodes=2 if divided else 1,
        controllers=(
            Controller(
                "nvme0",
                f"LIOV{number}A",
                queue_pairs=512 if many else 16 if small else 64,
                namespaces=4 if small else 8,
                namespace_bytes=namespace_bytes,
                numa_node=1 if divided else None,
            ),
            # Stays with the stock driver: for comparison, and for what must be refused.
            Controller(
                "nvme1", f"LIOV{number}B", queue_pairs=8, namespaces=2, namespace_bytes=256 * MIB, identity_bytes=8
            ),
        ),
    )
