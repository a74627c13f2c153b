# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tenant had each namespace last: its data is still there, whoever gets the namespace next."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import partial

from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host, Texts, write_atomically
from ansible_collections.lightiov.nvme.plugins.module_utils._mdevctl import Attributes, Claim
from ansible_collections.lightiov.nvme.plugins.module_utils._plan import Plan

RECORD = "/etc/lightiov/tenants.json"

# By serial number of the controller, then by identity of the namespace, or NSID where it has none.
Tenants = Mapping[str, Mapping[str, str]]


def recorded(host: Host) -> Tenants:
    try:
        content = json.loads(host.path(RECORD).read_text(encoding="utf-8"))
        return {str(serial): {str(key): str(name) for key, name in found.items()} for serial, found in content.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, AttributeError):
        raise LightiovError(
            f"{RECORD} is not a record of tenants, so nobody knows whose data namespaces hold: correct the file, "
            "or remove it if each goes to the tenant that had it"
        ) from None


def last(tenants: Tenants, serial: str, claim: Claim) -> str:
    """The tenant that had a namespace last, empty if nobody knows of one."""
    known = tenants.get(serial, {})
    return known.get(claim.id) or known.get(str(claim.nsid)) or ""


def noted(tenants: Tenants, mdevs: Iterable[tuple[str, Attributes]], *, replace: bool) -> Tenants:
    """With the tenants of these mdevs, each with the serial number of its controller, noted as well."""
    result = {serial: dict(known) for serial, known in tenants.items()}
    for serial, attributes in mdevs:
        for claim in attributes.namespaces:
            if serial and attributes.tenant and (replace or not last(result, serial, claim)):
                known = result.setdefault(serial, {})
                known.pop(str(claim.nsid), None)
                known[claim.id or str(claim.nsid)] = attributes.tenant
    return result


def plan(host: Host, before: Tenants, after: Tenants, result: Plan) -> Texts:
    if after != before:
        result.add("record", RECORD, partial(write_atomically, host.path(RECORD), _text(after)))
    return {RECORD: (_text(before), _text(after))}


def _text(tenants: Tenants) -> str:
    return json.dumps(tenants, indent=2, sort_keys=True) + "\n" if tenants else ""
