# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drive that all contenders are measured on, and who has it now."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.lightiov.nvme.plugins.module_utils._bench import counters, label
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._host import (
    Host,
    entries,
    link_name,
    wait_until,
    write_atomically,
)
from ansible_collections.lightiov.nvme.plugins.module_utils._sysfs import (
    DRIVER,
    PCI_DEVICES,
    STOCK_DRIVER,
    Controller,
    Namespace,
    controllers,
)
from ansible_collections.lightiov.nvme.plugins.module_utils._usage import in_use, members

# Gone after a reboot, and so is what it tells of.
RUN = "/run/lightiov-bench"
TAKEN = f"{RUN}/drive.json"
MODULES = {
    DRIVER: ("lightiov_host", "vfio_iommu_type1"),
    "vfio-pci": ("vfio-pci", "vfio_iommu_type1"),
    STOCK_DRIVER: ("nvme",),
}
# A controller may take CAP.TO, at most 127.5 s, to become ready for a driver.
READY_SECONDS = 130
# How long a visit that nobody waits for any more may take to end: one of many VMs, under emulation.
ALONE_SECONDS = 1800
MIB = 1 << 20
# Read of a namespace to see whether it is blank: both ends, and so many blocks in between.
ENDS = 64 * MIB
PROBES = 2000
PROBE = 4096
# Any drive is faster, so one that takes longer hangs.
FILL_BYTES_PER_SECOND = 5_000_000


class Refusal(LightiovError):
    """The drive is not one to measure on, by any contender."""


@dataclass(frozen=True)
class Drive:
    host: Host
    address: str
    serial: str
    nsid: int
    model: str = ""
    lba_size: int = 512
    # Of the benchmark's partition, in bytes.
    size: int = 0

    @property
    def sysfs(self) -> str:
        return f"{PCI_DEVICES}/{self.address}"

    @property
    def driver(self) -> str:
        return link_name(self.host.path(self.sysfs) / "driver")

    @property
    def interrupt_lines(self) -> list[str]:
        """Linux's numbers of the controller's interrupts, whichever driver has them."""
        return [entry.name for entry in entries(self.host.path(self.sysfs) / "msi_irqs")]

    @property
    def counters(self) -> dict[str, int]:
        """What the drive has counted of its I/O queues, whoever has them; nothing of one that does not count."""
        config = self.host.path(f"{self.sysfs}/config")
        return counters.drive_counters(config.read_bytes()) if config.exists() else {}

    def bind(self, driver: str) -> None:
        """Have this driver have the controller, until the host reboots."""
        if self.driver == driver:
            return
        self.host.runner.run(["modprobe", "--all", *MODULES[driver]])
        override = "\n" if driver == STOCK_DRIVER else driver
        self.host.write_attribute(f"{self.sysfs}/driver_override", override)
        if self.driver:
            self.host.write_attribute(f"{self.sysfs}/driver/unbind", self.address)
        self.host.write_attribute("/sys/bus/pci/drivers_probe", self.address)
        if not wait_until(lambda: self.driver == driver, READY_SECONDS):
            raise LightiovError(
                f"Controller {self.serial} ({self.address}) did not come to driver {driver} within {READY_SECONDS} s: "
                "the kernel log says why"
            )
        self.host.settle()

    def block_device(self) -> str:
        """The namespace as the stock driver shows it."""
        found: list[str] = []

        def there() -> bool:
            found[:] = [
                namespace.device
                for controller in controllers(self.host)
                if controller.address == self.address
                for namespace in controller.namespaces
                if namespace.nsid == self.nsid and namespace.device and self.host.path(namespace.device).exists()
            ]
            return bool(found)

        if not wait_until(there, READY_SECONDS):
            raise LightiovError(
                f"Namespace {self.nsid} of controller {self.serial} ({self.address}) does not show with the stock "
                "driver: nvme list-ns says which namespaces are attached"
            )
        return found[0]

    @property
    def partition(self) -> str:
        return f"{self.block_device()}p1"


@contextlib.contextmanager
def alone(host: Host) -> Iterator[None]:
    """One visit at a time: one whose operator has gone away goes on to its end."""
    with host.path(f"{RUN}/lock").open("w", encoding="ascii") as lock:

        def locked() -> bool:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        if not wait_until(locked, ALONE_SECONDS, interval=1):
            raise Refusal(f"Another benchmark runs on this host: wait for it to end (it holds {RUN}/lock)")
        yield


def give_back(host: Host) -> None:
    """What a visit that was cut short has left: its programs and mounts end, the stock driver has the controller."""
    end_programs(host)
    if f" {RUN}/mnt " in (host.read("/proc/self/mountinfo") or ""):
        host.runner.run(["umount", f"{RUN}/mnt"])
    taken = host.path(TAKEN)
    if not taken.exists():
        return
    record = json.loads(taken.read_text(encoding="utf-8"))
    drive = Drive(host, record["address"], record["serial"], record["nsid"])
    if host.path(drive.sysfs).exists():
        drive.bind(STOCK_DRIVER)
    taken.unlink()


def end_programs(host: Host) -> None:
    """VMs and daemons have a socket in our directory, so their command lines name it."""
    mark = f"{RUN}/".encode()

    def left() -> list[int]:
        found = []
        for process in entries(host.path("/proc")):
            if process.name.isdigit() and int(process.name) != os.getpid() and (process / "exe").is_symlink():
                try:
                    command = (process / "cmdline").read_bytes()
                except OSError:
                    continue
                if mark in command and command.split(b"\0")[0].rpartition(b"/")[2].startswith(b"qemu-"):
                    found.append(int(process.name))
        return found

    for process in left():
        os.kill(process, 9)
    if not wait_until(lambda: not left(), 60):
        raise LightiovError("Processes of an interrupted benchmark do not end: the kernel log says what they wait for")


