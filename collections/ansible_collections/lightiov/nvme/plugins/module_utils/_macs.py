# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MAC addresses of VMs, from their names."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError

# Of one station; the second digit of a group's address is odd.
UNICAST = re.compile(r"[0-9a-f][02468ace](:[0-9a-f]{2}){5}")


def vm_macs(vms: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The MAC address of each VM by name: its own, or a locally administered one with 44 bits of its name's digest."""
    owners: dict[str, str] = {}
    for vm in vms:
        name = str(vm["name"])
        mac = str(vm.get("mac") or _derived(name)).lower()
        if not UNICAST.fullmatch(mac):
            raise LightiovError(
                f"VM {name} cannot have the MAC address {mac}: write six pairs of digits, the first pair even, "
                "in quotation marks, as its mac in lightiov_vms"
            )
        if mac in owners and owners[mac] != name:
            raise LightiovError(
                f"VMs {owners[mac]} and {name} have the same MAC address, {mac}: give one of them a mac of its own "
                "in lightiov_vms"
            )
        owners[mac] = name
    return {name: mac for mac, name in owners.items()}


def _derived(name: str) -> str:
    digest = hashlib.sha256(name.encode()).hexdigest()
    digits = f"{digest[0]}2{digest[1:11]}"
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2))
