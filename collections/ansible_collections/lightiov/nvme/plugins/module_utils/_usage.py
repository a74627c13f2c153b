# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who uses a controller now, and what would be lost with it."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host, entries, link_name, read
from ansible_collections.lightiov.nvme.plugins.module_utils._mdevctl import MDEV_DEVICES
from ansible_collections.lightiov.nvme.plugins.module_utils._sysfs import DRIVER, Controller

# udev opens every block device for a moment whenever it changes.
PASSING = {"systemd-udevd", "(udev-worker)"}
ESCAPE = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True)
class BlockDevice:
    name: str
    number: str
    path: Path

    @property
    def node(self) -> str:
        return f"/dev/{self.name}"


def in_use(host: Host, controller: Controller) -> list[str]:
    """A sentence for each present use, none of which may be ended by taking the controller."""
    uses = []
    for mdev in open_mdevs(host, controller):
        uses.append(f"mdev {mdev} is open")
    nodes = {controller.admin} if controller.admin else set()
    if controller.iommu_group is not None and controller.driver != DRIVER:
        nodes.add(f"/dev/vfio/{controller.iommu_group}")
    mounts = list(_mounts(host))
    swaps = _swaps(host)
    for namespace in controller.namespaces:
        if not namespace.device:
            continue
        disk = namespace.device.rpartition("/")[2]
        nodes.add(f"/dev/{disk.replace('nvme', 'ng', 1)}")
        found = []
        for device in _tree(host, disk):
            nodes.add(device.node)
            found += [
                f"{device.node} is mounted on {target}"
                for number, source, target in mounts
                if number == device.number or source == device.node
            ]
            if device.node in swaps:
                found.append(f"{device.node} is swap space")
            found += [f"{device.node} is part of {holder.name}" for holder in entries(device.path / "holders")]
        # Catches what has no mark in sysfs, such as ZFS, and mounts in other mount namespaces.
        if not found and _claimed(host.path(namespace.device)):
            found.append(f"{namespace.device} is claimed by the kernel")
        uses += found
    return uses + _open_files(host, nodes)


def members(host: Host, controller: Controller) -> list[str]:
    """A sentence for each inactive volume whose loss another device would feel."""
    found = []
    for namespace in controller.namespaces:
        for device in _tree(host, namespace.device.rpartition("/")[2]) if namespace.device else []:
            properties = dict(
                line[2:].split("=", 1)
                for line in (host.read(f"/run/udev/data/b{device.number}") or "").splitlines()
                if line.startswith("E:") and "=" in line
            )
            if properties.get("ID_FS_USAGE") in ("raid", "crypto"):
                found.append(f"{device.node} holds a volume of type {properties.get('ID_FS_TYPE', 'unknown')}")
    return found


def open_mdevs(host: Host, controller: Controller) -> list[str]:
    return [mdev for mdev in controller.mdevs if mdev_is_open(host, mdev)]


def mdev_is_open(host: Host, uuid: str) -> bool:
    """Whether a VM or another process has an mdev open."""
    state = host.read(f"{MDEV_DEVICES}/{uuid}/state") or ""
    if state in ("", "closed"):
        return False
    if state in ("open", "ready"):
        return True
    # The other states say what befell it, open or not.
    device = host.path(f"{MDEV_DEVICES}/{uuid}")
    nodes = {f"/dev/vfio/devices/{cdev.name}" for cdev in entries(device / "vfio-dev")}
    nodes.add(f"/dev/vfio/{link_name(device / 'iommu_group')}")
    return bool(_open_files(host, nodes))


def _tree(host: Host, name: str) -> Iterator[BlockDevice]:
    """A disk, its partitions, and all that is built on them."""
    path = host.path(f"/sys/class/block/{name}")
    number = read(path / "dev")
    if number is None:
        return
    yield BlockDevice(name, number, path)
    for entry in entries(path):
        if (entry / "partition").exists():
            yield from _tree(host, entry.name)
    for holder in entries(path / "holders"):
        yield from _tree(host, holder.name)


def _mounts(host: Host) -> Iterator[tuple[str, str, str]]:
    """(device number, source, target) of each mount; btrfs shows its disk in the source only."""
    for line in (host.read("/proc/self/mountinfo") or "").splitlines():
        fields = line.split()
        separator = fields.index("-")
        source = _unescape(fields[separator + 2])
        if source.startswith("/dev/mapper/"):
            source = f"/dev/{host.path(source).resolve().name}"
        yield fields[2], source, _unescape(fields[4])


def _swaps(host: Host) -> set[str]:
    lines = (host.read("/proc/swaps") or "").splitlines()[1:]
    return {_unescape(line.split()[0]) for line in lines}


def _unescape(text: str) -> str:
    return ESCAPE.sub(lambda match: chr(int(match[1], 8)), text)


def _claimed(node: Path) -> bool:
    """Whether someone has opened a block device or a part of it exclusively."""
    try:
        os.close(os.open(node, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC))
    except OSError as error:
        return error.errno == errno.EBUSY
    return False


def _open_files(host: Host, nodes: set[str]) -> list[str]:
    """Processes that have one of the device nodes open."""
    found = []
    for process in entries(host.path("/proc")):
        if not process.name.isdigit() or process.name == str(os.getpid()):
            continue
        name = read(process / "comm") or "a process"
        if name in PASSING:
            continue
        opened = set()
        for descriptor in entries(process / "fd"):
            try:
                opened.add(str(descriptor.readlink()))
            except OSError:
                continue
        found += [f"{node} is open by {name} (process {process.name})" for node in sorted(opened & nodes)]
    return found
