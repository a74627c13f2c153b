# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The root disk of a VM as one of its LightIOV disks, filled from an image before the VM starts for the first time."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils import _liov
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._mdev import driver_name
from ansible_collections.lightiov.nvme.plugins.module_utils._mdev_state import MdevState, mdev_states
from ansible_collections.lightiov.nvme.plugins.module_utils._plan import Plan
from ansible_collections.lightiov.nvme.plugins.module_utils._root_disk import check_image
from ansible_collections.lightiov.nvme.plugins.module_utils._runner import CommandError
from ansible_collections.lightiov.nvme.plugins.module_utils._uuids import canonical


@dataclass(frozen=True)
class MdevRoot:
    """The disk, what it is filled from, and what the host boots the VM with: no boot loader finds the disk."""

    mdev: str
    disk: str
    image: str
    format: str
    boot: Mapping[str, str] | None
    keep: bool

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> MdevRoot:
        return cls(
            mdev=canonical(options["mdev"]),
            disk=options["disk"],
            image=options["image"] or "",
            format=options["format"],
            boot=options["boot"],
            keep=options["keep"],
        )

    @property
    def path(self) -> str:
        """What it goes by in what is done and shown; a file is it not."""
        return f"disk {self.disk} of mdev {self.mdev}"

    def exists(self, _host: Host) -> bool:
        """Whether nothing is to be made; what is on the disk is read when it is filled."""
        return self.keep

    def check_new(self, host: Host, vm: str, result: Plan) -> None:
        """Refuse what a new VM cannot be made with."""
        check_image(host, vm, self.image)
        if not self.boot:
            result.refuse(
                f"VM {vm} has its root on disk {self.disk}, and nothing to boot that with: set lightiov_image_driver, "
                "so that a copy of its image has the guest driver, and a kernel is taken out of it",
                until="guest_image",
            )
        elif self.format != "raw":
            raise LightiovError(
                f"The root disk of VM {vm} cannot be filled from {self.image}, because that is no raw image: convert "
                "it with qemu-img convert -O raw"
            )

    def make(self, host: Host, begun: str, begin: Callable[[str], None]) -> None:
        """`begun` is what an earlier run has called `begin` with: what is on these bytes is its own, and not whole."""
        if self.keep:
            return
        mdev, disk = self._look(host)
        self._check_size(host, disk)
        liov = partial(_liov.run, host, self.path, disk["size"] or 0)
        which = ("--disk", disk["id"])
        found = _bytes_of(mdev, disk)
        if begun != found:
            if begun:  # others may have these bytes by the time that the disk is on them again
                begin("")
            try:
                liov("blank", self.mdev, *which)
            except CommandError as error:
                raise LightiovError(
                    f"The root of a new VM, {self.path}, is not blank, and may hold a former VM's data: set root_keep "
                    f"in lightiov_vms to boot from what is on it, or have it erased with liov blank {self.mdev} --disk "
                    f"{self.disk} --yes-destroy-data ({error.output or error})"
                ) from error
            begin(found)
        try:
            liov("copy-in", self.mdev, str(host.path(self.image)), *which, "--yes-destroy-data")
        except CommandError as error:
            raise LightiovError(
                f"The root of a new VM, {self.path}, was not filled from {self.image}: give the disk the size of the "
                f"image, or see the kernel log ({error.output or error})"
            ) from error

    def _check_size(self, host: Host, disk: Mapping[str, Any]) -> None:
        """Before the disk is read, which takes long."""
        size, needed = disk["size"], _length(host.path(self.image))
        if size is not None and needed is not None and needed > size:
            raise LightiovError(
                f"The root of a new VM, {self.path}, cannot be filled from {self.image}, because the image has "
                f"{needed:,} bytes, and the disk {size:,}: give the disk the size of the image in lightiov_vms, or "
                "choose a smaller image"
            )

    def _look(self, host: Host) -> tuple[MdevState, Mapping[str, Any]]:
        """The mdev and the disk as the host has them."""
        for mdev in mdev_states(host):
            if mdev.uuid == self.mdev and mdev.active:
                for disk in mdev.disks:
                    if disk["name"] == driver_name(self.disk):
                        return mdev, disk
        raise LightiovError(
            f"The root of a new VM, {self.path}, cannot be filled, because the mdev has no such disk: make it with "
            "lightiov.nvme.mdev"
        )

    def half_made(self, _host: Host) -> None:
        """It is never looked at again, as all of the mdev."""

    def set_aside(self, _host: Host, _uuid: str) -> None:
        """It goes with the mdev."""

    def aside(self, _uuid: str) -> str:
        return self.path

    def is_aside(self, _host: Host, _uuid: str) -> bool:
        return False

    def put_back(self, _host: Host, _uuid: str) -> None:
        """It was never elsewhere."""


def _bytes_of(mdev: MdevState, disk: Mapping[str, Any]) -> str:
    """What is behind a disk. Its name, and its ID that comes of the name, stay when it is elsewhere."""
    blocks = "" if disk["count"] is None else f" {disk['first'] or 0}+{disk['count']}"
    return f"{mdev.parent} {disk['identity'] or disk['nsid']}{blocks}"


def _length(image: Path) -> int | None:
    """Of a file or a block device, which has none by its name."""
    try:
        with image.open("rb") as stream:
            return stream.seek(0, os.SEEK_END)
    except OSError:
        return None
