# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.lightiov.nvme.plugins.module_utils._outcome import (
    RELEASING,
    disk_rows,
    first_error,
    outcome,
    queue_faults,
)
from ansible_collections.lightiov.nvme.plugins.module_utils._uuids import mdev_uuid


@pytest.mark.parametrize(
    ("result", "sentence"),
    [
        ({"msg": "LIOV1A is in use: unmount it"}, "LIOV1A is in use: unmount it"),
        ({"msg": "Validation failed:\nmissing: lightiov_vms"}, "Validation failed: missing: lightiov_vms"),
        ({"msg": "non-zero return code", "rc": 2, "stderr": "Error!\nBad exit status: 10\n"}, "Bad exit status: 10"),
        ({"msg": "non-zero return code", "rc": 2, "stderr": "", "stdout": "no space left"}, "no space left"),
        (
            {
                "msg": "One or more items failed",
                "results": [{"msg": "fine"}, {"failed": True, "msg": "a"}, {"msg": "b"}],
            },
            "a",
        ),
        ({"msg": "non-zero return code", "rc": 2}, "non-zero return code"),
        ({}, "failed without a word"),
    ],
)
def test_first_error(result: dict[str, Any], sentence: str) -> None:
    assert first_error(result) == sentence


def test_outcome_names_each() -> None:
    hostvars = {
        "hv1": {"__lightiov_failure": "no IOMMU"},
        "hv2": {"__lightiov_prepared": True, "__lightiov_waiting": ["the module waits for a reboot"]},
        "hv3": {"__lightiov_reached": True},
        "a": {"lightiov_hypervisor": "hv1"},
        "b": {"lightiov_hypervisor": "hv2", "__lightiov_failure": "no disk"},
        "c": {"lightiov_hypervisor": "hv2", "__lightiov_waiting": ["the driver waits for a reboot"]},
        "d": {"lightiov_hypervisor": "hv3"},
        "e": {"lightiov_hypervisor": "hv4"},
    }
    assert outcome(hostvars, ["hv3"], hostvars) == [
        "FAILED",
        "hv1: no IOMMU",
        "hv3: failed, or could not be reached any more; its messages above say more",
        "b on hv2: no disk",
        "LEFT OUT",
        "a on hv1: not looked at, because hv1 failed",
        "d on hv3: not looked at, because hv3 failed",
        "WAITING",
        "hv2: the module waits for a reboot",
        "c on hv2: the driver waits for a reboot",
    ]


def test_data_of_disks_that_went_is_found_by_what_is_said_of_it() -> None:
    place = {"vm": "vm4", "controller": "S1", "namespace": "eui.1", "first": 1 << 20, "bytes": 5 << 20}
    hostvars = {
        "hv1": {
            "__lightiov_mdevs_gone": {"released": [{**place, "disk": "data"}]},
            "__lightiov_mdevs_made": {"released": [{**place, "disk": "log", "first": None, "bytes": None}]},
        },
        # One has no such task, one has failed there, and one has skipped it.
        "hv2": {},
        "hv3": {"__lightiov_mdevs_gone": {"msg": "mdev is open"}, "__lightiov_mdevs_made": {"skipped": True}},
        "hv4": {"__lightiov_mdevs_made": {"released": []}},
    }
    assert outcome(hostvars, [], hostvars) == [
        "DATA THAT IS KEPT",
        "hv1: disk data of VM vm4 is gone, and its data is kept in namespace eui.1 of controller S1, 5242880 bytes "
        "from byte 1048576 on",
        "hv1: disk log of VM vm4 is gone, and its data is kept in namespace eui.1 of controller S1",
        "To have a disk back, list it again under its VM and name, with this host, controller, namespace and size, "
        "before another disk gets the place. To have the data erased, add erase to lightiov_allow when another disk "
        "gets it.",
    ]


def test_roles_register_what_the_report_reads() -> None:
    tasks = Path(__file__).resolve().parents[4] / "roles/mdev/tasks"
    released = {
        task["register"]
        for name in ("shrink.yml", "grow.yml")
        for task in yaml.safe_load((tasks / name).read_text())
        if "released" in task.get("lightiov.nvme.mdev", {}).get("returns", ())
    }
    assert released == set(RELEASING)


def test_nothing_to_say() -> None:
    hostvars = {"hv1": {"__lightiov_prepared": True}, "a": {"lightiov_hypervisor": "hv1"}}
    assert outcome(hostvars, [], hostvars) == []
    assert disk_rows(hostvars, hostvars) == []


