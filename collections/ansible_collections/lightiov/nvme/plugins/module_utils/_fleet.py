# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The VMs of all hypervisors as hosts of the inventory, and how SSH gets to each."""

from __future__ import annotations

import hashlib
import shlex
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._vms import vms

Variables = Mapping[str, Any]

# The variables of a hypervisor that say which VMs it has and how SSH gets to them.
GUEST_DEPENDS_ON = (
    "lightiov_vms",
    "ansible_connection",
    "ansible_host",
    "ansible_port",
    "ansible_ssh_port",
    "ansible_user",
    "ansible_ssh_user",
)


def guests(
    hypervisors: Iterable[str],
    hostvars: Mapping[str, Variables],
    elsewhere: Mapping[str, object] | None = None,
) -> list[dict[str, Any]]:
    """Without those of a hypervisor whose list is missing or wrong: its own preflight says what is wrong.

    `elsewhere` are lists of hypervisors whose variables have another.
    """
    found = []
    for hypervisor in hypervisors:
        variables = hostvars[hypervisor]
        try:
            listed = vms((elsewhere or {}).get(hypervisor, variables.get("lightiov_vms")))
        except LightiovError:
            continue
        found += [_guest(hypervisor, variables, vm) for vm in listed]
    return found


def host_variables(guest: Mapping[str, Any]) -> dict[str, Any]:
    """Of the VM as a host of the inventory, as playbooks/guests.yml gives them too."""
    variables = {
        "ansible_host": guest["address"],
        "ansible_control_path": guest["control_path"],
        "lightiov_ssh_args": guest["ssh_args"],
        "lightiov_hypervisor": guest["hypervisor"],
        "lightiov_vm": guest["vm"],
    }
    if guest["vm"].get("guest_install"):
        variables["lightiov_guest_install"] = guest["vm"]["guest_install"]
    return variables


def refusals(found: Iterable[Mapping[str, Any]], hypervisors: Iterable[str]) -> list[str]:
    """One sentence for each mistake that could send a command to another machine than is meant.

    A VM that is absent here may be present elsewhere: it moved.
    """
    hypervisors = set(hypervisors)
    owners: dict[str, list[str]] = defaultdict(list)
    neighbours: dict[tuple[str, str], list[str]] = defaultdict(list)
    for guest in found:
        if guest["vm"]["state"] == "absent":
            continue
        owners[guest["name"]].append(guest["hypervisor"])
        neighbours[guest["hypervisor"], guest["address"]].append(guest["name"])
    return (
        [
            f"VM {name} of {owners[name][0]} has the name of a hypervisor: give the VM another name in lightiov_vms."
            for name in owners
            if name in hypervisors
        ]
        + [
            f"VMs of {_and(on)} have the same name {name}: give each VM of the fleet its own in lightiov_vms."
            for name, on in owners.items()
            if len(on) > 1
        ]
        + [
            f"VMs {_and(names)} on {on} have the same address {address}: give each its own in lightiov_vms."
            for (on, address), names in neighbours.items()
            if len(set(names)) > 1
        ]
    )


def _guest(hypervisor: str, variables: Variables, vm: Mapping[str, Any]) -> dict[str, Any]:
    name = str(vm["name"])
    options = [f"HostKeyAlias={name}"]
    jump = _jump(hypervisor, variables)
    install = vm.get("guest_install") or variables.get("lightiov_guest_install")
    if variables.get("ansible_connection") != "local":
        options.append(f"ProxyJump={jump}")
    return {
        "name": name,
        "hypervisor": hypervisor,
        "address": str(vm.get("address") or name),
        "vm": vm,
        "entered": vm["state"] == "running" and install != "none",
        "ssh_args": " ".join(f"-o {shlex.quote(option)}" for option in options),
        # Ansible's own is made of address, port and user, which VMs behind two hypervisors may share.
        "control_path": "%(directory)s/" + hashlib.sha256(f"{hypervisor}/{jump}/{name}".encode()).hexdigest()[:16],
    }


def _jump(hypervisor: str, variables: Variables) -> str:
    """[USER@]HOST[:PORT] as Ansible itself gets to the hypervisor."""
    host = str(variables.get("ansible_host") or hypervisor)
    user = variables.get("ansible_user") or variables.get("ansible_ssh_user")
    port = variables.get("ansible_port") or variables.get("ansible_ssh_port")
    text = f"[{host}]" if ":" in host else host
    return (f"{user}@" if user else "") + text + (f":{port}" if port else "")


def _and(names: Iterable[str]) -> str:
    *rest, last = sorted(set(names))
    return f"{', '.join(rest)} and {last}" if rest else last
