# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory that is plugged into a running VM: its disk reaches it before anything is there."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from xml.etree import ElementTree

import pytest
from fleet import VM

from lab import Program, wait_until

MEMORY = "/sys/devices/system/memory"
MIB = 1 << 20
DIMM_MIB = 128  # a block of Linux on x86
DIMM = f"<memory model='dimm'><target><size unit='MiB'>{DIMM_MIB}</size><node>0</node></target></memory>"
TIMES = 100
# How long all of them may take together.
SECONDS = 1800


def with_a_slot(domain: str) -> str:
    """The domain's XML, and in it what a DIMM needs: a slot, and a NUMA node."""
    root = ElementTree.fromstring(domain)
    memory, cpus = root.find("memory"), root.findtext("vcpu")
    assert memory is not None and memory.text and cpus and memory.get("unit") == "KiB"
    most = ElementTree.Element("maxMemory", slots="1", unit="KiB")
    most.text = str(int(memory.text) + 2 * DIMM_MIB * 1024)
    root.insert(list(root).index(memory), most)
    cpu = root.find("cpu")
    if cpu is None:
        cpu = ElementTree.SubElement(root, "cpu")
    numa = ElementTree.SubElement(cpu, "numa")
    ElementTree.SubElement(numa, "cell", id="0", cpus=f"0-{int(cpus) - 1}", memory=memory.text, unit="KiB")
    return ElementTree.tostring(root, encoding="unicode")


def restart_as(vm: VM, domain: str) -> None:
    vm.host.run("virsh define /dev/stdin", stdin=domain)
    vm.restart()


@pytest.fixture
def roomy(vm3: VM) -> Iterator[None]:
    """The VM has room for a DIMM."""
    before = vm3.host.run(f"virsh dumpxml --inactive --security-info {vm3.name}").stdout
    restart_as(vm3, with_a_slot(before))
    yield
    complaints = vm3.complaints
    restart_as(vm3, before)
    assert not complaints


def blocks(vm: VM) -> set[str]:
    return set(vm.remote.run(f"cd {MEMORY} && ls -d memory[0-9]*").stdout.split())


@pytest.mark.slow
@pytest.mark.usefixtures("roomy")
def test_comes_online_during_resets(vm3: VM) -> None:
    """In the moment between the host's taking all queues back and the VM's noticing it, too."""
    vm3.remote.run(f"echo offline > {MEMORY}/auto_online_blocks")
    known, pinned = blocks(vm3), vm3.statistics["pinned_bytes"]
    vm3.host.run(f"virsh attach-device {vm3.name} /dev/stdin --live", stdin=DIMM)
    wait_until(lambda: blocks(vm3) - known, "a block of memory")
    [block] = blocks(vm3) - known
    state = f"{MEMORY}/{block}/state"
    online, offline = f"echo online_movable > {state}", f"until echo offline > {state}; do sleep 0.1; done"
    # The first time the window becomes larger, which is a start of its own.
    vm3.remote.run(online)
    assert vm3.statistics["pinned_bytes"] == pinned + DIMM_MIB * MIB
    steps = f"for i in $(seq {TIMES}); do {offline}; {online} || exit 1; done"
    with vm3.verified_load():
        memory = Program(vm3.remote, f"timeout {SECONDS} sh -c {shlex.quote(steps)}")
        while memory.running():
            vm3.reset_controller()
            # What is to be met is the end of work.
            wait_until(lambda: vm3.state == "ready" or not memory.running(), f"the queues of {vm3.name}")
        assert memory.wait() == 0, memory.output()
        vm3.goes_on("after the resets")
    wait_until(lambda: vm3.statistics["pinned_bytes"] == pinned + DIMM_MIB * MIB, "all memory to be pinned")
    assert vm3.remote.run(f"cat {state}").stdout.strip() == "online"
