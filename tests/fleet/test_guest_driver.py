# SPDX-License-Identifier: GPL-3.0-or-later
"""What befalls a VM's disk under load: what can be done is done, what cannot be fails, and nothing hangs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from fleet import IMPATIENT, SLEEP, VERIFIED, VM

from lab import Program, wait_until

ENDLESS = ("--name=load", "--rw=randwrite", "--bs=4k", "--iodepth=16", "--numjobs=2", "--size=32m", "--time_based",
           "--runtime=600")  # fmt: skip
MIB = 1 << 20


def endless_load(vm: VM) -> Program:
    return vm.under_load(Program(vm.remote, vm.fio_command(*ENDLESS)))


def failed(load: Program) -> bool:
    """Ended by an error of its I/O: EIO, or ENOSPC once the block device is on its way out."""
    return load.wait() != 0 and "io_u error" in load.output()


def test_tells_what_its_namespace_is(vm2: VM) -> None:
    """As Linux's own driver does; the host's name for it comes of that."""
    attributes = f"cd /sys/block/{vm2.disk.removeprefix('/dev/')} && cat nguid host_id"
    nguid, host_id = vm2.remote.run(attributes).stdout.split()
    listed = vm2.host.run(f"cat {vm2.mdev}/../lightiov/namespaces").stdout.split()
    assert host_id == f"eui.{nguid.replace('-', '')}"
    assert host_id in listed


def test_controller_reset(vm1: VM, vm2: VM) -> None:
    before = vm1.statistics
    with vm1.verified_load(), vm2.verified_load():
        for _ in range(3):
            vm1.reset_controller()
            for vm in (vm1, vm2):
                vm.goes_on("after a reset")
    after = vm1.statistics
    assert after["queue_resets"] >= before["queue_resets"] + 3
    assert after["resets"] == before["resets"], "all memory was pinned anew"


@pytest.mark.slow
def test_controller_reset_without_a_pause(vm1: VM, vm2: VM) -> None:
    """Most starts of a VM's queues are overtaken by the next reset; its I/O waits for one that is not."""
    with vm1.verified_load(), vm2.verified_load():
        vm1.host.run(f"timeout 60 sh -c 'while {vm1.reset_command}; do :; done' || [ $? = 124 ]")
        for vm in (vm1, vm2):
            vm.goes_on("after the resets")


def test_quarantine(vm1: VM, vm2: VM) -> None:
    read = f"dd if={vm2.disk} of=/dev/null bs=4k count=1 iflag=direct"
    load = endless_load(vm2)
    with vm1.verified_load():
        vm2.host.run(f"echo 1 > {vm2.mdev}/quarantine")
        try:
            assert failed(load), load.output()
            assert "Input/output error" in vm2.remote.run(read, check=False).stderr
        finally:
            vm2.host.run(f"echo 0 > {vm2.mdev}/quarantine")
        wait_until(lambda: vm2.remote.run(read, check=False).returncode == 0, "the end of the quarantine")
    vm2.fio(*VERIFIED)


def test_driver_unbound(vm2: VM) -> None:
    load = endless_load(vm2)
    address = vm2.unbind()
    assert failed(load), load.output()
    assert vm2.state != "ready", "a queue pair outlived the driver"
    vm2.bind(address)
    vm2.fio(*VERIFIED)


def test_registers_out_of_reach(vm2: VM) -> None:
    """Switched off they take no command, and the queues would go on: the function is reset by PCI, and given up."""
    address, before, said = vm2.address, vm2.statistics["resets"], len(vm2.kernel_log)
    load = endless_load(vm2)
    with vm2.impatient(IMPATIENT):
        vm2.remote.run(f"setpci -s {address} COMMAND=0:2")
        try:
            wait_until(lambda: vm2.driver_state == "dead", "the device to be given up")
            assert failed(load), load.output()
        finally:
            vm2.remote.run(f"setpci -s {address} COMMAND=2:2")
    assert vm2.statistics["resets"] > before
    assert vm2.state != "ready", "a queue pair outlived the device"
    assert not any("cannot be reset" in line for line in vm2.kernel_log[said:])
    vm2.bind(vm2.unbind())
    vm2.fio(*VERIFIED)


