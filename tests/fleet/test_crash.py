# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM whose QEMU is killed under load takes nothing with it."""

from __future__ import annotations

import os

import pytest
from fleet import VM

from lab import Program, wait_until

# A VM takes most of a minute to boot under emulation: set LIGHTIOV_KILLS=20 for the full count.
KILLS = int(os.environ.get("LIGHTIOV_KILLS", "2"))
MIB = 1 << 20
DATA_MIB = 16
LOAD = ("--name=load", "--rw=randrw", "--bs=16k", "--iodepth=32", "--numjobs=2", f"--offset={DATA_MIB * MIB}",
        "--size=64m", "--time_based", "--runtime=600")  # fmt: skip


@pytest.mark.slow
def test_killed_under_load(vm1: VM, vm2: VM) -> None:
    vm2.remote.run(f"head -c {DATA_MIB * MIB} /dev/urandom > /root/data; "
                   f"dd if=/root/data of={vm2.disk} bs=1M oflag=direct conv=fsync status=none; sync")  # fmt: skip
    reserved = [line.split()[1] for line in vm2.queues]
    with vm1.verified_load():
        for _ in range(KILLS):
            vm2.under_load(Program(vm2.remote, vm2.fio_command(*LOAD)))
            vm2.host.run(f"kill -9 {vm2.pid}")
            wait_until(lambda: vm2.state == "closed", "the mediated device of the killed VM")
            assert vm2.statistics["pinned_bytes"] == 0
            assert all(line.endswith("-") for line in vm2.queues), "a queue pair outlived its VM"

            vm2.remote.disconnect()
            vm2.start()
            assert [line.split()[1] for line in vm2.queues] == reserved
            vm2.remote.run(f"cmp -n {DATA_MIB * MIB} /root/data {vm2.disk}")
