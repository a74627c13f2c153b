# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes as people write them."""

from __future__ import annotations

import re

from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError

UNITS = {"MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
SIZE = re.compile(r"(\d+) ?(MiB|GiB|TiB)")


def parse(value: object, where: str) -> int:
    """Bytes of "200 GiB"."""
    match = SIZE.fullmatch(value) if isinstance(value, str) else None
    if not match or not int(match[1]):
        raise LightiovError(f"{where} cannot have the size {value!r}: write a whole number and MiB, GiB or TiB")
    return int(match[1]) * UNITS[match[2]]


def show(size: int) -> str:
    """The shortest text that `parse` takes for the same; what is below a MiB is left out."""
    for unit in ("TiB", "GiB"):
        if size and size % UNITS[unit] == 0:
            return f"{size // UNITS[unit]} {unit}"
    return f"{size // UNITS['MiB']} MiB"