def wait_for_libvirt(vm: VM) -> None:
    wait_until(lambda: vm.uuid not in vm.host.run(f"virsh dumpxml {vm.name}").stdout, "libvirt to notice")


def plug(vm: VM, device: str) -> None:
    vm.host.run(f"virsh attach-device {vm.name} /dev/stdin --live", stdin=device)
    vm.wait_for_disk()
    vm.fio(*VERIFIED)


def test_unplugged(vm2: VM) -> None:
    device = vm2.hostdev
    load = endless_load(vm2)
    vm2.host.run(f"virsh detach-device {vm2.name} /dev/stdin --live", stdin=device)
    assert failed(load), load.output()
    wait_until(lambda: vm2.state == "closed", "the end of the VM's use of its mediated device")
    wait_for_libvirt(vm2)
    plug(vm2, device)


def sleep_and_wake(vm: VM) -> None:
    wait_until(lambda: vm.asleep, "the VM to sleep", 240)
    assert vm.state != "ready", "a queue pair writes to a sleeping VM"
    vm.wake()
    wait_until(lambda: vm.state == "ready", "the queues")


@pytest.mark.slow
def test_suspended(vm2: VM) -> None:
    """A VM that has slept goes on with its disk, and still gives it back."""
    device = vm2.hostdev
    with vm2.verified_load():
        vm2.send_to_sleep()
        sleep_and_wake(vm2)
    vm2.host.run(f"virsh detach-device {vm2.name} /dev/stdin --live", stdin=device)
    wait_for_libvirt(vm2)
    plug(vm2, device)


@pytest.mark.slow
def test_suspended_with_a_cpu_offline(vm2: VM) -> None:
    """A queue pair whose CPU is away when the VM wakes has its interrupt when the CPU is back."""
    cpu = "/sys/devices/system/cpu/cpu1/online"
    said = len(vm2.kernel_log)
    vm2.remote.run(f"echo 0 > {cpu}")
    try:
        with vm2.verified_load():
            vm2.send_to_sleep()
            sleep_and_wake(vm2)
            vm2.goes_on("after its sleep")
    finally:
        vm2.remote.run(f"echo 1 > {cpu}")
    for allowed in ("0", "1"):
        before = vm2.queue_interrupts
        vm2.fio(*VERIFIED, f"--cpus_allowed={allowed}")
        assert vm2.queue_interrupts != before, f"no queue pair interrupted for CPU {allowed}"
    assert not [line for line in vm2.kernel_log[said:] if "interrupt was lost" in line or "no answer" in line]


@pytest.mark.slow
def test_removed_after_it_did_not_wake(vm2: VM) -> None:
    """A device that gets no interrupts after sleep is given up; the VM sleeps again with it, and is rid of it."""
    address = vm2.address
    # Which counts when a driver asks for vectors the next time.
    vectors = f"/sys/bus/pci/devices/{address}/msi_bus"
    said = len(vm2.kernel_log)
    vm2.remote.run(f"echo 0 > {vectors}")
    try:
        for _ in range(2):
            vm2.send_to_sleep()
            wait_until(lambda: vm2.asleep, "the VM to sleep", 240)
            vm2.wake()
            wait_until(lambda: vm2.driver_state == "dead", "the device to be given up")
        vm2.unbind()
    finally:
        vm2.remote.run(f"echo 1 > {vectors}")
    assert any("not the interrupt vectors" in line for line in vm2.kernel_log[said:])
    vm2.bind(address)
    vm2.fio(*VERIFIED)


@pytest.mark.slow
def test_taken_away_while_asleep(vm2: VM) -> None:
    device = vm2.hostdev
    detach = f"virsh detach-device {vm2.name} /dev/stdin --live"

    def gone() -> bool:
        # The emulator resets its slots when the VM wakes, which may forget the request: it is made until it is met.
        vm2.host.run(detach, stdin=device, check=False)
        return vm2.state == "closed"

    load = endless_load(vm2)
    vm2.send_to_sleep()
    wait_until(lambda: vm2.asleep, "the VM to sleep", 240)
    vm2.host.run(detach, stdin=device, check=False)
    vm2.wake()
    wait_until(gone, "the end of the VM's use of its mediated device", 240)
    assert failed(load), load.output()
    wait_for_libvirt(vm2)
    plug(vm2, device)


