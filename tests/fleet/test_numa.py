# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM that is to be on one NUMA node: its vCPUs, its memory and its controller are, on a host that has two."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from fleet import VM, Ansible

from lab import Host, Lab
from lab.paths import PROJECT

pytestmark = pytest.mark.slow

SERIAL, NODE = "LIOV4A", 1
WISH = {
    "name": "vm9",
    "tenant": "red",
    "address": "192.168.122.19",
    "vcpus": 1,
    "queue_pairs": 1,
    "numa": "required",
    "disks": [{"name": "data", "size": "64 MiB"}],
}


@pytest.fixture(scope="module")
def host4(lab: Lab) -> Iterator[Host]:
    lab.up(("host4",))
    host = lab.host("host4")
    yield host
    complaints = host.kernel_problems()
    lab.reset(("host4",))
    assert not complaints


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    """An inventory of that host alone, of which a test writes the VMs."""
    copied = PROJECT / ".lab/numa"  # beside which the lab's ssh_config is found
    shutil.rmtree(copied, ignore_errors=True)  # of a run that was interrupted
    shutil.copytree(PROJECT / "inventories/lab-pinned", copied, ignore=shutil.ignore_patterns("host_vars"))
    yield copied
    shutil.rmtree(copied)


def inventory(directory: Path, *vms: dict[str, object]) -> Path:
    variables = {
        "lightiov_controllers": [{"serial": SERIAL}],
        # The host has enough; each of its nodes has one.
        "lightiov_resources": {"vcpus": 8},
        "lightiov_vms": list(vms),
    }
    path = directory / "hosts.yml"
    path.write_text(yaml.safe_dump({"lightiov_hosts": {"hosts": {"host4": variables}}, "lightiov_guests": {}}))
    return path


@pytest.fixture(scope="module")
def vm(ansible: Ansible, host4: Host, directory: Path) -> VM:
    run = ansible.playbook("playbooks/deploy.yml", "-i", str(inventory(directory, WISH)))
    assert run.returncode == 0, run.stdout[-6000:]
    return VM(host4, "vm9")


def of_node(host: Host, what: str) -> str:
    return host.run(f"cat /sys/devices/system/node/node{NODE}/{what}").stdout.strip()


def test_controller_is_on_the_node(vm: VM) -> None:
    """Else what follows would be true of any host."""
    assert vm.host.run("cat /sys/devices/system/node/online").stdout.strip() == "0-1"
    assert vm.serial == SERIAL
    device = f"{vm.mdev}/.."
    assert vm.host.run(f"cat $(readlink -f {device})/numa_node").stdout.strip() == str(NODE)


def test_placement_and_domain_say_so(vm: VM, directory: Path) -> None:
    [placed] = yaml.safe_load((directory / "placements/host4.yml").read_text())["lightiov_vms"]
    cpus = of_node(vm.host, "cpulist")
    assert (placed["numa_node"], str(placed["numa_cpus"])) == (NODE, cpus)
    domain = ElementTree.fromstring(vm.host.run(f"virsh dumpxml --inactive {vm.name}").stdout)
    memory, vcpu = domain.find("numatune/memory"), domain.find("vcpu")
    assert memory is not None and vcpu is not None
    assert (memory.get("mode"), memory.get("nodeset"), vcpu.get("cpuset")) == ("strict", str(NODE), cpus)


def test_vcpus_run_there(vm: VM) -> None:
    threads = f"/proc/{vm.pid}/task"
    listing = vm.host.run(f"cd {threads} && grep -l KVM */comm | xargs -n1 dirname").stdout.split()
    assert len(listing) == WISH["vcpus"]
    allowed = vm.host.run("; ".join(f"grep Cpus_allowed_list {threads}/{one}/status" for one in listing)).stdout
    assert {line.split()[1] for line in allowed.splitlines()} == {of_node(vm.host, "cpulist")}


def test_memory_is_there(vm: VM) -> None:
    """Guest memory is the largest mapping of all; what QEMU's program file has in the page cache may be anywhere."""
    maps = vm.host.run(f"grep ' anon=' /proc/{vm.pid}/numa_maps").stdout.splitlines()
    largest = max(maps, key=lambda line: int(re.search(r" anon=(\d+)", line)[1]))
    pages = {int(node): int(count) for node, count in re.findall(r" N(\d+)=(\d+)", largest)}
    assert pages.keys() == {NODE}, largest


def test_disk_works(vm: VM) -> None:
    part = vm.remote.run("ls /dev/disk/by-id/lightiov-uuid.*").stdout.split()[0]
    vm.fio("--name=numa", f"--filename={part}", "--rw=randrw", "--bs=4k", "--size=8m", "--verify=crc32c")


def test_vm_that_no_node_has_the_cpus_for_is_told(ansible: Ansible, vm: VM, directory: Path) -> None:
    larger = {**WISH, "name": "vm8", "vcpus": 2, "address": "192.168.122.18"}
    run = ansible.playbook("playbooks/plan.yml", "-i", str(inventory(directory, WISH, larger)))
    assert run.returncode == 4, run.stdout[-4000:]
    assert "because none is with all of it on one NUMA node: let numa be preferred; host host4 then has" in run.stdout
    # What is placed is left where it is.
    assert [
        one["name"] for one in yaml.safe_load((directory / "placements/host4.yml").read_text())["lightiov_vms"]
    ] == ["vm9"]
