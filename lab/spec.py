# SPDX-License-Identifier: GPL-3.0-or-later
"""What the hosts of a lab are made of."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1 << 20
GIB = 1 << 30


@dataclass(frozen=True)
class Controller:
    """One emulated NVMe controller, in a slot of its own so that it can be unplugged."""

    id: str
    serial: str
    queue_pairs: int
    namespaces: int
    namespace_bytes: int


@dataclass(frozen=True)
class HostSpec:
    name: str
    memory_mib: int = 5120
    cpus: int = 2
    controllers: tuple[Controller, ...] = ()
    iommu: bool = True

    def slot(self, controller_id: str) -> int:
        """The number of the slot that a controller is in: 1, 2, ..."""
        return [controller.id for controller in self.controllers].index(controller_id) + 1


def host_spec(name: str) -> HostSpec:
    """host1, host2, ...: alike but for the serial numbers."""
    number = name.removeprefix("host")
    if not number.isdecimal() or name == number:
        raise ValueError(f"{name!r} is not a host's name; use host1, host2, ...")
    return HostSpec(
        name=name,
        controllers=(
            Controller("nvme0", f"LIOV{number}A", queue_pairs=64, namespaces=8, namespace_bytes=GIB),
            # Stays with the stock driver: for comparison, and for what must be refused.
            Controller("nvme1", f"LIOV{number}B", queue_pairs=8, namespaces=2, namespace_bytes=256 * MIB),
        ),
    )
