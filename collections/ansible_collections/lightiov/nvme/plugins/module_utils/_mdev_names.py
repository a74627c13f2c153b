# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks whose namespace is named as lightiov_namespaces names it: only the host knows which one that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ansible_collections.lightiov.nvme.plugins.module_utils._mdev import Wanted, is_parent
from ansible_collections.lightiov.nvme.plugins.module_utils._namespace_record import NAME, Record
from ansible_collections.lightiov.nvme.plugins.module_utils._plan import Unmet
from ansible_collections.lightiov.nvme.plugins.module_utils._sysfs import Controller


def resolve(
    present: Sequence[Controller], wanted: Sequence[Wanted], record: Record
) -> tuple[list[Wanted], dict[str, Unmet]]:
    """The mdevs with identities in the place of names; by UUID, what those wait for that name one not made yet."""
    found = []
    waiting = {}
    for mdev in wanted:
        serial = next((one.serial for one in present if is_parent(one, mdev)), mdev.parent)
        made = {name: one.identity for name, one in record.get(serial, {}).items() if one.identity}
        missing = [one.namespace for one in mdev.disks if NAME.fullmatch(one.namespace) and one.namespace not in made]
        if missing:
            waiting[mdev.uuid] = _unmet(mdev, missing[0], serial, made)
        else:
            disks = tuple(replace(disk, namespace=made.get(disk.namespace, disk.namespace)) for disk in mdev.disks)
            found.append(replace(mdev, disks=disks))
    return found, waiting


def _unmet(mdev: Wanted, name: str, serial: str, made: Mapping[str, str]) -> Unmet:
    known = f"choose from {', '.join(sorted(made))}, or " if made else ""
    return Unmet(
        f"mdev {mdev.uuid} ({mdev.vm}) wants namespace {name}, which LightIOV has not made on controller {serial}: "
        f"{known}list it in lightiov_namespaces, which makes it",
        until="namespace",
        object=f"{serial}/{name}",
    )
