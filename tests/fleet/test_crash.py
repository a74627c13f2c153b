# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM whose QEMU is killed under load takes nothing with it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from fleet import VM, wait_until

# A VM takes most of a minute to boot under emulation: set LIGHTIOV_KILLS=20 for the full count.
KILLS = int(os.environ.get("LIGHTIOV_KILLS", "2"))
MIB = 1 << 20
DATA_MIB = 16
LOAD = ("--name=load", "--rw=randrw", "--bs=16k", "--iodepth=32", "--numjobs=2", f"--offset={DATA_MIB * MIB}",
        "--size=64m", "--time_based", "--runtime=600")  # fmt: skip


@contextmanager
def verified_load(vm: VM, stop_file: str = "/run/stop") -> Iterator[None]:
    """fio writes and verifies over and over while the block runs; any error in it is raised at the end."""
    failures: list[BaseException] = []

    def work() -> None:
        try:
            while vm.remote.run(f"test -e {stop_file}", check=False).returncode:
                vm.fio("--name=neighbour", "--rw=randwrite", "--bs=8k", "--iodepth=16", "--size=8m", "--verify=crc32c",
                       "--verify_fatal=1")  # fmt: skip
        except BaseException as failure:
            failures.append(failure)

    vm.remote.run(f"rm -f {stop_file}")
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        vm.remote.run(f"touch {stop_file}")
        thread.join()
    if failures:
        raise failures[0]


@pytest.mark.slow
def test_killed_under_load(vm1: VM, vm2: VM) -> None:
    vm2.remote.run(f"head -c {DATA_MIB * MIB} /dev/urandom > /root/data; "
                   f"dd if=/root/data of={vm2.disk} bs=1M oflag=direct conv=fsync status=none; sync")  # fmt: skip
    reserved = [line.split()[1] for line in vm2.queues]
    with verified_load(vm1):
        for _ in range(KILLS):
            fio = f"fio --ioengine=libaio --direct=1 --filename={vm2.disk} {' '.join(LOAD)}"
            vm2.remote.run(f"nohup {fio} > /dev/null 2>&1 &")
            before = vm2.statistics["interrupts"]
            wait_until(lambda before=before: vm2.statistics["interrupts"] > before + 200, "load in vm2")

            vm2.host.run(f"kill -9 {vm2.pid}")
            wait_until(lambda: vm2.state == "closed", "the mediated device of the killed VM")
            assert vm2.statistics["pinned_bytes"] == 0
            assert all(line.endswith("-") for line in vm2.queues), "a queue pair outlived its VM"

            vm2.remote.disconnect()
            vm2.start()
            assert [line.split()[1] for line in vm2.queues] == reserved
            vm2.remote.run(f"cmp -n {DATA_MIB * MIB} /root/data {vm2.disk}")
