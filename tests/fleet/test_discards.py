# SPDX-License-Identifier: GPL-3.0-or-later
"""Discards on a controller that takes one range a command (DMRL 1): the block layer merges those that meet into it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from fleet import VM

from lab import Admin, Fault, Kind, Program, wait_until
from lab.fault import DO_NOT_RETRY

CONTROLLER = "nvme0"  # of vm3
MIB = 1 << 20
# Where DMRL is in Identify Controller of the NVM command set, and the CNS that asks for it.
DMRL, CNS_COMMAND_SET = 3, 6
INTERNAL_ERROR = 0x006
PIECES = 8
# In /sys/block/*/stat: discards that were merged into others.
MERGES = 12


@pytest.fixture
def one_range(vm3: VM) -> Iterator[None]:
    """LightIOV learns it when it takes the controller."""
    with vm3.host.fault(CONTROLLER, Fault(Kind.PUT, 1, command=Admin.IDENTIFY, cdw10=CNS_COMMAND_SET, at=DMRL)):
        vm3.take_controller_anew()
    yield
    complaints = vm3.complaints
    vm3.take_controller_anew()
    assert not complaints


@contextmanager
def pieces(vm: VM) -> Iterator[list[str]]:
    """Devices that are a MiB of the VM's disk each, one after the other, from its second on.

    Discards of one device wait for each other in the kernel, and would not be merged.
    """
    sectors = MIB // 512
    names = [f"piece{number}" for number in range(PIECES)]
    try:
        for number, name in enumerate(names):
            table = f"0 {sectors} linear {vm.disk} {(1 + number) * sectors}"
            vm.remote.run(f'dmsetup create {name} --table "{table}"')
        yield [f"/dev/mapper/{name}" for name in names]
    finally:
        vm.remote.run(f"for name in {' '.join(names)}; do dmsetup remove --retry $name; done", check=False)


@pytest.fixture
def scheduled(vm3: VM) -> Iterator[None]:
    """Without a scheduler, requests of several processes hardly ever meet."""
    scheduler = f"/sys/block/{vm3.disk.removeprefix('/dev/')}/queue/scheduler"
    vm3.remote.run(f"echo mq-deadline > {scheduler}")
    yield
    vm3.remote.run(f"echo none > {scheduler}")


@contextmanager
def waiting(vm: VM) -> Iterator[None]:
    """Requests wait meanwhile, since the VM's queues cannot be made, and meet."""
    first_queue = int(vm.queues[0].split()[1])
    refusal = Fault(Kind.STATUS, INTERNAL_ERROR | DO_NOT_RETRY, command=Admin.CREATE_CQ, cdw10=first_queue)
    with vm.host.fault(CONTROLLER, refusal):
        vm.reset_controller()
        wait_until(lambda: vm.driver_state == "waiting", "the driver to wait")
        yield


def stuck(vm: VM) -> int:
    """Processes of fio that wait for their I/O."""
    look = "for s in /proc/[0-9]*/status; do grep -qs '^Name:.fio' $s && grep -s '^State:.D' $s; done | wc -l"
    return int(vm.remote.run(look).stdout)


def is_blank(vm: VM, first: int) -> bool:
    """That MiB of the VM's disk: on the lab's controllers, what is deallocated is."""
    return vm.remote.run(f"cmp -n {MIB} -i {first * MIB}:0 {vm.disk} /dev/zero", check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.usefixtures("one_range", "scheduled")
def test_merged_ones_are_one_range(vm3: VM) -> None:
    assert vm3.limit("max_discard_segments") == 1
    vm3.fio("--name=fill", "--rw=write", "--bs=1m", f"--size={PIECES + 2}m")
    stat = f"cat /sys/block/{vm3.disk.removeprefix('/dev/')}/stat"
    before = int(vm3.remote.run(stat).stdout.split()[MERGES])
    with pieces(vm3) as devices:
        # By one CPU: requests of others are not looked at.
        jobs = [option for device in devices for option in (f"--name={device[-6:]}", f"--filename={device}")]
        trim = vm3.fio_command("--rw=trim", "--bs=1m", "--size=1m", "--cpus_allowed=0", "--invalidate=0", *jobs)
        with waiting(vm3):
            discards = Program(vm3.remote, trim)
            wait_until(lambda: stuck(vm3) == PIECES or not discards.running(), "the discards to wait")
            assert discards.running(), discards.output()
        assert discards.wait() == 0, discards.output()
    merged = int(vm3.remote.run(stat).stdout.split()[MERGES]) - before
    assert merged, "no discard was merged with another: the test is void"
    assert [is_blank(vm3, first) for first in range(PIECES + 2)] == [False, *[True] * PIECES, False]
