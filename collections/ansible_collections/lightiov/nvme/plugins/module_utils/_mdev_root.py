# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The root disk of a VM as one of its LightIOV disks, filled from an image before the VM starts for the first time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils import _liov
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._mdev import driver_name
from ansible_collections.lightiov.nvme.plugins.module_utils._mdev_state import mdev_states
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

    def make(self, host: Host, begun: bool, begin: Callable[[], None]) -> None:
        """`begun` is that an earlier run has called `begin`: what is on the disk is its own, then, and not whole."""
        if self.keep and not begun:
            return
        disk = self._look(host)
        liov = partial(_liov.run, host, self.path, disk["size"] or 0)
        which = ("--disk", disk["id"])
        if not begun:
            try:
                liov("blank", self.mdev, *which)
            except CommandError as error:
                raise LightiovError(
                    f"The root of a new VM, {self.path}, is not blank, and may hold a former VM's data: set root_keep "
                    f"in lightiov_vms to boot from what is on it, or have it erased with liov blank {self.mdev} --disk "
                    f"{self.disk} --yes-destroy-data ({error.output or error})"
                ) from error
            begin()
        try:
            liov("copy-in", self.mdev, str(host.path(self.image)), *which, "--yes-destroy-data")
        except CommandError as error:
            raise LightiovError(
                f"The root of a new VM, {self.path}, was not filled from {self.image}: give the disk the size of the "
                f"image, or see the kernel log ({error.output or error})"
            ) from error

    def _look(self, host: Host) -> Mapping[str, Any]:
        """The disk as the host has it."""
        for mdev in mdev_states(host):
            if mdev.uuid == self.mdev and mdev.active:
                for disk in mdev.disks:
                    if disk["name"] == driver_name(self.disk):
                        return disk
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
