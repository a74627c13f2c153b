# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM that comes back from hibernation finds other hardware queues: those of before are somebody else's."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from fleet import STOP, VM

from lab import wait_until

SWAP = "/var/lib/libvirt/images/vm2-swap.img"
DEVICE = "/dev/vdb"
RESUME = "/etc/initramfs-tools/conf.d/resume"
LOAD = "verified-load"


@pytest.fixture
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


def hibernate(vm: VM) -> None:
    vm.restore_pm_registers()
    vm.remote.run("(sleep 1; echo disk > /sys/power/state) > /dev/null 2>&1 &")
    wait_until(lambda: "shut off" in vm.host.run(f"virsh domstate {vm.name}").stdout, f"{vm.name} to hibernate", 300)
    vm.remote.disconnect()


@pytest.mark.slow
@pytest.mark.usefixtures("swap")
def test_other_queues_after_hibernation(vm1: VM, vm2: VM, squatter: str) -> None:
    before = [line.split()[1] for line in vm2.queues]
    booted = vm2.remote.run("cat /proc/sys/kernel/random/boot_id").stdout
    vm2.remote.run(f"rm -f {STOP}; systemd-run --unit {LOAD} {vm2.verify_until_stopped()}")
    vm2.goes_on("before it sleeps")
    with vm1.verified_load():
        hibernate(vm2)
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
        vm2.host.run(f"virsh start {vm2.name}")
        vm2.remote.wait(600)
        assert vm2.remote.run("cat /proc/sys/kernel/random/boot_id").stdout == booted, "it booted anew"
        vm2.goes_on("of what ran before")
    vm2.remote.run(f"touch {STOP}")
    wait_until(lambda: vm2.remote.run(f"systemctl is-active {LOAD}", check=False).returncode != 0, "the load to end")
    assert vm2.remote.run(f"systemctl is-failed {LOAD}", check=False).returncode != 0, "an error of its I/O"
