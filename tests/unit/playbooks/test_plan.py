# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan as operators run it: exit codes, files, differences; no host is changed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from lab.paths import PROJECT

WEB = {"name": "web[1:3]", "tenant": "blue", "memory_mib": 16, "vcpus": 1, "disks": []}
LARGE = {"name": "db", "tenant": "blue", "disks": [{"name": "data", "size": "1 TiB"}]}


def plan(directory: Path, vms: list[dict[str, Any]], *options: str) -> subprocess.CompletedProcess[str]:
    variables = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "lightiov_resources": {"memory_mib": 4096, "vcpus": 8},
        "lightiov_vms": vms,
    }
    away = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
    hosts = {"hv1": {}, "hv2": {}, "away": away}
    inventory = directory / "hosts.yml"
    inventory.write_text(yaml.safe_dump({"lightiov_hosts": {"hosts": hosts, "vars": variables}}))
    return subprocess.run(
        ["ansible-playbook", "--inventory", inventory, PROJECT / "playbooks/plan.yml", *options],
        cwd=PROJECT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip


def placed(directory: Path) -> dict[str, list[str]]:
    files = sorted((directory / "placements").glob("*.yml"))
    return {file.stem: [vm["name"] for vm in yaml.safe_load(file.read_text())["lightiov_vms"]] for file in files}


def test_all_placed_and_again_nothing_changes(tmp_path: Path) -> None:
    checked = plan(tmp_path, [WEB], "--check", "--diff")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "+  - name: web3" in checked.stdout
    assert not (tmp_path / "placements").exists()
    first = plan(tmp_path, [WEB])
    assert first.returncode == 0, first.stdout + first.stderr
    # None of a host that has not answered.
    assert placed(tmp_path) == {"hv1": ["web1", "web2", "web3"], "hv2": []}
    again = plan(tmp_path, [WEB])
    assert again.returncode == 0
    assert "changed=0" in again.stdout
    assert "changed=1" not in again.stdout


def test_what_does_not_fit_is_told_apart_from_what_failed(tmp_path: Path) -> None:
    unfit = plan(tmp_path, [WEB, LARGE])
    assert unfit.returncode == 4, unfit.stdout + unfit.stderr
    assert "VM db does not fit (3 hosts, 2 open to new VMs, 0 with a controller for its tenant)" in unfit.stdout
    assert placed(tmp_path)["hv1"] == ["web1", "web2", "web3"]
    failed = plan(tmp_path, [{**WEB, "tenant": None}])
    assert failed.returncode == 2
    assert "VM web[1:3] has no tenant: " in failed.stdout