def test_row_of_each_disk() -> None:
    """Also of a VM whose name and controller YAML takes for numbers."""
    disk = {"name": "data", "controller": 77, "namespace": 1}
    vms = [
        {"name": 101, "tenant": "blue", "disks": [{**disk, "size": "1 GiB"}]},
        {"name": "off", "tenant": "blue", "state": "stopped", "disks": [{**disk, "namespace": 2}]},
        {"name": "eui", "tenant": "blue", "disks": [{**disk, "namespace": "eui.0011223344556677"}]},
        {"name": "gone", "tenant": "blue", "state": "absent", "disks": [disk]},
    ]
    # The version before had one for each disk.
    mdev, former, coming = mdev_uuid("77", "101"), mdev_uuid("77", "eui", "data"), mdev_uuid("77", "eui")
    found = {
        "states": {mdev: {"hw_qids": [5, 6], "window": "0x1 + 0x2"}, former: {"hw_qids": [], "window": None}},
        "disks": {mdev: {}, former: {"": {"nsid": 3}}, coming: {}},
    }
    hostvars = {
        "hv1": {"lightiov_vms": vms, "__lightiov_mdev_info": found},
        "101": {"__lightiov_found": {"data": {"finding": "16 MiB read"}}},
    }
    assert disk_rows(hostvars, hostvars)[1:] == [
        ["hv1", "101", "77", "5 6", "1: 1 GiB", "0x1 + 0x2", "16 MiB read"],
        ["hv1", "off", "77", "", "2", "-", "off"],
        ["hv1", "eui", "77", "", "3 (eui.0011223344556677)", "-", "-"],
    ]


def test_tear_down_leaves_no_vm_out() -> None:
    """It prepares no hypervisor for what comes inside VMs, and none has failed by that."""
    hostvars = {"hv1": {"__lightiov_reached": True}, "a": {"lightiov_hypervisor": "hv1"}}
    assert outcome(hostvars, [], hostvars) == []


READY = {
    "state": "ready",
    "hw_qids": [5, 6],
    "used": 1,
    "window": "0x1 + 0x2",
    "interrupts": 1,
}
FOUND = {"__lightiov_found": {"data": {"queue_pairs_used": 1}}}
OPEN = {"state": "open", "hw_qids": [5, 6], "used": 0, "window": None, "interrupts": 0}


@pytest.mark.parametrize(
    ("vm", "mdev", "inside", "fault"),
    [
        ({}, READY, FOUND, ""),
        ({}, {**READY, "window": None}, FOUND, "is ready with 1 of 1"),
        ({}, {**READY, "interrupts": 0}, FOUND, "is ready with 1 of 1"),
        ({}, {**READY, "used": 0}, FOUND, "is ready with 0 of 1"),
        ({}, OPEN, FOUND, "is open with 0 of 1 queue pairs in use, and should be ready"),
        # Not entered: it may be without a driver.
        ({}, READY, None, ""),
        ({}, OPEN, None, ""),
        ({}, {**OPEN, "state": "closed"}, None, "is closed with 0 of 2 queue pairs in use, and should be open"),
        ({"state": "stopped"}, {**OPEN, "state": "closed"}, None, ""),
        ({"state": "stopped"}, OPEN, None, "is open with 0 of 2 queue pairs in use, and should be closed"),
        ({}, None, FOUND, "is absent with 0 of 1 queue pairs in use, and should be ready"),
        # Named already, or of nobody's concern.
        ({}, None, {"__lightiov_failure": "no disk"}, ""),
        ({"state": "absent"}, None, None, ""),
    ],
)
def test_disk_without_its_queues(
    vm: dict[str, Any], mdev: dict[str, Any] | None, inside: dict[str, Any] | None, fault: str
) -> None:
    disk = {"name": "data", "controller": "S1", "namespace": 1, "queue_pairs": 2}
    states = {mdev_uuid("S1", "vm1"): mdev} if mdev else {}
    hostvars = {
        "hv1": {
            "lightiov_vms": [{"name": "vm1", "tenant": "blue", "disks": [disk], **vm}],
            "__lightiov_mdev_info": {"states": states, "disks": {}},
        },
        **({"vm1": inside} if inside else {}),
    }
    faults = queue_faults("hv1", hostvars)
    assert len(faults) == bool(fault)
    assert not fault or f"The disk data of vm1 on hv1 {fault}" in faults[0]


def test_disk_of_the_version_before_has_its_queues() -> None:
    disks = [{"name": name, "controller": "S1", "namespace": nsid} for name, nsid in (("data", 1), ("new", 2))]
    found = {"states": {mdev_uuid("S1", "vm1", "data"): READY}, "disks": {mdev_uuid("S1", "vm1"): {}}}
    vms = [{"name": "vm1", "tenant": "blue", "disks": disks}]
    assert queue_faults("hv1", {"hv1": {"lightiov_vms": vms, "__lightiov_mdev_info": found}}) == []
