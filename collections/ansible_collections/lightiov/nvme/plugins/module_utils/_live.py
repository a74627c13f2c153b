# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of an mdev's disks while it is there, whether a VM has it open or not: by the host module's attributes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._extent import Extent, Slot
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host, wait_until
from ansible_collections.lightiov.nvme.plugins.module_utils._mdev import Placed
from ansible_collections.lightiov.nvme.plugins.module_utils._mdevctl import MDEV_DEVICES


@dataclass(frozen=True)
class Change:
    """What an mdev has to give up and to get. What grows is among what it gets. What it keeps may still be asked for by
    a run that was killed while it waited."""

    mdev: Placed
    asked: tuple[Extent, ...]
    leaving: tuple[Extent, ...]
    coming: tuple[Extent, ...]

    @classmethod
    def of(cls, mdev: Placed, has: Sequence[Extent], asked_for: Collection[str] = ()) -> Change:
        """`asked_for`: IDs of extents."""
        wanted = mdev.extents
        leaving = tuple(one for one in has if not any(_becomes(one, other) for other in wanted))
        coming = tuple(one for one in wanted if not any(one.is_as(other) for other in has))
        asked = tuple(one for one in has if one.id in asked_for and one not in leaving)
        return cls(mdev, asked, leaving, coming)

    def __bool__(self) -> bool:
        return bool(self.asked or self.leaving or self.coming)


def _becomes(extent: Extent, wanted: Extent) -> bool:
    return wanted.is_at(extent) and wanted.end >= extent.end


def release(host: Host, uuid: str, extent: Extent, *, force: bool, timeout: int) -> None:
    """Take a disk from an mdev: if a VM has it open, when the guest has let go of the disk, or else by force."""
    name = f"Disk {extent.name or extent.id} of mdev {uuid}"
    _write(host, uuid, "release", extent.id, f"{name} is not given back")
    if wait_until(lambda: not _has(host, uuid, extent.id), timeout):
        return
    if force:
        _write(host, uuid, "remove_extent", extent.id, f"{name} is not taken away")
        if wait_until(lambda: not _has(host, uuid, extent.id), timeout):
            return
    _write(host, uuid, "release", f"cancel={extent.id}", f"{name} is still asked for")
    # It may have been let go of at the last moment.
    if _has(host, uuid, extent.id):
        raise LightiovError(
            f"{name} is still in use in its VM after {timeout} seconds: unmount it there, or add detach to "
            "lightiov_allow (option force) to have it taken away at once"
        )


def keep(host: Host, uuid: str, extent: Extent) -> None:
    """Take back that a disk is asked for. One that was let go of meanwhile is added again."""
    _write(host, uuid, "release", f"cancel={extent.id}", f"Disk {extent.name} of mdev {uuid} is still asked for")
    if not _has(host, uuid, extent.id):
        give(host, uuid, extent)


def give(host: Host, uuid: str, extent: Extent) -> None:
    """Add a disk to an mdev, or let it grow."""
    _write(host, uuid, "extent", str(extent), f"Disk {extent.name or extent.id} of mdev {uuid} is refused")


def _has(host: Host, uuid: str, id_: str) -> bool:
    table = host.read(f"{MDEV_DEVICES}/{uuid}/extents") or ""
    return any(slot.extent.id == id_ for slot in Slot.parse_all(table))


def _write(host: Host, uuid: str, attribute: str, text: str, failed: str) -> None:
    try:
        host.write_attribute(f"{MDEV_DEVICES}/{uuid}/{attribute}", text)
    except OSError as error:
        # What the guest has let go of meanwhile is neither there to ask for nor to be left.
        if attribute == "extent" or _has(host, uuid, text.rpartition("=")[2]):
            raise LightiovError(f"{failed}: see the kernel log for the reason ({error.strerror})") from error
