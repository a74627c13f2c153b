# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that fails: its VMs are not waited for, others go on, the report names it, and the run as a whole fails."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.paths import COLLECTION, PROJECT

CLOSED = {"ansible_host": "127.0.0.1", "ansible_port": 1}  # nothing answers there
DISK = {"name": "data", "controller": "S1", "namespace": 1}


def hypervisor(*vms: dict[str, Any], **variables: Any) -> dict[str, Any]:
    return {"lightiov_controllers": [], "lightiov_vms": [{"tenant": "blue", **vm} for vm in vms], **variables}


class Fleet:
    """Playbooks against hypervisors that are this machine, or nobody."""

    def __init__(self, directory: Path) -> None:
        self.inventory = directory / "hosts.yml"

    def run(self, playbook: str, *options: str, **hypervisors: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        here = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "lightiov_reach_timeout": 1,
        }
        # A VM that is entered makes itself known: it takes this long, and fails.
        guests = {"ansible_ssh_common_args": "{{ lightiov_ssh_args }}", "lightiov_guest_timeout": 3, "ansible_port": 1}
        hosts = {name: {**here, **variables} for name, variables in hypervisors.items()}
        self.inventory.write_text(
            yaml.safe_dump({"lightiov_hosts": {"hosts": hosts}, "lightiov_guests": {"vars": guests}})
        )
        return subprocess.run(
            ["ansible-playbook", "--inventory", self.inventory, PROJECT / "playbooks" / playbook, *options],
            cwd=PROJECT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


def report(run: subprocess.CompletedProcess[str]) -> list[str]:
    """The lines of the last task of the run, which must be the report."""
    last = run.stdout.split("TASK [")[-1]
    assert last.startswith("lightiov.nvme.report : Report]"), run.stdout + run.stderr
    text = last.split(" => ", 1)[1]
    return json.JSONDecoder().raw_decode(text)[0]["msg"]


def test_hosts_that_fail_are_named_and_others_go_on(fleet: Fleet) -> None:
    run = fleet.run(
        "verify.yml",
        # The first host of the play, which runs what is done once.
        away=hypervisor({"name": "vm1", "disks": [DISK]}, ansible_connection="ssh", **CLOSED),
        bare=hypervisor({"name": "vm2", "state": "stopped", "disks": [DISK]}),
        good=hypervisor(),
    )
    assert run.returncode != 0
    assert "vm1" not in [line.split(":")[0] for line in run.stdout.splitlines() if "UNREACHABLE" in line]
    found = report(run)
    failed = found[found.index("FAILED") + 1 : found.index("LEFT OUT")]
    assert [line.split(": ")[0] for line in failed] == ["away", "bare"]
    assert failed[0].startswith("away: away does not answer within 1 seconds (")
    assert "correct ansible_host, ansible_port and ansible_user." in failed[0]
    assert failed[1].startswith("bare: The disk data of vm2 on bare is absent with 0 of 1 queue pairs in use")
    assert found[found.index("LEFT OUT") + 1 :] == ["vm1 on away: not looked at, because away failed"]
    # Hosts go at their own pace: each may have a heading of its own.
    looks = [task for task in run.stdout.split("TASK [") if "Look at the mediated devices" in task.splitlines()[0]]
    assert any("ok: [good]" in look for look in looks), run.stdout


def test_report_when_all_fail(fleet: Fleet) -> None:
    run = fleet.run("deploy.yml", "--check", "--limit", "away", away=hypervisor(ansible_connection="ssh", **CLOSED))
    assert run.returncode != 0
    assert report(run)[1].startswith("away: away does not answer within 1 seconds (")


def test_teardown_reports_too_and_enters_no_vm(fleet: Fleet) -> None:
    run = fleet.run("teardown.yml", away=hypervisor({"name": "vm1"}, ansible_connection="ssh", **CLOSED))
    assert run.returncode != 0
    assert report(run)[1].startswith("away: away does not answer")
    assert "vm1" not in run.stdout


def test_vms_that_are_not_to_be_entered(fleet: Fleet) -> None:
    """Off, their owner's, or absent: a connection would fail, for nothing answers."""
    vms = [
        {"name": 101, "guest_install": "none"},
        {"name": "vm2", "state": "stopped"},
        {"name": "vm3", "state": "absent"},
    ]
    run = fleet.run("verify.yml", good=hypervisor(*vms))
    assert run.returncode == 0, run.stdout
    assert report(run) == []


@pytest.mark.parametrize("options", [(), ("--check",)])
def test_vm_that_does_not_answer(fleet: Fleet, options: tuple[str, ...]) -> None:
    vm = {"name": 101, "guest_install": "dkms", "disks": [DISK]}
    entered = fleet.run("verify.yml", *options, good=hypervisor(vm))
    assert entered.returncode != 0
    # Also a VM that is alone in its play leaves the report to be made.
    failed = [line for line in report(entered) if line.startswith("101 on good: ")]
    assert "101 on good does not answer within 3 seconds (" in failed[0]
    assert "correct its address in lightiov_vms" in failed[0]


def test_vm_without_its_hypervisor(fleet: Fleet) -> None:
    run = fleet.run("verify.yml", "--limit", "other:vm1", good=hypervisor({"name": "vm1"}), other=hypervisor())
    assert run.returncode != 0
    assert report(run)[1].startswith(
        "vm1 on good: vm1 is not looked at without its hypervisor good: add good to --limit."
    )


def test_task_that_hangs(fleet: Fleet) -> None:
    away = hypervisor(ansible_connection="ssh", **CLOSED)
    away |= {"lightiov_reach_timeout": 60, "lightiov_task_timeout": 2}
    run = fleet.run("verify.yml", away=away, good=hypervisor())
    [line] = report(run)[1:]
    assert line.startswith("away: ")
    assert "Timed out after 2 second" in line
    looks = [task for task in run.stdout.split("TASK [") if "Look at the mediated devices" in task.splitlines()[0]]
    assert any("ok: [good]" in look for look in looks), run.stdout


def test_only_plays_that_make_no_connection_have_no_deadline() -> None:
    """Without one, a tool that hangs on one host is waited for by all that comes after the play."""
    playbooks = COLLECTION / "playbooks"
    endless = {
        f"{path.name}: {play['name']}"
        for path in playbooks.glob("*.yml")
        for play in yaml.safe_load(path.read_text())
        if "hosts" in play and "lightiov_task_timeout" not in str(play.get("timeout"))
    }
    assert endless == {
        "guests.yml: Add the VMs to the inventory",
        "place.yml: See whether anything is to be planned",
        "place.yml: Plan",
        "report.yml: Report",
    }


def test_names_that_lead_elsewhere_are_refused(fleet: Fleet) -> None:
    run = fleet.run("deploy.yml", good=hypervisor({"name": "good"}))
    assert run.returncode != 0
    assert "VM good of good has the name of a hypervisor: give the VM another name in lightiov_vms." in run.stdout


def test_missing_list_is_its_own_hosts_failure(fleet: Fleet) -> None:
    missing = hypervisor()
    del missing["lightiov_vms"]
    run = fleet.run("verify.yml", missing=missing, good=hypervisor())
    assert run.returncode != 0
    [line] = report(run)[1:]
    assert line.startswith("missing: ")
    assert "missing required arguments: lightiov_vms" in line


def test_bench_leaves_hosts_without_a_drive_to_spare_alone(fleet: Fleet) -> None:
    run = fleet.run(
        "bench.yml",
        away=hypervisor(ansible_connection="ssh", **CLOSED),
        other=hypervisor(ansible_connection="ssh", lightiov_bench_controller="S1", **CLOSED),
    )
    assert run.returncode != 0
    [line] = report(run)[1:]
    assert line.startswith("other: other does not answer within 1 seconds (")
