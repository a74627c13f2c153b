# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's VMs as wishes of all hosts, and deployments of them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import Host, Lab

PROJECT = Path(__file__).resolve().parents[3]
LISTED = PROJECT / "inventories/lab-pinned/host_vars"
# What is of mediated devices and VMs; each run reports beside it.
ONLY = ("--tags", "partition,mdev,vm")
# All but what VMs are asked, which is the same whoever has placed them.
HOSTS = ("--tags", "partition,preflight,native,image,controller,namespace,mdev,vm")
# The first of it is vm3's own.
POOL = {"network": "192.168.122.0/24", "ranges": ["192.168.122.13-192.168.122.19"]}
# What a deployment says that writes placements down, on the first host and on those whose placements changed.
NOTED = {"lightiov.nvme.partition : Plan", "lightiov.nvme.partition : Have stale placements refused"}


@dataclass
class Run:
    output: str
    # Tasks that changed something, by host.
    changed: dict[str, set[str]] = field(default_factory=dict)

    @classmethod
    def read(cls, output: str) -> Run:
        run, task = cls(output), ""
        for line in output.splitlines():
            if header := re.match(r"(?:TASK|RUNNING HANDLER) \[(.*)\]", line):
                task = header[1]
            elif change := re.match(r"changed: \[([^\] ]+)", line):
                run.changed.setdefault(change[1], set()).add(task)
        return run

    def did_to(self, host: str) -> set[str]:
        """What it changed of the host itself."""
        return self.changed.get(host, set()) - NOTED


@dataclass
class Fleet:
    """An inventory that names no host for any VM."""

    directory: Path
    lab: Lab
    hosts: dict[str, dict[str, Any]]
    vms: list[dict[str, Any]]

    def write(self) -> None:
        inventory = {"lightiov_hosts": {"hosts": self.hosts}, "lightiov_guests": {}}
        (self.directory / "hosts.yml").write_text(yaml.safe_dump(inventory))
        # As JSON, which has no aliases.
        (self.directory / "group_vars/lightiov_hosts/vms.yml").write_text(
            json.dumps({"lightiov_vms": self.vms, "lightiov_resources": {"vcpus": 16}, "lightiov_address_pool": POOL})
        )

    def deploy(self, *options: str) -> Run:
        self.write()
        ended = subprocess.run(
            ["ansible-playbook", "playbooks/deploy.yml", "-i", self.directory, *options],
            cwd=PROJECT, env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0"},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=1800, check=False,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stdout[-6000:] + ended.stderr
        return Run.read(ended.stdout)

    @property
    def files(self) -> Path:
        return self.directory / "placements"

    @property
    def placed(self) -> dict[str, list[dict[str, Any]]]:
        return {path.stem: yaml.safe_load(path.read_text())["lightiov_vms"] for path in self.files.glob("*.yml")}

    def of(self, vm: str) -> dict[str, Any]:
        """A VM's placement, with its host."""
        [found] = [{**one, "on": host} for host, vms in self.placed.items() for one in vms if one["name"] == vm]
        return found

    def host(self, name: str) -> Host:
        return self.lab.host(name)

    def things(self, vm: str) -> str:
        """All that a VM has on its host: its domain, its mediated device, its hardware queues."""
        host = self.host(self.of(vm)["on"])
        uuids = host.run(f"virsh dumpxml --inactive {vm}").stdout
        [uuid] = re.findall(r"<hostdev.*?mdev.*?<address uuid='([0-9a-f-]+)'", uuids, re.DOTALL)
        device = f"/sys/bus/mdev/devices/{uuid}"
        state = host.run(f"cat /run/libvirt/qemu/{vm}.pid {device}/extents {device}/queues").stdout
        return uuids + state


def wish(vm: dict[str, Any]) -> dict[str, Any]:
    """A VM of the lab as a plan is asked for it: its queue pairs are the VM's."""
    disks = [{key: value for key, value in disk.items() if key != "queue_pairs"} for disk in vm["disks"]]
    return {**vm, "queue_pairs": vm["disks"][0]["queue_pairs"], "disks": disks}


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    directory = PROJECT / ".lab/partition"  # beside which the lab's ssh_config is found
    shutil.rmtree(directory, ignore_errors=True)  # of a run that was interrupted
    shutil.copytree(LISTED.parent, directory, ignore=shutil.ignore_patterns(LISTED.name))
    variables = directory / "group_vars/lightiov_hosts"
    shared = variables.with_suffix(".yml").read_text()
    variables.with_suffix(".yml").unlink()
    variables.mkdir()
    (variables / "shared.yml").write_text(shared)
    listed = {path.stem: yaml.safe_load(path.read_text()) for path in sorted(LISTED.glob("*.yml"))}
    vms = [wish(vm) for of in listed.values() for vm in of["lightiov_vms"]]
    hosts = {name: {"lightiov_controllers": of["lightiov_controllers"]} for name, of in listed.items()}
    lab = Lab.open()
    yield Fleet(directory, lab, hosts, vms)
    for host in lab.hosts:
        if host.name not in listed and host.running:
            lab.reset((host.name,))
    shutil.rmtree(directory)
