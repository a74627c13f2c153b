# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""UUIDs of mdevs that survive renumbered PCI addresses and rebuilt hosts."""

from __future__ import annotations

import uuid

from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "lightiov.nvme")


def mdev_uuid(serial: str, vm: str, disk: str) -> str:
    """UUIDv5 of (controller serial, VM, disk); "/" separates them and so may not be part of one."""
    for what, text in (("serial number", serial), ("VM name", vm), ("disk name", disk)):
        if not isinstance(text, str) or not text:
            raise LightiovError(
                f"The {what} {text!r} cannot name an mdev, because it is not a non-empty string: give one"
            )
        if "/" in text:
            raise LightiovError(
                f"The {what} {text!r} cannot name an mdev, because it contains a slash: choose one without"
            )
    return str(uuid.uuid5(NAMESPACE, f"{serial}/{vm}/{disk}"))


def canonical(text: str) -> str:
    """The one spelling of a UUID that sysfs, mdevctl and libvirt use."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise LightiovError(
            f"{text!r} cannot name an mdev, because it is not a UUID: see the filter lightiov.nvme.mdev_uuid"
        ) from None