def test_asked_back(vm2: VM) -> None:
    """Whoever removes an mdev that a VM uses waits; the VM's disk goes, the VM stays."""
    device = vm2.hostdev
    said = len(vm2.kernel_log)
    load = endless_load(vm2)
    removal = Program(vm2.host, f"mdevctl stop --uuid {vm2.uuid}")
    assert failed(load), load.output()
    assert removal.wait() == 0, removal.output()
    assert any("asks for the device back" in line for line in vm2.kernel_log[said:])
    wait_for_libvirt(vm2)
    vm2.host.run(f"mdevctl start --uuid {vm2.uuid}")
    plug(vm2, device)


@contextmanager
def controller_off_the_bus(*vms: VM) -> Iterator[None]:
    """At least until a driver of these VMs has lost its patience, which takes 30 seconds."""
    host = vms[0].host
    address = host.run(f"basename $(readlink -f {vms[0].mdev}/..)").stdout.strip()
    before = [vm.statistics["commands"] for vm in vms]
    host.run(f"setpci -s {address} COMMAND=0:4")
    try:
        yield
        # Its first step is to have the host delete the queues. Asked by SSH, a VM would not answer meanwhile.
        wait_until(lambda: [vm.statistics["commands"] for vm in vms] != before, "a time-out in a VM")
    finally:
        host.run(f"setpci -s {address} COMMAND=4:4")


@contextmanager
def waiting(vm: VM) -> Iterator[None]:
    """Its device cannot be started again: its QEMU must not pin the memory that a reset by PCI has given back."""
    limit = f"prlimit --pid {vm.pid} --memlock"
    usual = vm.host.run(f"{limit} --output SOFT --noheadings --raw").stdout.strip()
    vm.host.run(f"{limit}={MIB}:")
    try:
        vm.remote.run(f"echo 1 > /sys/bus/pci/devices/{vm.address}/reset")
        wait_until(lambda: vm.driver_state == "waiting", f"the device of {vm.name} to wait")
        yield
    finally:
        vm.host.run(f"{limit}={usual}:")


def test_waits_for_what_may_pass(vm2: VM) -> None:
    with vm2.verified_load():
        before = vm2.statistics["resets"]
        with waiting(vm2):
            # It is tried again, and in vain.
            wait_until(lambda: vm2.statistics["resets"] > before + 5, "more starts")
            # Stopped while it tries; it would stay failed.
            wait_until(lambda: vm2.driver_state == "waiting", f"the device of {vm2.name} to wait on")
        wait_until(lambda: vm2.driver_state == "live", f"the device of {vm2.name} to be live")
        vm2.goes_on("after it has waited")


def test_unbound_while_it_waits(vm2: VM) -> None:
    address, load = vm2.address, endless_load(vm2)
    with waiting(vm2):
        vm2.unbind()
        assert failed(load), load.output()
    vm2.bind(address)
    vm2.fio(*VERIFIED)


@pytest.mark.slow
def test_sent_to_sleep_while_commands_hang(vm2: VM) -> None:
    """It sleeps when they have ended. Its second CPU goes offline for that, and waits for whatever is left of them."""
    with vm2.verified_load():
        with controller_off_the_bus(vm2):
            # A program that waits for the disk, such as udev's, may keep the VM from sleeping at once.
            vm2.send_to_sleep(f"until {SLEEP}; do sleep 1; done")
        sleep_and_wake(vm2)
        vm2.goes_on("after its sleep")


@pytest.mark.slow
def test_commands_without_answer(vm1: VM, vm2: VM) -> None:
    said = [len(vm.kernel_log) for vm in (vm1, vm2)]
    with vm1.verified_load(), vm2.verified_load():
        with controller_off_the_bus(vm1, vm2):
            pass
        for vm in (vm1, vm2):
            wait_until(lambda vm=vm: vm.state == "ready", f"the queues of {vm.name}")
    lines = [line for vm, before in zip((vm1, vm2), said, strict=True) for line in vm.kernel_log[before:]]
    assert any("got no answer" in line for line in lines)
