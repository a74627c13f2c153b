# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NVMe controllers as sysfs shows them, whichever driver has them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host, entries, link_name, read, read_int
from ansible_collections.lightiov.nvme.plugins.module_utils._record import Identity, identities

DRIVER = "lightiov"
STOCK_DRIVER = "nvme"
NVME_CLASS = "0x010802"
PCI_DEVICES = "/sys/bus/pci/devices"
PCI_DRIVERS = "/sys/bus/pci/drivers"
ADDRESS = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
# nvme0n1 by itself, nvme0c1n1 as one path of the multipath disk nvme0n1.
NAMESPACE_DISK = re.compile(r"(nvme\d+)(?:c\d+)?(n\d+)")


@dataclass(frozen=True)
class Namespace:
    nsid: int
    lba_size: int
    lba_count: int
    device: str = ""
    owner: str = ""
    # In Linux's notation: "eui." and NGUID or EUI-64. Empty: it has none. None: the driver does not tell.
    id: str | None = None
    # Extents are multiples of it, in bytes. None: the driver does not tell, or knows no extents.
    granularity: int | None = None


@dataclass(frozen=True)
class Controller:
    address: str
    serial: str = ""
    model: str = ""
    firmware: str = ""
    driver: str = ""
    override: str = ""
    iommu_group: int | None = None
    numa_node: int | None = None
    state: str = ""
    queue_pairs: int | None = None
    queue_pairs_free: int | None = None
    vectors: int | None = None
    # Bytes of I/O virtual addresses for the memory of VMs.
    windows: int | None = None
    tenant: str = ""
    admin: str = ""
    namespaces: list[Namespace] = field(default_factory=list)
    mdevs: list[str] = field(default_factory=list)
    # LightIOV has it, at least once its driver is loaded, or a change of that was cut short.
    held: bool = False
    # The identity is what was written down of the controller at this address, because no driver has it.
    recorded: bool = False

    @property
    def identified(self) -> bool:
        """Whether a driver says who it is."""
        return bool(self.serial) and not self.recorded

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.serial} ({self.address})" if self.serial else self.address


def controllers(host: Host) -> list[Controller]:
    """All NVMe controllers of the host, by address."""
    known = identities(host)
    found = [
        _controller(host, device, device.name in known)
        for device in entries(host.path(PCI_DEVICES))
        if read(device / "class") == NVME_CLASS
    ]
    return _recalled(found, known)


def _recalled(found: Sequence[Controller], known: Mapping[str, Identity]) -> list[Controller]:
    """With the identities of those that have no driver, unless they are seen elsewhere now."""
    seen = {controller.serial for controller in found}
    return [
        replace(controller, **asdict(known[controller.address]), recorded=True)
        if controller.held
        and not controller.driver
        and controller.address in known
        and known[controller.address].serial not in seen
        else controller
        for controller in found
    ]


def override_file(host: Host, address: str) -> Path:
    """Where driverctl keeps the driver to bind at boot."""
    return host.path(f"/etc/driverctl.d/pci-{address}")


def _controller(host: Host, device: Path, known: bool) -> Controller:
    driver = link_name(device / "driver")
    override = read(override_file(host, device.name)) or ""
    # What the kernel binds next, "(null)" for whatever matches.
    preferred = (read(device / "driver_override") or "").replace("(null)", "")
    group = link_name(device / "iommu_group")
    numa_node = read_int(device / "numa_node")
    common: dict[str, Any] = {
        "address": device.name,
        "driver": driver,
        "override": override,
        "held": DRIVER in (driver, override)
        or (not driver and not override and (preferred == DRIVER or (known and not preferred))),
        "iommu_group": int(group) if group.isdigit() else None,
        "numa_node": numa_node if numa_node is not None and numa_node >= 0 else None,
    }
    if driver == DRIVER:
        return Controller(**common, **_lightiov(device))
    if driver == STOCK_DRIVER:
        return Controller(**common, **_stock(host, device))
    return Controller(**common)


def _lightiov(device: Path) -> dict[str, Any]:
    attributes = device / "lightiov"
    admin = read(attributes / "admin")
    return {
        "serial": read(attributes / "serial") or "",
        "model": read(attributes / "model") or "",
        "firmware": read(attributes / "firmware") or "",
        "state": read(attributes / "state") or "",
        "queue_pairs": read_int(attributes / "queue_pairs"),
        "queue_pairs_free": read_int(attributes / "queue_pairs_free"),
        "vectors": read_int(attributes / "vectors"),
        "windows": read_int(attributes / "windows"),
        "tenant": read(attributes / "tenant") or "",
        "admin": f"/dev/{admin}" if admin else "",
        "namespaces": parse_namespaces(read(attributes / "namespaces") or ""),
        "mdevs": [
            mdev.name
            for mdev_type in entries(device / "mdev_supported_types")
            for mdev in entries(mdev_type / "devices")
        ],
    }


def parse_namespaces(text: str) -> list[Namespace]:
    """The driver's attribute: "nsid lba_size lba_count owner id granularity" a line, "-" for none, once shorter."""
    namespaces = []
    for line in text.splitlines():
        nsid, lba_size, lba_count, *rest = line.split()
        owner, id_, granularity = [*("" if word == "-" else word for word in rest), None, None][:3]
        namespaces.append(
            Namespace(
                nsid=int(nsid),
                lba_size=int(lba_size),
                lba_count=int(lba_count),
                owner=owner or "",
                id=id_,
                granularity=int(granularity) if granularity else None,
            )
        )
    return namespaces


def _stock(host: Host, device: Path) -> dict[str, Any]:
    instances = entries(device / "nvme")
    if not instances:
        return {}
    instance = instances[0]
    return {
        "serial": read(instance / "serial") or "",
        "model": read(instance / "model") or "",
        "firmware": read(instance / "firmware_rev") or "",
        "state": read(instance / "state") or "",
        "admin": f"/dev/{instance.name}",
        "namespaces": sorted(_stock_namespaces(host, instance), key=lambda namespace: namespace.nsid),
    }


def _stock_namespaces(host: Host, instance: Path) -> list[Namespace]:
    namespaces = []
    for entry in entries(instance):
        match = NAMESPACE_DISK.fullmatch(entry.name)
        if not match:
            continue
        disk = host.path(f"/sys/class/block/{match[1]}{match[2]}")
        lba_size = read_int(disk / "queue" / "logical_block_size")
        sectors = read_int(disk / "size")
        nsid = read_int(disk / "nsid")
        if nsid is not None and lba_size and sectors is not None:
            count = sectors * 512 // lba_size
            namespaces.append(Namespace(nsid, lba_size, count, device=f"/dev/{disk.name}", id=_stock_id(disk)))
    return namespaces


def _stock_id(disk: Path) -> str | None:
    """As LightIOV's driver tells it: the wwid of the stock driver prefers a UUID.

    Where the stock driver shows none there may be one all the same: it keeps silent about those of every model that
    is known to have given several namespaces the same (NVME_QUIRK_BOGUS_NID).
    """
    for name in ("nguid", "eui"):
        digits = (read(disk / name) or "").replace("-", "").replace(" ", "").lower()
        if digits.strip("0"):
            return f"eui.{digits}"
    return None
