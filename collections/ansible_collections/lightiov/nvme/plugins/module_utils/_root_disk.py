# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The root disk of a VM as a file: an overlay of an image, never half made, and never another's."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils import _whole_file
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._plan import Plan

# An overlay is made in an instant, but its image may be on a storage that does not answer.
PATIENCE = 120


def check_image(host: Host, vm: str, image: str) -> None:
    """Refuse a VM that there is nothing to make from."""
    if not image:
        raise LightiovError(
            f"VM {vm} has no image to make its root disk from: set lightiov_vm_image, or its image in lightiov_vms"
        )
    if not host.path(image).exists():
        raise LightiovError(
            f"VM {vm} cannot be made from {image}, because that is not on this host: put it there, or correct "
            f"lightiov_vm_image or the image of {vm} in lightiov_vms"
        )


@dataclass(frozen=True)
class RootDisk:
    """The file, and what it is made from."""

    path: str
    image: str
    format: str
    size_gib: int | None
    keep: bool

    # It comes with what boots it.
    boot = None

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> RootDisk:
        return cls(
            path=options["path"],
            image=options["image"] or "",
            format=options["format"],
            size_gib=options["size_gib"],
            keep=options["keep"],
        )

    def exists(self, host: Host) -> bool:
        return os.path.lexists(host.path(self.path))

    def check_new(self, host: Host, vm: str, result: Plan) -> None:
        """Refuse what a new VM cannot be made with."""
        if self.exists(host):
            if self.keep:
                return
            raise LightiovError(
                f"The root disk of new VM {vm}, {self.path}, exists and may hold a former VM's data: move it away, "
                f"or set root_keep of {vm} in lightiov_vms to use it as it is"
            )
        check_image(host, vm, self.image)

    def make(self, host: Host, _begun: str, _begin: Callable[[str], None]) -> None:
        _whole_file.make(host.path(self.path), lambda path: self._fill(host, path))

    def _fill(self, host: Host, path: Path) -> None:
        size = [f"{self.size_gib}G"] if self.size_gib else []
        overlay = ["-f", "qcow2", "-F", self.format, "-b", str(host.path(self.image)), str(path), *size]
        host.runner.run(["qemu-img", "create", "-q", *overlay], timeout=PATIENCE)

    def half_made(self, host: Host) -> Path | None:
        path = _whole_file.half_made(host.path(self.path))
        return path if os.path.lexists(path) else None

    def aside(self, uuid: str) -> str:
        """Where the root disk of a VM that is removed stays; no VM to come looks for it there."""
        return f"{self.path}.removed-{uuid}"

    def set_aside(self, host: Host, uuid: str) -> None:
        _whole_file.rename(host.path(self.path), host.path(self.aside(uuid)))

    def is_aside(self, host: Host, uuid: str) -> bool:
        """As of a removal that ended before the domain was gone."""
        return not self.exists(host) and os.path.lexists(host.path(self.aside(uuid)))

    def put_back(self, host: Host, uuid: str) -> None:
        _whole_file.rename(host.path(self.aside(uuid)), host.path(self.path))
