# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that LightIOV has never been on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess

import modules
import pytest
import yaml
from fleet import VM, Ansible, changed
from passthrough import MODULE, Controller, load_module

from lab import Host, Lab
from lab.paths import COLLECTION

PREFLIGHT = COLLECTION / "roles/preflight/defaults/main.yml"
SNAPSHOT = """
ls -R /usr/local/src /usr/src /etc/modprobe.d /etc/modules-load.d /etc/apt /etc/libvirt
ls /sys/bus/pci/drivers/nvme; lsmod; dpkg -l
"""


@pytest.fixture
def host3(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Host]:
    lab.up(("host3",), iommu=request.param == "iommu")
    yield lab.host("host3")
    lab.reset(("host3",))


def deploy(ansible: Ansible, host: Host, directory: Path, *options: str) -> CompletedProcess[str]:
    disk = {"name": "data", "controller": "LIOV3A", "namespace": 1, "queue_pairs": 2}
    variables = {
        "lab_ssh_config": str(host.ssh_config),  # the lab's inventory looks for it beside itself
        "lightiov_controllers": [{"serial": "LIOV3A"}],
        "lightiov_vms": [{"name": "vm4", "tenant": "red", "address": "192.168.122.14", "disks": [disk]}],
    }
    inventory = directory / "hosts.yml"
    inventory.write_text(yaml.safe_dump({"lightiov_hosts": {"hosts": {host.name: variables}}}))
    return ansible.playbook(
        "playbooks/deploy.yml", "-i", "inventories/lab-pinned", "-i", str(inventory), *VM(host, "vm4").only, *options
    )


@pytest.mark.parametrize("host3", ["no iommu"], indirect=True)
def test_no_iommu(ansible: Ansible, host3: Host, tmp_path: Path) -> None:
    """A VM's queues would reach all of its memory, so it is left as it is."""
    before = host3.run(SNAPSHOT).stdout
    run = deploy(ansible, host3, tmp_path)
    assert run.returncode != 0
    assert "host3 has no active IOMMU: enable it (VT-d, AMD-Vi) in the firmware" in run.stdout, run.stdout
    assert host3.run(SNAPSHOT).stdout == before
    takes_no_controller(host3)


def takes_no_controller(host: Host) -> None:
    """Nor does the host module, whoever loads it."""
    host.copy(modules.build("host", host, modules.ensure_tree(), "stock"), MODULE)
    load_module(host)
    controller = Controller.find(host, "LIOV3A")
    controller.offer("lightiov")
    assert not controller.driver()
    assert any("boot with intel_iommu=on" in line for line in host.kernel_log())
    controller.bind("")
    assert not host.kernel_problems()


@pytest.mark.parametrize("host3", ["iommu"], indirect=True)
def test_check_says_all_that_a_run_would_do(ansible: Ansible, host3: Host, tmp_path: Path) -> None:
    """Also where no tool and no library is yet that any module or role works with."""
    packages = [*yaml.safe_load(PREFLIGHT.read_text())["lightiov_packages"], "systemd-container"]
    host3.run(f"dpkg --purge --force-depends {' '.join(packages)} linux-headers-$(uname -r)", timeout=600)
    before = host3.run(SNAPSHOT).stdout
    run = deploy(ansible, host3, tmp_path, "--check", "--diff")
    assert run.returncode == 0, run.stdout[-4000:]
    named = ("python3-libvirt", "linux-headers-6", "LIOV3A", "vm4", "lightiov-virtio-guestbase", '"loaded": true')
    assert all(word in run.stdout for word in named), run.stdout
    assert changed(run)["host3"] > 5, run.stdout
    assert host3.run(SNAPSHOT).stdout == before
