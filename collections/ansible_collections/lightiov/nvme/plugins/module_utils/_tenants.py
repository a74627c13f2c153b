# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tenant and which disk had each part of a namespace last: its data is still there, whoever gets it next."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._extent import Extent
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host, Texts, write_atomically
from ansible_collections.lightiov.nvme.plugins.module_utils._mdevctl import Attributes
from ansible_collections.lightiov.nvme.plugins.module_utils._plan import Plan

RECORD = "/etc/lightiov/tenants.json"


@dataclass(frozen=True)
class Part:
    """LBAs of a namespace, and who had them. Whole namespaces pass within a tenant, so they name no disk."""

    start: int
    end: float
    tenant: str
    disk: str = ""

    def overlaps(self, other: Part) -> bool:
        return self.start < other.end and other.start < self.end

    def without(self, other: Part) -> list[Part]:
        if not self.overlaps(other):
            return [self]
        left = replace(self, end=min(self.end, other.start))
        right = [] if other.end == math.inf else [replace(self, start=max(self.start, int(other.end)))]
        return [one for one in (left, *right) if one.start < one.end]


# By serial number of the controller, and by identity or number of the namespace.
Tenants = Mapping[str, Mapping[str, tuple[Part, ...]]]


def recorded(host: Host) -> Tenants:
    try:
        content = json.loads(host.path(RECORD).read_text(encoding="utf-8"))
        return {
            str(serial): {str(key): _parsed(value) for key, value in found.items()} for serial, found in content.items()
        }
    except FileNotFoundError:
        return {}
    except (ValueError, AttributeError, KeyError, TypeError):
        raise LightiovError(
            f"{RECORD} is not a record of tenants, so nobody knows whose data namespaces hold: correct the file, "
            "or remove it if each goes to the tenant that had it"
        ) from None


def _parsed(value: Any) -> tuple[Part, ...]:
    """A tenant who had all of the namespace, or a list of parts."""
    if isinstance(value, str):
        return (Part(0, math.inf, value),)
    return tuple(
        Part(
            start=int(one["first"]),
            end=math.inf if one.get("end") is None else int(one["end"]),
            tenant=str(one["tenant"]),
            disk=str(one.get("disk", "")),
        )
        for one in value
    )


def had(tenants: Tenants, serial: str, extent: Extent) -> list[Part]:
    """Who had these LBAs last."""
    wanted = Part(extent.start, extent.end, "")
    return [part for part in _known(tenants.get(serial, {}), extent) if part.overlaps(wanted)]


def _known(known: Mapping[str, tuple[Part, ...]], extent: Extent) -> tuple[Part, ...]:
    return known.get(extent.identity) or known.get(str(extent.nsid)) or ()


def places(tenants: Tenants, serial: str, extent: Extent) -> list[Extent]:
    """Of all disks that were on the namespace of this one."""
    return [
        Extent(extent.nsid, extent.identity, part.disk, part.start, int(part.end) - part.start)
        for part in _known(tenants.get(serial, {}), extent)
        if part.disk and part.end < math.inf
    ]


def noted(tenants: Tenants, mdevs: Iterable[tuple[str, Attributes]], *, replace: bool) -> Tenants:
    """With the tenants of these mdevs, each with the serial number of its controller, noted as well."""
    result = {serial: dict(known) for serial, known in tenants.items()}
    for serial, attributes in mdevs:
        for extent in attributes.extents:
            parts = had(result, serial, extent)
            # What can only be read leaves nothing, and several may have it at once.
            kept = parts and (
                not replace or (extent.read_only and {part.tenant for part in parts} == {attributes.tenant})
            )
            if serial and attributes.tenant and not kept:
                known = result.setdefault(serial, {})
                before = _known(known, extent)
                known.pop(str(extent.nsid), None)
                known[extent.identity or str(extent.nsid)] = _with(before, extent, attributes.tenant)
    return result


def _with(parts: Iterable[Part], extent: Extent, tenant: str) -> tuple[Part, ...]:
    new = Part(extent.start, extent.end, tenant, "" if extent.is_whole else extent.id)
    left = [rest for part in parts for rest in part.without(new)]
    return tuple(sorted([*left, new], key=lambda part: part.start))


def plan(host: Host, before: Tenants, after: Tenants, result: Plan) -> Texts:
    if after != before:
        result.add("record", RECORD, partial(write_atomically, host.path(RECORD), _text(after)))
    return {RECORD: (_text(before), _text(after))}


def _text(tenants: Tenants) -> str:
    content = {serial: {key: _shown(parts) for key, parts in known.items()} for serial, known in tenants.items()}
    return json.dumps(content, indent=2, sort_keys=True) + "\n" if tenants else ""


def _shown(parts: tuple[Part, ...]) -> object:
    if len(parts) == 1 and (parts[0].start, parts[0].end) == (0, math.inf):
        return parts[0].tenant
    return [
        {
            "first": part.start,
            "end": None if part.end == math.inf else int(part.end),
            "tenant": part.tenant,
            **({"disk": part.disk} if part.disk else {}),
        }
        for part in parts
    ]
