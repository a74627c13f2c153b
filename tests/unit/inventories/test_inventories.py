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

PROJECT = Path(__file__).resolve().parents[3]
INVENTORIES = PROJECT / "inventories"
ROLES = PROJECT / "collections/ansible_collections/lightiov/nvme/roles"
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


@pytest.mark.parametrize("name", ["example", "lab"])
def test_variables_are_those_of_roles(name: str) -> None:
    known = {option for options in specifications().values() for option in options}
    # Groups are of this name too.
    known |= {"lightiov_hosts", "lightiov_guests"}
    used = {file: set(VARIABLE.findall(file.read_text())) for file in (INVENTORIES / name).rglob("*.yml")}
    assert any(used.values())
    for file, variables in used.items():
        assert variables <= known, file


@pytest.mark.parametrize("name", ["example", "lab"])
def test_hosts_satisfy_the_roles_on_hypervisors(name: str) -> None:
    described = hosts(INVENTORIES / name)
    assert described
    for host, variables in described.items():
        for entry, options in specifications().items():
            if "lightiov_vm" in options:  # of a role that runs in VMs, which join when a playbook starts
                continue
            given = {option: variables[option] for option in options if option in variables}
            checked = ArgumentSpecValidator(options).validate(given)
            assert not checked.error_messages, f"{host}, role {entry}: {checked.error_messages}"


@pytest.mark.parametrize("name", ["example", "lab"])
def test_every_host_has_vms_that_are_sound_together(name: str) -> None:
    for host, variables in hosts(INVENTORIES / name).items():
        assert _vms.vm_mdevs(variables["lightiov_vms"]), host
