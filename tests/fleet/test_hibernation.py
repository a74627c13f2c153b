# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM that comes back from hibernation finds other hardware queues, or a smaller disk: it must not go on as before."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from fleet import STOP, VERIFIED, VM

from lab import wait_until

SWAP = "/var/lib/libvirt/images/vm2-swap.img"
DEVICE = "/dev/vdb"
RESUME = "/etc/initramfs-tools/conf.d/resume"
LOAD = "verified-load"
NAMESPACE = "nvme0n2"  # vm2's, as the emulator names it
GIB = 1 << 30
SMALLER = GIB - (2 << 20)


@pytest.fixture(scope="module")
def swap(vm2: VM) -> Iterator[None]:
    """A disk of the VM that takes its memory."""
    vm2.host.run(f"qemu-img create -q -f raw {SWAP} 1G && virsh attach-disk vm2 {SWAP} vdb --persistent")
    wait_until(lambda: vm2.remote.run(f"test -b {DEVICE}", check=False).returncode == 0, "the swap disk")
    vm2.remote.run(f"mkswap {DEVICE} && swapon {DEVICE} && echo RESUME={DEVICE} > {RESUME}")
    vm2.remote.run("update-initramfs -u", timeout=300)
    yield
    vm2.remote.run(f"swapoff {DEVICE}; rm {RESUME}; update-initramfs -u", timeout=300)
    vm2.host.run(f"virsh detach-disk vm2 vdb --persistent && rm {SWAP}")


@pytest.fixture
def squatter(vm2: VM) -> Iterator[str]:
    """Another mediated device of the controller, for a test to make."""
    name = str(uuid.uuid4())
    yield name
    vm2.host.run(f"echo 1 > /sys/bus/mdev/devices/{name}/remove")


def boot_id(vm: VM) -> str:
    return vm.remote.run("cat /proc/sys/kernel/random/boot_id").stdout


@contextmanager
def hibernated(vm: VM) -> Iterator[None]:
    """The VM is off meanwhile, and what ran in it before runs on afterwards."""
    booted = boot_id(vm)
    vm.send_to_sleep("echo disk > /sys/power/state")
    wait_until(lambda: vm.off, f"{vm.name} to hibernate", 300)
    vm.remote.disconnect()
    yield
    vm.switch_on()
    vm.remote.wait(600)
    assert boot_id(vm) == booted, "it booted anew"


def start_load(vm: VM) -> None:
    """One that outlasts the connection to the VM, and has the disk open also between two runs of fio."""
    unit = f"--unit {LOAD} --property StandardInput=file:{vm.disk}"
    vm.remote.run(f"rm -f {STOP}; systemd-run {unit} {vm.verify_until_stopped()}")
    vm.goes_on("before it sleeps")


def wait_for_end_of_load(vm: VM) -> None:
    wait_until(lambda: vm.remote.run(f"systemctl is-active {LOAD}", check=False).returncode != 0, "the load to end")


def load_failed(vm: VM) -> bool:
    return vm.remote.run(f"systemctl is-failed {LOAD}", check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.usefixtures("swap")
def test_other_queues_after_hibernation(vm1: VM, vm2: VM, squatter: str) -> None:
    before = [line.split()[1] for line in vm2.queues]
    start_load(vm2)
    with vm1.verified_load():
        with hibernated(vm2):
            parent = vm2.host.run(f"readlink -f {vm2.mdev}/..").stdout.strip()
            vm2.host.run(f"""
                set -e
                mdevctl stop --uuid {vm2.uuid}
                echo {squatter} > {parent}/mdev_supported_types/lightiov-passthrough/create
                echo blue > {parent}/{squatter}/tenant
                echo {len(before)} > {parent}/{squatter}/queue_pairs
                mdevctl start --uuid {vm2.uuid}
            """)
            assert not set(before) & {line.split()[1] for line in vm2.queues}
        vm2.goes_on("of what ran before")
    vm2.remote.run(f"touch {STOP}")
    wait_for_end_of_load(vm2)
    assert not load_failed(vm2), "an error of its I/O"


def namespace_size(vm: VM) -> int:
    """Bytes, as the host module knows it."""
    lines = vm.host.run(f"cat {vm.mdev}/../lightiov/namespaces").stdout.splitlines()
    return next(int(fields[1]) * int(fields[2]) for fields in map(str.split, lines) if fields[0] == "2")


def resize(vm: VM, size: int) -> None:
    vm.host.qmp("block_resize", device=NAMESPACE, size=size)
    wait_until(lambda: namespace_size(vm) == size, f"{NAMESPACE} with {size} bytes")


def has_disk_of(vm: VM, size: int) -> bool:
    link = "/dev/disk/by-id/lightiov-*-ns[0-9]"
    return vm.remote.run(f"blockdev --getsize64 {link}", check=False).stdout.strip() == str(size)


@pytest.mark.slow
@pytest.mark.usefixtures("swap")
def test_a_disk_that_has_shrunk_meanwhile_fails(vm2: VM) -> None:
    """What is on it may lie beyond its end. Once nobody has it open it comes anew, as large as it is."""
    said = len(vm2.kernel_log)
    start_load(vm2)
    try:
        with hibernated(vm2):
            resize(vm2, SMALLER)
        wait_for_end_of_load(vm2)
        assert load_failed(vm2)
        assert any("the host has shrunk namespace 2: its I/O fails" in line for line in vm2.kernel_log[said:])
        wait_until(lambda: has_disk_of(vm2, SMALLER), f"{vm2.name}: a disk of {SMALLER} bytes")
        vm2.fio(*VERIFIED)
    finally:
        vm2.remote.run(f"systemctl reset-failed {LOAD}", check=False)
        resize(vm2, GIB)
    wait_until(lambda: has_disk_of(vm2, GIB), f"{vm2.name}: a disk of {GIB} bytes")
