# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest driver that cannot be built on one hypervisor is the failure of that hypervisor alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from fleet import VM, Ansible

KERNEL = "6.0.0-none"


@pytest.mark.slow
def test_one_hypervisor_cannot_build_it(ansible: Ansible, vm1: VM, vm3: VM, tmp_path: Path) -> None:
    inventory = tmp_path / "hosts.yml"
    host1 = {"hosts": {"host1": {"lightiov_guest_kernels": [KERNEL]}}}
    inventory.write_text(yaml.safe_dump({"lightiov_hosts": host1}))
    run = ansible.playbook("playbooks/deploy.yml", "-i", "inventories/lab-pinned", "-i", str(inventory))
    assert run.returncode != 0
    said = run.stdout.split("lightiov.nvme.report : Report]")[-1].split(" => ", 1)[1]
    report: list[str] = json.JSONDecoder().raw_decode(said)[0]["msg"]
    [failed] = report[report.index("FAILED") + 1 : report.index("LEFT OUT")]
    assert failed.startswith("host1: ")
    assert KERNEL in failed
    left = report[report.index("LEFT OUT") + 1 :]
    assert left[:2] == [f"{name} on host1: not looked at, because host1 failed" for name in ("vm1", "vm2")]
    # Read only, where the disk has data.
    [row] = [line for line in report if line.split()[:2] == ["host2", "vm3"]]
    assert row.endswith((" MiB written and verified", " MiB read")), report
    # What runs goes on.
    vm1.fio("--name=meanwhile", "--rw=randread", "--bs=4k", "--size=1m")
    assert vm3.state == "ready"
