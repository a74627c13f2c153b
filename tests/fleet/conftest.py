# SPDX-License-Identifier: GPL-3.0-or-later
"""Promises about a whole deployment, kept on the lab that `make molecule` leaves behind."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from figures import figures, pytest_terminal_summary  # noqa: F401 - pytest finds them here
from fleet import VM, Ansible

from lab import Host, Lab
from lab.kernel_log import problems
from lab.paths import PROJECT


@pytest.fixture(scope="session")
def lab() -> Lab:
    return Lab.open()


@pytest.fixture(scope="session")
def host1(lab: Lab) -> Host:
    return lab.host("host1")


@pytest.fixture(scope="session")
def host2(lab: Lab) -> Host:
    return lab.host("host2")


@pytest.fixture(scope="session")
def vm1(host1: Host) -> VM:
    return booted(VM(host1, "vm1"))


@pytest.fixture(scope="session")
def vm2(host1: Host) -> VM:
    return booted(VM(host1, "vm2"))


@pytest.fixture(scope="session")
def vm3(host2: Host) -> VM:
    return booted(VM(host2, "vm3"))


def booted(vm: VM) -> VM:
    """VMs start with their host, and some time after it answers."""
    vm.wait()
    return vm


@pytest.fixture(scope="session")
def ansible() -> Ansible:
    return Ansible()


@pytest.fixture
def inventory(tmp_path: Path) -> Iterator[Path]:
    """A copy of the lab's inventory, for a test to change."""
    directory = PROJECT / ".lab" / tmp_path.name  # beside which the lab's ssh_config is found
    shutil.rmtree(directory, ignore_errors=True)  # of a run that was interrupted
    shutil.copytree(PROJECT / "inventories/lab-pinned", directory)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(autouse=True, scope="module")
def kernel_logs_stay_clean(lab: Lab) -> Iterator[None]:
    """No file of tests passes while a kernel, of a host or of a VM, complains. To ask them all takes its time."""
    hosts = [host for host in lab.hosts if host.running]
    lines = {host.name: (host.machine.process, len(host.kernel_log())) for host in hosts}
    yield
    complaints = {}
    for host in hosts:
        process, seen = lines[host.name]
        # With another QEMU the console began anew.
        complaints[host.name] = host.kernel_problems(since=seen if host.machine.process == process else 0)
    for host in hosts:
        for name in host.run("virsh list --name").stdout.split():
            vm = host.vm(name)
            complaints[vm.name] = problems(vm.run("dmesg").stdout)
    assert not {name: found for name, found in complaints.items() if found}
