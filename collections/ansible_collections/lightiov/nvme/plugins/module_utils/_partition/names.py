# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of VMs and hosts: replicas as inventories write them, the order that people expect, as many as they read."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError

RANGE = re.compile(r"\[(\d+):(\d+)\]")
DIGITS = re.compile(r"(\d+)")
MAX_REPLICAS = 100_000
# In a line or a sentence.
NAMED = 5


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key that has vm2 before vm10."""
    return tuple((0, int(part), part) if part.isdigit() else (1, 0, part) for part in DIGITS.split(name) if part)


def few(names: Sequence[str], between: str = ", ") -> str:
    """The first of them, and how many there are more."""
    more = len(names) - NAMED
    return between.join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def replicas(name: str, where: str) -> list[str]:
    """web[01:40] as web01 to web40; a name without a range as itself."""
    match = RANGE.search(name)
    if not match:
        if "[" in name or "]" in name:
            raise LightiovError(f"{where} cannot have the name {name!r}: write a range of replicas as in web[01:40]")
        return [name]
    first, last = match.groups()
    count = int(last) - int(first) + 1
    if not 1 <= count <= MAX_REPLICAS or (first.startswith("0") and len(first) != len(last)):
        raise LightiovError(
            f"{where} cannot have the replicas {match[0]}: write the smaller number first, both with as many digits, "
            f"and no more than {MAX_REPLICAS:,}"
        )
    width = len(first)
    rest = name[match.end() :]
    return [
        full
        for number in range(int(first), int(last) + 1)
        for full in replicas(f"{name[: match.start()]}{number:0{width}}{rest}", where)
    ]
