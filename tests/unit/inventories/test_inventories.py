# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventories that users start from say what the roles understand."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.lightiov.nvme.plugins.module_utils import _vms
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.fleet import Policy, partition
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.wish import by_hand

from lab.paths import COLLECTION, PROJECT
from lab.spec import host_spec

INVENTORIES = PROJECT / "inventories"
ROLES = COLLECTION / "roles"
VARIABLE = re.compile(r"(?:# )?(lightiov_\w+):(?= |$)", re.MULTILINE)  # also one that is commented out


def specifications() -> dict[str, dict[str, Any]]:
    """The options of each entry point of each role."""
    return {
        f"{path.parents[1].name}/{entry}": specification.get("options", {})
        for path in ROLES.glob("*/meta/argument_specs.yml")
        for entry, specification in yaml.safe_load(path.read_text())["argument_specs"].items()
    }


def hosts(inventory: Path) -> dict[str, dict[str, Any]]:
    listing = subprocess.run(
        ["ansible-inventory", "--inventory", inventory, "--list"], cwd=PROJECT, check=True, capture_output=True
    )
    return json.loads(listing.stdout)["_meta"]["hostvars"]


@pytest.mark.parametrize("name", ["example", "lab", "lab-bench", "lab-pinned"])
def test_variables_are_those_of_roles(name: str) -> None:
    known = {option for options in specifications().values() for option in options}
    # Groups are of this name too.
    known |= {"lightiov_hosts", "lightiov_guests"}
    used = {file: set(VARIABLE.findall(file.read_text())) for file in (INVENTORIES / name).rglob("*.yml")}
    assert any(used.values())
    for file, variables in used.items():
        assert variables <= known, file


def planned(described: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The plan of the lab's hosts when they are new."""
    fleet = {}
    for name, variables in described.items():
        spec = host_spec(name)
        controllers = [
            {
                "serial": controller.serial,
                "queue_pairs": controller.queue_pairs,
                "namespaces": [
                    {"nsid": number, "bytes": controller.namespace_bytes}
                    for number in range(1, controller.namespaces + 1)
                ],
            }
            for controller in spec.controllers
            if {"serial": controller.serial} in variables["lightiov_controllers"]
        ]
        # A part of the memory is the kernel's own.
        found = {"generation": 0, "memory_mib": spec.memory_mib - 512, "vcpus": spec.cpus, "controllers": controllers}
        fleet[name] = {
            "vms": variables["lightiov_vms"],
            "found": found,
            "settings": variables["lightiov_resources"],
        }
    return partition(fleet, Policy(memory_mib=described["host1"]["lightiov_vm_memory_mib"]))


def test_lab_wants_vms_that_fit_and_says_nothing_of_their_places() -> None:
    described = hosts(INVENTORIES / "lab")
    plan = planned(described)
    assert not plan["unplaced"] and not plan["refused"]
    vms = [vm for of in plan["placements"].values() for vm in of]
    assert len(vms) == 5
    assert len({vm["tenant"] for vm in vms}) == 2
    assert any(len({disk["controller"] for disk in vm["disks"]}) < len(vm["disks"]) for vm in vms)
    for host, variables in described.items():
        assert not by_hand(variables["lightiov_vms"])
        assert _vms.vm_mdevs(plan["placements"][host]), host


@pytest.mark.parametrize("name", ["example", "lab", "lab-bench", "lab-pinned"])
def test_hosts_satisfy_the_roles_on_hypervisors(name: str) -> None:
    described = hosts(INVENTORIES / name)
    assert described
    if name == "lab":
        for host, placements in planned(described)["placements"].items():
            described[host]["lightiov_vms"] = placements
    for host, variables in described.items():
        for entry, options in specifications().items():
            # Those of a role that runs in VMs, which join when a playbook starts.
            if {"lightiov_vm", "lightiov_hypervisor"} & options.keys():
                continue
            given = {option: variables[option] for option in options if option in variables}
            checked = ArgumentSpecValidator(options).validate(given)
            assert not checked.error_messages, f"{host}, role {entry}: {checked.error_messages}"


@pytest.mark.parametrize("name", ["example", "lab-pinned"])
def test_every_host_has_vms_that_are_sound_together(name: str) -> None:
    for host, variables in hosts(INVENTORIES / name).items():
        assert _vms.vm_mdevs(variables["lightiov_vms"]), host
