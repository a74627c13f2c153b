# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the data is of disks that VMs lose: nothing erases it before another disk gets its place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils._extent import Extent
from ansible_collections.lightiov.nvme.plugins.module_utils._mdev_difference import Difference
from ansible_collections.lightiov.nvme.plugins.module_utils._mdevctl import Attributes
from ansible_collections.lightiov.nvme.plugins.module_utils._sysfs import Controller


def released(difference: Difference) -> list[dict[str, Any]]:
    """Each disk once, whether its mdev exists or is only defined."""
    controllers = {one.serial: one for one in difference.present.values()}
    found = {}
    for uuid, serial, attributes, extent in _released(difference):
        told = _told(extent, attributes.name or uuid, serial, controllers.get(serial))
        found[serial, told["namespace"], extent.start, told["vm"]] = told
    return sorted(found.values(), key=lambda one: (one["vm"], one["controller"], one["namespace"], one["first"] or 0))


def _released(difference: Difference) -> Iterator[tuple[str, str, Attributes, Extent]]:
    before = difference.before
    active = [(one.uuid, one.address, one.attributes) for one in before.active.values()]
    defined = [(one.uuid, one.address, one.parsed) for one in before.defined.values()]
    for uuid, address, attributes in (*active, *defined):
        staying: tuple[Extent, ...] = ()
        if not difference.is_removed(uuid, [attributes]):
            if not difference.grows or uuid not in difference.ready:
                continue
            staying = tuple(difference.ready[uuid].extents)
        serial = attributes.serial or difference.serial_at(address)
        for extent in attributes.extents:
            if not any(_meet(extent, other) for other in staying):
                yield uuid, serial, attributes, extent


def _meet(one: Extent, other: Extent) -> bool:
    return one.is_on(other.nsid, other.identity) and one.start < other.end and other.start < one.end


def _told(extent: Extent, name: str, serial: str, controller: Controller | None) -> dict[str, Any]:
    # The version before made an mdev of each disk, and named it so.
    vm, _slash, former = name.partition("/")
    namespace = next((one for one in controller.namespaces if one.nsid == extent.nsid), None) if controller else None
    count = extent.count if namespace is None or extent.count is not None else namespace.lba_count
    return {
        "vm": vm,
        "disk": extent.name or former,
        "controller": serial,
        "namespace": extent.identity or (namespace and namespace.id) or str(extent.nsid),
        "first": extent.start * namespace.lba_size if namespace else None,
        "bytes": count * namespace.lba_size if namespace and count is not None else None,
    }