def take(host: Host, serial: str, nsid: int, most: int, refuse: Callable[[Drive], object]) -> Drive:
    """A spare drive, labelled, and written once from end to end of its partition, which has at most this size.

    `refuse` sees it before anything is written: it raises a `Refusal` of a drive that is too small.
    """
    give_back(host)
    controller = _spare(host, serial)
    namespace = next((one for one in controller.namespaces if one.nsid == nsid), None)
    if namespace is None:
        known = ", ".join(str(one.nsid) for one in controller.namespaces) or "none"
        raise Refusal(f"Controller {controller} has no namespace {nsid}: choose from {known}")
    uses = in_use(host, controller) + members(host, controller)
    if uses:
        raise Refusal(f"Controller {controller} is in use, and the benchmark would destroy data: {'; '.join(uses)}")
    size = usable(namespace, most)
    drive = Drive(host, controller.address, serial, nsid, controller.model, namespace.lba_size, size)
    refuse(drive)
    write_atomically(host.path(TAKEN), json.dumps({"address": drive.address, "serial": serial, "nsid": nsid}) + "\n")
    prepare(host, drive, namespace)
    return drive


def _spare(host: Host, serial: str) -> Controller:
    present = controllers(host)
    matching = [one for one in present if one.serial == serial]
    if not matching:
        known = ", ".join(map(str, present)) or "none"
        raise Refusal(f"No NVMe controller of this host has the serial {serial!r}: choose from {known}")
    [controller] = matching[:1]
    if len(matching) > 1:
        raise Refusal(f"Several controllers of this host have the serial {serial!r}: choose another drive")
    if controller.held or controller.driver != STOCK_DRIVER:
        raise Refusal(
            f"Controller {controller} is with {controller.driver or 'no driver'} and not with the stock driver, so "
            "somebody has another use for it: choose a spare one, or give it back to the stock driver first"
        )
    return controller


def usable(namespace: Namespace, most: int) -> int:
    """Bytes of the partition that a namespace gets."""
    whole = namespace.lba_count * namespace.lba_size
    size = min(most, whole - 2 * label.ALIGNMENT) // label.ALIGNMENT * label.ALIGNMENT
    if size < 64 * MIB:
        raise Refusal(f"Namespace {namespace.nsid} is too small to measure on: take one of 128 MiB or more")
    return size


def parts(drive: Drive, count: int) -> list[tuple[int, int]]:
    """First byte and size of equal parts of the partition. They are of whole MiB, which suits any drive."""
    each = drive.size // count // MIB * MIB
    if not each:
        raise Refusal(
            f"{drive.size >> 20} MiB of controller {drive.serial} are too few for {count} shares of 1 MiB: take a "
            "larger namespace, or more of it (lightiov_bench_size_mib)"
        )
    return [(label.ALIGNMENT + number * each, each) for number in range(count)]


def prepare(host: Host, drive: Drive, namespace: Namespace) -> None:
    """Label the namespace, unless it has data; fill its partition, unless that was done before."""
    path, size = host.path(namespace.device), drive.size
    whole = namespace.lba_count * namespace.lba_size
    with path.open("rb") as device:
        first = device.read(max(namespace.lba_size, 512))
    if label.is_filled(first, size, namespace.lba_size):
        return
    if not label.is_ours(first):
        refuse_data(path, whole, drive)
    _write_label(host, path, label.first_block(size, namespace.lba_size, filled=False))
    if not wait_until(lambda: host.path(drive.partition).exists(), 30):
        raise LightiovError(f"The kernel shows no partition on {path}, although one was made: the kernel log says why")
    # A drive answers at once for what was never written.
    host.runner.run(
        [
            "fio",
            "--name=fill",
            f"--filename={drive.partition}",
            "--ioengine=libaio",
            "--direct=1",
            "--rw=write",
            "--bs=1m",
            "--iodepth=4",
            "--end_fsync=1",
        ],
        timeout=60 + size / FILL_BYTES_PER_SECOND,
    )
    _write_label(host, path, label.first_block(size, namespace.lba_size, filled=True))


def _write_label(host: Host, path: Path, block: bytes) -> None:
    with path.open("r+b") as device:
        # Whoever locks a disk keeps udev off it: the kernel reads no table anew while a partition is open.
        fcntl.flock(device, fcntl.LOCK_EX)
        device.write(block)
        device.flush()
        os.fsync(device.fileno())
        host.runner.run(["blockdev", "--rereadpt", str(path)])
    host.settle()


def refuse_data(path: Path, whole: int, drive: Drive) -> None:
    """Unless what is read of it is all zeroes."""
    chance = random.Random(1)
    inside = [chance.randrange(whole // PROBE) * PROBE for _number in range(PROBES)]
    pieces = [(at, MIB) for start in (0, max(0, whole - ENDS)) for at in range(start, min(start + ENDS, whole), MIB)]
    with path.open("rb") as device:
        for at, length in [*pieces, *((at, PROBE) for at in inside)]:
            device.seek(at)
            if device.read(length).strip(b"\0"):
                raise Refusal(
                    f"Namespace {drive.nsid} of controller {drive.serial} ({path}) has data at byte {at}, which the "
                    "benchmark would destroy: choose a blank one, or blank it if nobody needs what is on it "
                    f"(blkdiscard -z {path})"
                )
