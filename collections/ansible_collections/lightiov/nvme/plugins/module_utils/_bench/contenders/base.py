# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all contenders have in common."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ansible_collections.lightiov.nvme.plugins.module_utils._bench.drive import Drive
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.io_path import IoPath
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.machine import Daemon
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._sysfs import STOCK_DRIVER


@dataclass(frozen=True)
class Share:
    """What one VM has of the namespace, in bytes; without a size it is all of it."""

    number: int = 0
    first: int = 0
    size: int = 0


WHOLE = Share()


@dataclass
class Place:
    """What a contender has to work with."""

    host: Host
    drive: Drive
    vcpus: int
    qemu: tuple[int, int]
    # Parameters that the guest driver knows.
    guest_parameters: frozenset[str] = frozenset()
    # Of each VM.
    shares: tuple[Share, ...] = (WHOLE,)
    # While it is set up.
    daemons: list[Daemon] = field(default_factory=list)


class Contender(ABC):
    """One way to give a VM a drive. It has no state: what it makes is found again by its name."""

    name: ClassVar[str]
    title: ClassVar[str]
    # Who has the controller on the host.
    driver: ClassVar[str] = STOCK_DRIVER
    # In the VM: the kernel module with its options, what its disks are called, and their interrupts.
    module: ClassVar[str] = "virtio_blk"
    module_options: ClassVar[str] = ""
    disks: ClassVar[str] = "vd*"
    # A shell command in the VM, once its disk is there.
    adjustment: ClassVar[str] = ":"
    interrupts: ClassVar[str] = r"virtio\d+-req"
    # Whether completions are asked for, without interrupts.
    polled: ClassVar[bool] = False
    # Whether a program beside QEMU has to see the VM's memory.
    shared_memory: ClassVar[bool] = False
    # Whether the VM has all namespaces of the controller.
    whole_controller: ClassVar[bool] = False
    # Whether there is a VM at all.
    virtual: ClassVar[bool] = True
    # Whether several VMs can have their shares of a drive.
    sharing: ClassVar[bool] = False
    # What an I/O crosses, in order.
    io_path: ClassVar[IoPath]

    def unavailable(self, place: Place) -> str:
        """Why it cannot be measured on this host, as a sentence; empty if it can."""
        return ""

    def set_up(self, place: Place) -> None:
        place.drive.bind(self.driver)

    @abstractmethod
    def attach(self, place: Place, share: Share = WHOLE) -> list[str]:
        """QEMU's arguments that give a VM its disk."""

    def tear_down(self, place: Place) -> None:
        """Also of what was set up in part."""
        while place.daemons:
            place.daemons.pop().stop()
        place.drive.bind(STOCK_DRIVER)

    def daemon(self, place: Place) -> list[str]:
        """The command of what runs beside QEMU, if anything does."""
        return []

    def configuration(self, place: Place) -> dict[str, Any]:
        """As the report prints it."""
        shown: dict[str, Any] = {"driver on the host": self.driver}
        if self.virtual:
            shown["QEMU"] = " ".join(self.attach(place))
            shown["module in the VM"] = f"{self.module} {self.module_options}".strip()
            if self.adjustment != ":":
                shown["then in the VM"] = self.adjustment
            shown["memory of the VM"] = "shared (memfd)" if self.shared_memory else "anonymous"
        if self.daemon(place):
            shown["daemon"] = " ".join(self.daemon(place))
        return shown


def device(**properties: Any) -> list[str]:
    return ["-device", as_json(properties)]


def passed_through(**properties: Any) -> list[str]:
    """A device of the host behind a port of its own."""
    # A port's bus becomes its property of this name, so "slot" and "port" are taken.
    port = device(driver="pcie-root-port", id="root-port", chassis=1)
    return [*port, *device(driver="vfio-pci", **properties, bus="root-port")]


def as_json(properties: Any) -> str:
    return json.dumps(properties, separators=(",", ":"))


def block_device(place: Place) -> dict[str, Any]:
    """The namespace through the host's own driver, past its page cache."""
    return {
        "driver": "host_device",
        "filename": place.drive.block_device(),
        "aio": "io_uring",
        "cache": {"direct": True},
        "discard": "unmap",
        # Each VM has a QEMU, and they have the block device together.
        **({"locking": "off"} if len(place.shares) > 1 else {}),
    }


def user_space_driver(place: Place) -> dict[str, Any]:
    """The namespace through QEMU's own NVMe driver. The host caches nothing of it, and so the drive's own cache stays
    as it is for all: told to do without, that driver asks so for one namespace, which drives refuse.
    """
    return {
        "driver": "nvme",
        "device": place.drive.address,
        "namespace": place.drive.nsid,
    }


def part(share: Share, drive: Any) -> dict[str, Any]:
    """Of a drive, or of the node of that name."""
    return {"driver": "raw", "offset": share.first, "size": share.size, "file": drive}
