# SPDX-License-Identifier: GPL-3.0-or-later
"""An inventory that was edited: `--check --diff` says exactly what a run then changes, and what is gone goes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fleet import VM, Ansible, changed, mark, marked

MORE = """
      - name: more
        controller: LIOV2A
        namespace: 2
        size: 100 MiB
"""
ALLOW_ERASING = ("-e", "{lightiov_allow: [detach, remove, reload, erase]}")


def changed_tasks(output: str) -> list[tuple[str, str]]:
    """(task, host) of every task that changed something, or would."""
    found, task = set(), ""
    for line in output.splitlines():
        if header := re.match(r"(?:TASK|RUNNING HANDLER) \[(.*)\]", line):
            task = header[1]
        elif change := re.match(r"changed: \[([^\] ]+)", line):
            found.add((task, change[1]))
    return sorted(found)


@pytest.fixture
def host2_vars(ansible: Ansible, vm3: VM, inventory: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """What the inventory says of host2, for a test to change; at the end host2 is as before.

    A test whose way back needs more than the inventory consents to gives that as the parameter.
    """
    yield inventory / "host_vars/host2.yml"
    back = ansible.playbook("playbooks/deploy.yml", *vm3.only, *getattr(request, "param", ()))
    assert back.returncode == 0, back.stdout[-4000:]
    assert changed(back)["host2"] > 0


@pytest.mark.slow
def test_check_says_what_a_run_changes(ansible: Ansible, vm3: VM, host2_vars: Path) -> None:
    host2_vars.write_text(host2_vars.read_text().replace("queue_pairs: 2", "queue_pairs: 3") + MORE.lstrip("\n"))
    deploy = ("playbooks/deploy.yml", "-i", str(host2_vars.parents[1]), *vm3.only, "--diff")

    checked = ansible.playbook(*deploy, "--check")
    assert checked.returncode == 0, checked.stdout[-4000:]
    assert "queue_pairs" in checked.stdout, "the diff does not show the new device"
    done = ansible.playbook(*deploy)
    assert done.returncode == 0, done.stdout[-4000:]
    assert "2 vCPUs use 2 of 3 queue pairs" in done.stdout
    assert changed_tasks(checked.stdout) == changed_tasks(done.stdout) != []


@pytest.mark.slow
def test_a_vm_that_left_the_list_gives_its_disks_back(ansible: Ansible, host2_vars: Path, vm3: VM) -> None:
    uuid = vm3.uuid
    host2_vars.write_text("lightiov_controllers: [{serial: LIOV2A}]\nlightiov_vms: []\n")
    run = ansible.playbook("playbooks/deploy.yml", "-i", str(host2_vars.parents[1]), *vm3.only)
    assert run.returncode == 0, run.stdout[-4000:]
    assert uuid not in vm3.host.run("mdevctl list --defined; mdevctl list; virsh dumpxml vm3").stdout
    assert vm3.remote.run("lsblk --noheadings /dev/liov0n1", check=False).returncode, "the VM still has it"


@pytest.mark.slow
def test_a_controller_leaves_with_its_disks(ansible: Ansible, host2_vars: Path, vm3: VM) -> None:
    """In one run another one comes in its place, with a disk named by its EUI-64; what the former holds stays."""
    mark(vm3.remote, vm3.disk, "vm3")
    [new] = [controller for controller in vm3.host.spec.controllers if controller.serial == "LIOV2B"]
    moved = host2_vars.read_text().replace("LIOV2A", new.serial).replace("namespace: 1", f"namespace: {new.wwid(1)}")
    host2_vars.write_text(moved)
    run = ansible.playbook("playbooks/deploy.yml", "-i", str(host2_vars.parents[1]), *vm3.only)
    assert run.returncode == 0, run.stdout[-4000:]
    assert vm3.remote.run("readlink -f /dev/disk/by-id/lightiov-LIOV2B-ns1").stdout.strip() == vm3.disk
    assert marked(vm3.host, "$(readlink -f /dev/disk/by-id/nvme-*LIOV2A_1)") == "vm3"


# On the way back it is in use, and so cannot be seen to be blank.
@pytest.mark.slow
@pytest.mark.parametrize("host2_vars", [ALLOW_ERASING], indirect=True, ids=["erase"])
def test_a_namespace_passes_to_another_tenant_blank(ansible: Ansible, host2_vars: Path, vm3: VM) -> None:
    mark(vm3.remote, vm3.disk, "green")
    host2_vars.write_text(host2_vars.read_text().replace("green", "red"))
    deploy = ("playbooks/deploy.yml", "-i", str(host2_vars.parents[1]), *vm3.only, "-e", "lightiov_verify_write=false")

    refused = ansible.playbook(*deploy)
    assert refused.returncode != 0
    sentence = "Namespace 1 .* was tenant green's, .* add erase to lightiov_allow"
    assert re.search(sentence, refused.stdout), refused.stdout[-4000:]
    assert (vm3.state, marked(vm3.remote, vm3.disk)) == ("ready", "green")

    done = ansible.playbook(*deploy, *ALLOW_ERASING)
    assert done.returncode == 0, done.stdout[-4000:]
    assert "MiB read" in done.stdout
    assert "written and verified" not in done.stdout
    assert marked(vm3.remote, vm3.disk) == ""


@pytest.mark.slow
def test_lists_that_got_lost_remove_nothing(ansible: Ansible, inventory: Path, vm3: VM) -> None:
    (inventory / "host_vars/host2.yml").unlink()
    run = ansible.playbook("playbooks/deploy.yml", "-i", str(inventory), "--limit", "host2")
    assert run.returncode != 0
    assert "host2" in run.stdout and "lightiov_vms" in run.stdout, run.stdout[-4000:]
    assert changed(run)["host2"] == 0
    assert vm3.state == "ready"
