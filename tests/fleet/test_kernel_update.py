# SPDX-License-Identifier: GPL-3.0-or-later
"""A host with a newer kernel, and one whose module is gone: nobody else gets the disks, and deploy puts it right."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fleet import VM, Ansible, changed, mark, marked, misplaced, wait_for_the_end_of_the_boot

from lab import Host, Lab, next_kernel
from lab.next_kernel import KernelUpdate
from lab.progress import Progress

SERIAL = "LIOV2A"
PACKAGE = "lightiov-host"


@pytest.fixture
def update() -> KernelUpdate:
    return next_kernel.ensure(Progress(quiet=True))


@pytest.fixture
def renewed(lab: Lab, ansible: Ansible, host2: Host, vm3: VM) -> Iterator[None]:
    """At the end the host is one from the installer, deployed anew."""
    yield
    lab.reset((host2.name,))
    lab.up((host2.name,))
    deploy(ansible, vm3)


def deploy(ansible: Ansible, vm: VM) -> str:
    run = ansible.playbook("playbooks/deploy.yml", *vm.only)
    assert run.returncode == 0, run.stdout[-4000:]
    return run.stdout


def install(host: Host, packages: list[Path]) -> None:
    host.run("mkdir -p /var/tmp/update")
    for package in packages:
        host.copy(package, "/var/tmp/update/")
    # apt, since some must be set up before others are unpacked.
    apt = "DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends"
    host.run(f"{apt} /var/tmp/update/*.deb && rm -r /var/tmp/update", timeout=900)


def reboot_into(lab: Lab, vm: VM, kernel: str) -> None:
    vm.host.choose_kernel(kernel)
    vm.remote.disconnect()
    lab.down((vm.host.name,))
    lab.up((vm.host.name,))
    assert vm.host.run("uname -r").stdout.strip() == kernel
    wait_for_the_end_of_the_boot(vm.host)


def driver_of_ours(host: Host) -> str:
    """What is bound to the controller that LightIOV took, which is in the first slot."""
    return host.run("basename $(readlink /sys/bus/pci/devices/0000:01:00.0/driver) 2>/dev/null", check=False).stdout


def is_right(ansible: Ansible, vm: VM) -> None:
    assert misplaced(vm.host, SERIAL) == []
    assert vm.state == "ready"
    assert marked(vm.remote, vm.disk) == "vm3"
    assert set(changed(ansible.playbook("playbooks/deploy.yml", *vm.only)).values()) == {0}


@pytest.mark.slow
@pytest.mark.usefixtures("renewed")
def test_kernel_update(lab: Lab, ansible: Ansible, host2: Host, vm3: VM, update: KernelUpdate) -> None:
    mark(vm3.remote, vm3.disk, "vm3")
    install(host2, update.image)
    said = deploy(ansible, vm3)
    assert f"Kernel {update.version}, which boots next, has no current module lightiov_host" in said
    assert f"linux-headers-{update.version}" in said

    # Nobody listened.
    reboot_into(lab, vm3, update.version)
    assert driver_of_ours(host2) == "", "the stock driver shows the disks of VMs to the host"
    assert vm3.off
    refused = ansible.playbook("playbooks/deploy.yml", *vm3.only)
    assert refused.returncode != 0
    assert (
        f"lightiov-host cannot be built for kernel {update.version}, because its headers are missing: install the "
        f"package linux-headers-{update.version}"
    ) in refused.stdout

    install(host2, update.headers)
    said = deploy(ansible, vm3)
    assert "boots next" not in said
    is_right(ansible, vm3)
    assert host2.run("cat /sys/module/lightiov_host/version; uname -r").stdout.split()[-1] == update.version

    reboot_into(lab, vm3, update.version)
    vm3.remote.wait()
    is_right(ansible, vm3)
    assert host2.kernel_problems() == []


@pytest.mark.slow
def test_module_gone(ansible: Ansible, host2: Host, vm3: VM) -> None:
    """Unloaded and uninstalled while the VMs were off: no driver tells which controller is which."""
    mark(vm3.remote, vm3.disk, "vm3")
    vm3.shut_down()
    host2.run(f"""
        for mdev in /sys/bus/mdev/devices/*; do mdevctl stop --uuid $(basename $mdev); done
        rmmod lightiov_host
        dkms status {PACKAGE} | sed 's/,.*//' | while read -r version; do dkms remove $version --all; done
        rm -rf /usr/src/{PACKAGE}-*
    """, timeout=300)  # fmt: skip
    assert driver_of_ours(host2) == ""

    deploy(ansible, vm3)
    is_right(ansible, vm3)
