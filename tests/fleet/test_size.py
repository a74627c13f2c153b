# SPDX-License-Identifier: GPL-3.0-or-later
"""Other memory and vCPUs for a VM that is there: it has them from its next start on, and is named until then."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from fleet import VM, Ansible, changed

pytestmark = pytest.mark.slow

MEMORY_MIB, VCPUS = 512, 1
WAITS = re.compile(rf"VM vm3 runs with \d+ MiB of memory and 2 vCPUs, and has {MEMORY_MIB} MiB of memory and 1 vCPU ")


def definition(vm: VM) -> str:
    return vm.host.run(f"virsh dumpxml --inactive --security-info {vm.name}").stdout


def size(xml: str) -> tuple[int, int]:
    """MiB and vCPUs."""
    domain = ElementTree.fromstring(xml)
    return int(domain.findtext("memory", "")) >> 10, int(domain.findtext("vcpu", ""))


def without_size(xml: str) -> str:
    domain = ElementTree.fromstring(xml)
    for tag in ("memory", "currentMemory", "vcpu"):
        for element in domain.findall(tag):
            domain.remove(element)
    return ElementTree.canonicalize(ElementTree.tostring(domain, encoding="unicode"), strip_text=True)


def memory(vm: VM) -> int:
    """MiB, as its kernel counts them."""
    return int(vm.remote.run("awk '/^MemTotal/ {print $2}' /proc/meminfo").stdout) >> 10


@pytest.fixture
def before(vm3: VM) -> Iterator[str]:
    """The VM's definition, which is so again at the end."""
    xml = definition(vm3)
    yield xml
    complaints = vm3.complaints
    vm3.host.run("virsh define /dev/stdin", stdin=xml)
    vm3.restart()
    assert not complaints


def test_from_the_next_start_on(ansible: Ansible, vm3: VM, inventory: Path, before: str) -> None:
    host2 = inventory / "host_vars/host2.yml"
    sizes = f"tenant: green\n    memory_mib: {MEMORY_MIB}\n    vcpus: {VCPUS}"
    host2.write_text(host2.read_text().replace("tenant: green", sizes))

    def deploy(*options: str) -> subprocess.CompletedProcess[str]:
        run = ansible.playbook("playbooks/deploy.yml", "-i", str(inventory), *vm3.only, "--tags", "vm", *options)
        assert run.returncode == 0, run.stdout[-4000:]
        return run

    runs, had = vm3.pid, memory(vm3)
    assert size(before)[0] < MEMORY_MIB and size(before)[1] > VCPUS
    checked = deploy("--check", "--diff")
    assert f'"memory_mib": {MEMORY_MIB}' in checked.stdout and WAITS.search(checked.stdout), checked.stdout[-4000:]
    assert definition(vm3) == before

    done = deploy()
    assert (changed(done)["host2"], changed(checked)["host2"]) == (1, 1)
    again = deploy()
    assert changed(again)["host2"] == 0
    for run in (done, again):
        assert WAITS.search(run.stdout), run.stdout[-4000:]
    after = definition(vm3)
    assert size(after) == (MEMORY_MIB, VCPUS)
    assert without_size(after) == without_size(before)
    assert (vm3.pid, vm3.state) == (runs, "ready")

    assert not vm3.complaints
    vm3.shut_down()
    started = deploy()
    assert changed(started)["host2"] == 1
    assert not WAITS.search(started.stdout), started.stdout[-4000:]
    vm3.come_up()
    assert int(vm3.remote.run("nproc").stdout) == VCPUS
    # All but what tells of the pages, which grows with them.
    assert memory(vm3) - had > (MEMORY_MIB - size(before)[0]) * 0.9
    vm3.fio("--name=resized", "--rw=randrw", "--bs=4k", "--size=8m", "--verify=crc32c")
