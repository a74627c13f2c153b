# SPDX-License-Identifier: GPL-3.0-or-later
"""A namespace that changes while a VM uses it: the VM's disk does, as a disk of the stock driver would."""

from __future__ import annotations

from fleet import VM

from lab import wait_until

GIB = 1 << 30
NAMESPACE = "nvme0n2"  # vm2's, as the emulator names it


def size(vm: VM) -> int:
    """Bytes of the VM's disk."""
    return int(vm.remote.run(f"blockdev --getsize64 {vm.disk}").stdout)


def test_grows_and_shrinks_under_load(vm2: VM) -> None:
    assert size(vm2) == GIB
    said = len(vm2.kernel_log)
    with vm2.verified_load():
        for wanted in (GIB + (2 << 20), GIB - (2 << 20), GIB):
            vm2.host.qmp("block_resize", device=NAMESPACE, size=wanted)
            wait_until(lambda wanted=wanted: size(vm2) == wanted, f"{vm2.name}: a disk of {wanted} bytes")
            vm2.goes_on("after its disk has changed")
    assert any("capacity change" in line for line in vm2.kernel_log[said:])
