# SPDX-License-Identifier: GPL-3.0-or-later
"""Role devices as a playbook sees it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils._uuids import mdev_uuid
from playing import play

SHOW = """
- hosts: all
  gather_facts: false
  roles: [lightiov.nvme.devices]
  tasks:
    - ansible.builtin.debug:
        msg:
          vms: "{{ __lightiov_vms }}"
          mdevs: "{{ __lightiov_mdevs | map(attribute='uuid') }}"
          absent: "{{ __lightiov_mdevs_absent }}"
          at_rest: "{{ __lightiov_mdevs_at_rest }}"
          guest: "{{ __lightiov_guest_disks | map(attribute='path') }}"
"""
# Should it go on after all, then without changing the machine that runs the test.
PREFLIGHT = """
- hosts: all
  gather_facts: false
  check_mode: true
  roles: [lightiov.nvme.preflight]
"""
DISK = {"name": "data", "controller": "{{ 'S' ~ 1 }}", "namespace": 1}
VMS = [
    {"name": 101, "tenant": "blue", "vcpus": "{{ 2 * 2 }}", "disks": [DISK]},
    {"name": "vm2", "tenant": "blue", "state": "absent", "disks": [DISK]},
    {"name": "vm3", "tenant": "blue", "state": "stopped", "disks": [{**DISK, "namespace": 2}]},
]


def run(directory: Path, playbook: str, **variables: Any) -> dict[str, Any]:
    """The last task's result."""
    return play(directory, playbook, **variables)[-1]


def test_what_follows_from_the_list(tmp_path: Path) -> None:
    part = {**DISK, "name": "part", "namespace": 3, "size": "1 GiB"}
    told = {mdev_uuid("S1", "101"): {"part": {"id": "5a0b7f3e", "nsid": 3}}}
    found = run(
        tmp_path, SHOW, lightiov_controllers=[], lightiov_vms=VMS, lightiov_vm={**VMS[0], "disks": [DISK, part]},
        __lightiov_mdevs_made={"disks": told},
        __lightiov_mdevs_found={"skipped": True},
    )["msg"]  # fmt: skip
    assert [(vm["name"], vm.get("vcpus"), vm["state"]) for vm in found["vms"]] == [
        ("101", 4, "running"),
        ("vm2", None, "absent"),
        ("vm3", None, "stopped"),
    ]
    assert len(found["mdevs"]) == 2
    # What the version before made of the disk as well.
    assert len(found["absent"]) == 2
    assert not set(found["absent"]) & set(found["mdevs"])
    assert {*found["absent"], found["mdevs"][1]} < set(found["at_rest"])
    assert len(found["at_rest"]) == 4
    assert found["guest"] == ["/dev/disk/by-id/lightiov-S1-ns1", "/dev/disk/by-id/lightiov-uuid.5a0b7f3e"]


@pytest.mark.parametrize("missing", ["lightiov_controllers", "lightiov_vms"])
def test_hypervisor_without_a_list_is_refused_before_anything_is_done(tmp_path: Path, missing: str) -> None:
    given = {"lightiov_controllers": [], "lightiov_vms": []}
    del given[missing]
    found = run(tmp_path, PREFLIGHT, **given)
    assert found["failed"]
    assert found["argument_errors"] == [f"missing required arguments: {missing}"]


def test_missing_list_is_not_an_empty_one(tmp_path: Path) -> None:
    found = run(tmp_path, SHOW)
    assert found["failed"]
    assert "'lightiov_vms' is undefined" in found["msg"]


def test_mistake_in_the_list_is_one_sentence(tmp_path: Path) -> None:
    found = run(tmp_path, SHOW, lightiov_controllers=[], lightiov_vms=[VMS[0], {**VMS[2], "name": "101"}])
    assert "VM 101 is listed more than once in lightiov_vms: give each VM a name of its own" in found["msg"]
