# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""UUIDs of mdevs that survive renumbered PCI addresses and rebuilt hosts."""

from __future__ import annotations

import uuid

from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "lightiov.nvme")


def mdev_uuid(serial: str | int, vm: str | int, disk: str | int) -> str:
    """UUIDv5 of (controller serial, VM, disk); "/" separates them and so may not be part of one."""
    names = (_text("serial number", serial), _text("VM name", vm), _text("disk name", disk))
    return str(uuid.uuid5(NAMESPACE, "/".join(names)))


def _text(what: str, value: object) -> str:
    # YAML takes a name of digits for a number.
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value:
        raise LightiovError(f"The {what} {value!r} cannot name an mdev, because it is not a non-empty string: give one")
    if "/" in value:
        raise LightiovError(
            f"The {what} {value!r} cannot name an mdev, because it contains a slash: choose one without"
        )
    return value


def canonical(text: str) -> str:
    """The one spelling of a UUID that sysfs, mdevctl and libvirt use."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise LightiovError(
            f"{text!r} cannot name an mdev, because it is not a UUID: see the filter lightiov.nvme.mdev_uuid"
        ) from None
