# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes of disks, as inventories say them."""

from __future__ import annotations

import re

from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError

UNITS = {"MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
DECIMAL = ("KB", "MB", "GB", "TB", "PB")
SIZE = re.compile(r"([0-9]{1,9}) ?([A-Za-z]+)")


def parse_size(value: object, where: str, otherwise: str = "leave size out for the whole namespace") -> int:
    """Bytes of a size such as "200 GiB"."""
    match = SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match and match[2].upper() in DECIMAL:
        raise LightiovError(
            f"{where} cannot have the size {value!r}, because drives and systems do not agree on decimal units: say it "
            "in MiB, GiB or TiB, such as 200 GiB"
        )
    if not match or match[2] not in UNITS or not int(match[1]):
        raise LightiovError(
            f"{where} cannot have the size {value!r}: write a whole number and MiB, GiB or TiB, such as 200 GiB, or "
            f"{otherwise}"
        )
    return int(match[1]) * UNITS[match[2]]


def show_size(size: int) -> str:
    """In the largest unit that says it exactly; in MiB rounded down if none does."""
    unit = next((name for name in reversed(UNITS) if size and not size % UNITS[name]), "MiB")
    return f"{size // UNITS[unit]} {unit}"
