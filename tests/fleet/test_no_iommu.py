# SPDX-License-Identifier: GPL-3.0-or-later
"""A host without IOMMU: a VM's queues would reach all of its memory, so it is left as it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fleet import Ansible

from lab import Host, Lab

SNAPSHOT = "ls -R /usr/local/src /usr/src /etc/modprobe.d /etc/modules-load.d; ls /sys/bus/pci/drivers/nvme; lsmod"


@pytest.fixture
def host3(lab: Lab) -> Iterator[Host]:
    lab.up(("host3",), iommu=False)
    yield lab.host("host3")
    lab.reset(("host3",))


def test_no_iommu(ansible: Ansible, host3: Host, tmp_path: Path) -> None:
    inventory = tmp_path / "hosts.ini"
    inventory.write_text("[lightiov_hosts]\nhost3\n")
    variables = {
        "lab_ssh_config": str(host3.ssh_config),  # the lab's inventory looks for it beside itself
        "lightiov_controllers": [{"serial": "LIOV3A"}],
        "lightiov_vms": [],
    }
    before = host3.run(SNAPSHOT).stdout
    run = ansible.playbook(
        "playbooks/deploy.yml", "-i", "inventories/lab", "-i", str(inventory), "--limit", "host3",
        "-e", json.dumps(variables),
    )  # fmt: skip
    assert run.returncode != 0
    assert "host3 has no active IOMMU: enable it (VT-d, AMD-Vi) in the firmware" in run.stdout, run.stdout
    assert host3.run(SNAPSHOT).stdout == before
