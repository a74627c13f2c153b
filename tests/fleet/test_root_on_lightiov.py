# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM whose root disk is one of its LightIOV disks: it comes up without a task inside it, and boots again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import yaml
from fleet import VM, Ansible, changed

from lab import Host, Lab, wait_until
from lab.paths import PROJECT

SERIAL = "LIOV5A"
ROOT = {"name": "root", "controller": SERIAL, "namespace": 2, "size": "5 GiB", "queue_pairs": 2}
ENTRY = {"name": "rooted", "tenant": "red", "address": "192.168.122.15", "root": {"on": "lightiov"}, "disks": [ROOT]}


@pytest.fixture(scope="module")
def host5(lab: Lab) -> Iterator[Host]:
    lab.up(("host5",))
    yield lab.host("host5")
    lab.reset(("host5",))


def deploy(ansible: Ansible, host: Host, directory: Path, *vms: dict[str, Any]) -> CompletedProcess[str]:
    variables = {
        "lab_ssh_config": str(host.ssh_config),  # the lab's inventory looks for it beside itself
        "lightiov_controllers": [{"serial": SERIAL}],
        "lightiov_vms": list(vms),
    }
    inventory = directory / "hosts.yml"
    inventory.write_text(yaml.safe_dump({"lightiov_hosts": {"hosts": {host.name: variables}}}))
    where = ("-i", str(PROJECT / "inventories/lab-pinned"), "-i", str(inventory), "--limit", host.name)
    # No task in the VM.
    return ansible.playbook(
        "playbooks/deploy.yml", *where, "--skip-tags", "verify", "-e", "lightiov_guest_install=none"
    )


def root_of(vm: VM) -> str:
    return vm.remote.run("findmnt --noheadings --output SOURCE /").stdout.strip()


@pytest.mark.slow
def test_boots_from_its_disk(ansible: Ansible, host5: Host, tmp_path: Path) -> None:
    vm = VM(host5, "rooted")
    made = deploy(ansible, host5, tmp_path, ENTRY)
    assert made.returncode == 0, made.stdout[-4000:]
    vm.wait()
    assert root_of(vm).startswith("/dev/liov")
    assert "vda" not in vm.remote.run("lsblk --noheadings --output NAME").stdout
    assert vm.state == "ready"
    again = deploy(ansible, host5, tmp_path, ENTRY)
    assert changed(again)["host5"] == 0, again.stdout[-4000:]

    vm.remote.run("echo here > /root/mark && sync")
    vm.remote.disconnect()
    vm.switch_off()
    vm.switch_on()
    vm.wait()
    assert vm.remote.run("cat /root/mark").stdout == "here\n"
    vm.remote.disconnect()
    host5.reboot()
    wait_until(lambda: vm.state == "ready", "the VM after its host's boot", 900)
    vm.wait()
    assert vm.remote.run("cat /root/mark").stdout == "here\n"

    # Another VM of its name gets what it had only on the operator's word.
    vm.remote.disconnect()
    gone = deploy(ansible, host5, tmp_path, {**ENTRY, "state": "absent"})
    assert gone.returncode == 0, gone.stdout[-4000:]
    refused = deploy(ansible, host5, tmp_path, ENTRY)
    assert refused.returncode != 0
    assert "is not blank, and may hold a former VM's data: set root_keep" in refused.stdout
    kept = deploy(ansible, host5, tmp_path, {**ENTRY, "root_keep": True})
    assert kept.returncode == 0, kept.stdout[-4000:]
    vm.wait()
    assert vm.remote.run("cat /root/mark").stdout == "here\n"
