# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which VMs of a list say where they are, and which leave that to the plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils._partition import intent
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.addresses import POOL
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.names import RANGE


def is_wish(entry: object) -> bool:
    """What is no VM at all is none either: whoever reads the list says what is wrong with it."""
    if not isinstance(entry, Mapping):
        return False
    if intent.PLANNED_KEYS & entry.keys() or RANGE.search(str(entry.get("name"))):
        return True
    if entry.get("address") == POOL:
        return True
    disks = entry.get("disks")
    return isinstance(disks, Sequence) and any(isinstance(disk, Mapping) and _is_loose(disk) for disk in disks)


def by_hand(listed: object) -> object:
    """The list without its wishes."""
    if not isinstance(listed, Sequence) or isinstance(listed, str):
        return listed
    return [entry for entry in listed if not is_wish(entry)]


def wanted(lists: Mapping[str, object]) -> list[str]:
    """Names of a fleet's VMs, from the lists of its hosts, if any is a wish. Raises what is wrong in the lists."""
    if not any(is_wish(entry) for listed in lists.values() if isinstance(listed, Sequence) for entry in listed):
        return []
    entries, hosts = intent.collect(lists)
    return list(intent.parse(entries, hosts).options)


def written_by_hand(lists: Mapping[str, Sequence[Any]], seen_by: Mapping[str, frozenset[str] | None]) -> set[str]:
    """Hosts with a list of their own, in which each VM has its place."""

    def is_own(entry: Any) -> bool:
        hosts = seen_by.get(str(entry["name"]))
        return len(lists) == 1 if hosts is None else len(hosts) == 1

    return {
        name
        for name, listed in lists.items()
        if listed and all(is_own(entry) and not is_wish(entry) for entry in listed)
    }


def _is_loose(disk: Mapping[str, Any]) -> bool:
    return not disk.get("controller") or disk.get("namespace") is None
