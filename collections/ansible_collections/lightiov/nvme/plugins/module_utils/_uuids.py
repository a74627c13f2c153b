# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""UUIDs of mdevs and disks that survive renumbered PCI addresses and rebuilt hosts."""

from __future__ import annotations

import uuid

from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "lightiov.nvme")


def mdev_uuid(serial: str | int, vm: str | int, disk: str | int | None = None) -> str:
    """UUIDv5 of (controller serial, VM); "/" separates them and so may not be part of one.

    With a disk it is the ID of that disk where it is a whole namespace. In the version before each disk had an mdev of
    its own, with that UUID.
    """
    names = [_text("serial number", serial), _text("VM name", vm)]
    if disk is not None:
        names.append(_text("disk name", disk))
    return named(*names)


def named(*names: str | int) -> str:
    return str(uuid.uuid5(NAMESPACE, "/".join(map(str, names))))


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
