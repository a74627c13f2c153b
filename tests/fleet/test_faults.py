# SPDX-License-Identifier: GPL-3.0-or-later
"""What a VM makes of a controller that fails, hangs or lies: it tries again, goes on with less, or has the verdict.

LIGHTIOV_LIES says how many lies a test has to stand (default 300, and 10000 where it is slow).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
from fleet import DRIVER, IMPATIENT, VERIFIED, VM

from lab import Admin, Fault, Io, Kind, wait_until
from lab.fault import DO_NOT_RETRY, IO, RETRY_DELAYS_MS, retry_delay

CONTROLLER = "nvme0"  # of vm1 and vm2, and of vm3
INTERNAL_ERROR = 0x006
TRIES = 6
READ_AHEAD = 50001 * 4096
LIES = os.environ.get("LIGHTIOV_LIES")
ENOUGH = [int(LIES or 300), pytest.param(int(LIES or 10000), marks=pytest.mark.slow)]
# As many as requests of a verified load: each is lied about some times, and not until it has had all its tries.
BURST = 16
# As Linux's nvme driver would have it: the command, the status it is completed with, and what its program is told.
VERDICTS = {
    "unrecovered read error": (Io.READ, 0x281, "No data available"),
    "write fault": (Io.WRITE, 0x280, "No data available"),
    "write protected": (Io.WRITE, 0x020, "No data available"),
    "access denied": (Io.READ, 0x286, "No data available"),
    "LBA out of range": (Io.READ, 0x080, "Remote I/O error"),
    "capacity exceeded": (Io.WRITE, 0x081, "No space left on device"),
    "reservation conflict": (Io.WRITE, 0x083, "Invalid exchange"),
    "interrupted": (Io.READ, 0x021, "Remote I/O error"),
    "not ready": (Io.READ, 0x082, "Remote I/O error"),
    "invalid opcode": (Io.READ, 0x001, "Operation not supported"),
    "internal error": (Io.READ, INTERNAL_ERROR, "Input/output error"),
}


@pytest.fixture(scope="module")
def nsid(vm2: VM) -> int:
    return int(vm2.remote.run(f"cat /sys/block/{vm2.disk.removeprefix('/dev/')}/nsid").stdout)


@pytest.fixture(scope="module")
def commands(vm2: VM) -> dict[Io, str]:
    """Programs in the VM that give one such command, beyond what other tests write."""
    dd = "LC_ALL=C dd bs=4k count=1 status=none"
    return {
        Io.READ: f"{dd} if={vm2.disk} of=/dev/null skip=50001 iflag=direct",
        Io.WRITE: f"{dd} if=/dev/zero of={vm2.disk} seek=50001 oflag=direct conv=notrunc",
    }


def fault(vm: VM, fault: Fault) -> AbstractContextManager[None]:
    return vm.host.fault(CONTROLLER, fault)


def played(vm: VM) -> int:
    return vm.host.faults_played(CONTROLLER)


def hardware_queue(vm: VM, pair: int) -> int:
    """The controller's ID of one of the VM's queue pairs."""
    return int(vm.queues[pair].split()[1])


@contextmanager
def without_its_driver(vm: VM) -> Iterator[str]:
    """The VM's device, by its PCI address; it is bound anew afterwards, whatever has become of it."""
    address = vm.unbind()
    try:
        yield address
    finally:
        vm.remote.run(f"[ ! -e {DRIVER}/{address} ] || echo {address} > {DRIVER}/unbind")
        vm.bind(address)


def grown(vm: VM, before: dict[str, int]) -> dict[str, int]:
    """What the VM's driver has counted since of what may go wrong."""
    now = vm.driver_statistics
    return {name: now[name] - before[name] for name in ("errors", "retries", "timeouts", "resets")}


class TestVerdicts:
    @pytest.mark.parametrize("verdict", VERDICTS)
    def test_a_program_is_told(self, vm2: VM, nsid: int, commands: dict[Io, str], verdict: str) -> None:
        command, status, told = VERDICTS[verdict]
        with fault(vm2, Fault(Kind.STATUS, status | DO_NOT_RETRY, command=command, nsid=nsid)):
            done = vm2.remote.run(commands[command], check=False)
            assert played(vm2)
        assert done.returncode == 1
        assert told in done.stderr


class TestRetries:
    def test_as_often_as_it_takes(self, vm2: VM, nsid: int, commands: dict[Io, str]) -> None:
        status = INTERNAL_ERROR | retry_delay(1)
        with fault(vm2, Fault(Kind.STATUS, status, command=Io.WRITE, nsid=nsid, count=TRIES - 1)):
            vm2.remote.run(commands[Io.WRITE])
            assert played(vm2) == TRIES - 1

    def test_but_not_for_ever(self, vm2: VM, nsid: int, commands: dict[Io, str]) -> None:
        with fault(vm2, Fault(Kind.STATUS, INTERNAL_ERROR, command=Io.WRITE, nsid=nsid)):
            done = vm2.remote.run(commands[Io.WRITE], check=False)
            assert played(vm2) == TRIES
        assert "Input/output error" in done.stderr

    def test_not_of_what_may_fail_at_once(self, vm2: VM, nsid: int) -> None:
        """What is read ahead, for instance: who needs it will ask for it."""
        ahead = (
            f"import os; disk = os.open('{vm2.disk}', os.O_RDONLY);"
            f" os.posix_fadvise(disk, {READ_AHEAD}, 4096, os.POSIX_FADV_WILLNEED)"
        )
        before = vm2.driver_statistics
        with fault(vm2, Fault(Kind.STATUS, INTERNAL_ERROR, command=Io.READ, nsid=nsid)):
            vm2.remote.run(f'blockdev --flushbufs {vm2.disk} && python3 -c "{ahead}"')
            wait_until(lambda: grown(vm2, before)["errors"] > 0, "the end of what is read ahead")
            assert played(vm2) == 1
        assert grown(vm2, before) == {"errors": 1, "retries": 0, "timeouts": 0, "resets": 0}

    def test_after_as_long_as_the_controller_wants(self, vm2: VM, nsid: int, commands: dict[Io, str]) -> None:
        status = INTERNAL_ERROR | retry_delay(3)
        timed = f"began=$(date +%s%3N); {commands[Io.WRITE]} && echo $(($(date +%s%3N) - began))"
        with fault(vm2, Fault(Kind.STATUS, status, command=Io.WRITE, nsid=nsid, count=1)):
            took = int(vm2.remote.run(timed).stdout)
            assert played(vm2) == 1
        assert took >= RETRY_DELAYS_MS[2]

    def test_under_load(self, vm2: VM, nsid: int) -> None:
        status = INTERNAL_ERROR | retry_delay(1)
        with vm2.verified_load():
            with fault(vm2, Fault(Kind.STATUS, status, queue=IO, nsid=nsid, every=13)):
                wait_until(lambda: played(vm2) > 50, "retries")
            vm2.goes_on("after the retries")


class TestCounters:
    """The driver tells how often what went wrong."""

    def test_of_tries_and_errors(self, vm2: VM, nsid: int, commands: dict[Io, str]) -> None:
        before = vm2.driver_statistics
        with fault(vm2, Fault(Kind.STATUS, INTERNAL_ERROR, command=Io.WRITE, nsid=nsid)):
            vm2.remote.run(commands[Io.WRITE], check=False)
        assert grown(vm2, before) == {"errors": 1, "retries": TRIES - 1, "timeouts": 0, "resets": 0}

    def test_of_a_time_out_and_what_is_done_then(self, vm2: VM, nsid: int, commands: dict[Io, str]) -> None:
        before, said = vm2.driver_statistics, len(vm2.kernel_log)
        with vm2.impatient(IMPATIENT), fault(vm2, Fault(Kind.VANISH, command=Io.READ, nsid=nsid, count=1)):
            vm2.remote.run(commands[Io.READ])
            assert played(vm2) == 1
        counted = grown(vm2, before)
        assert counted.pop("errors") == 0
        # What else was under way was tried again, too.
        assert min(counted.values()) >= 1, counted
        assert any(f"got no answer in {IMPATIENT} ms" in line for line in vm2.kernel_log[said:])

    def test_of_a_controller_that_is_reset(self, vm2: VM) -> None:
        before = vm2.driver_statistics
        vm2.reset_controller()
        wait_until(lambda: grown(vm2, before)["resets"] > 0, "the driver to make its queues again")
        assert grown(vm2, before)["errors"] == 0


class TestQueues:
    def test_one_that_cannot_be_made_leaves_fewer(self, vm2: VM) -> None:
        pairs, said = len(vm2.queue_interrupts), len(vm2.kernel_log)
        refusal = Fault(
            Kind.STATUS, INTERNAL_ERROR | DO_NOT_RETRY, command=Admin.CREATE_SQ, cdw10=hardware_queue(vm2, 1)
        )
        with without_its_driver(vm2) as address, fault(vm2, refusal):
            vm2.bind(address)
            assert any(f"goes on with 1 queue pairs instead of {pairs}" in line for line in vm2.kernel_log[said:])
            assert len(vm2.queue_interrupts) == 1
            vm2.fio(*VERIFIED)
        assert len(vm2.queue_interrupts) == pairs

    def test_without_the_first_the_device_does_not_start(self, vm2: VM) -> None:
        said = len(vm2.kernel_log)
        refusal = Fault(
            Kind.STATUS, INTERNAL_ERROR | DO_NOT_RETRY, command=Admin.CREATE_CQ, cdw10=hardware_queue(vm2, 0)
        )
        with without_its_driver(vm2) as address, fault(vm2, refusal):
            assert vm2.remote.run(f"echo {address} > {DRIVER}/bind", check=False).returncode != 0
            assert played(vm2)
        assert any("cannot be started" in line for line in vm2.kernel_log[said:])

    @pytest.mark.slow
    def test_none_of_a_controller_that_is_dead(self, vm3: VM) -> None:
        """The driver finds out when it has begun to start the device, and leaves nothing that works on afterwards."""
        refusal = Fault(Kind.STATUS, INTERNAL_ERROR | DO_NOT_RETRY, command=Admin.SET_FEATURES)
        times = 20
        address, said = vm3.unbind(), len(vm3.kernel_log)
        try:
            with fault(vm3, refusal):
                lost = vm3.host.run(vm3.reset_command, check=False)
                assert lost.returncode != 0
                for _ in range(times):
                    assert vm3.remote.run(f"echo {address} > {DRIVER}/bind", check=False).returncode != 0
            assert sum("cannot be started" in line for line in vm3.kernel_log[said:]) == times
            assert not vm3.complaints
        finally:
            vm3.take_controller_anew()
        vm3.fio(*VERIFIED)

    def test_one_that_is_not_deleted_costs_a_reset_and_no_error(self, vm1: VM, vm2: VM) -> None:
        log = len(vm1.host.kernel_log())
        refusal = Fault(
            Kind.STATUS, INTERNAL_ERROR | DO_NOT_RETRY, command=Admin.DELETE_SQ, cdw10=hardware_queue(vm2, 0), count=1
        )
        with vm1.verified_load(), fault(vm2, refusal), without_its_driver(vm2):
            assert any("does not delete queue" in line for line in vm1.host.kernel_log()[log:])
            vm1.goes_on("after the reset")
        vm2.fio(*VERIFIED)


class TestLies:
    @pytest.mark.parametrize("enough", ENOUGH)
    def test_of_what_was_completed(self, vm2: VM, nsid: int, enough: int) -> None:
        """What completes nothing that is in flight changes nothing."""
        said = len(vm2.kernel_log)
        with vm2.verified_load():
            for kind in (Kind.STRAY, Kind.TWICE, Kind.WRONG_SQ_HEAD):
                with fault(vm2, Fault(kind, queue=IO, nsid=nsid)):
                    wait_until(lambda: played(vm2) > enough, f"{enough} of {kind}", 600)
            vm2.goes_on("after the lies")
        assert any("which is not in flight: ignored" in line for line in vm2.kernel_log[said:])

    @pytest.mark.parametrize("enough", [2 * BURST, *ENOUGH[1:]])
    def test_at_random(self, vm1: VM, vm2: VM, nsid: int, enough: int) -> None:
        """Some of which lose a command: then all queues are made anew, and what was under way is given again."""
        with vm2.impatient(IMPATIENT), vm1.verified_load(), vm2.verified_load():
            for seed in range(-(-enough // BURST)):
                with fault(vm2, Fault(Kind.ANY_LIE, queue=IO, nsid=nsid, count=BURST, seed=seed)):
                    wait_until(lambda: played(vm2) == BURST, f"{BURST} lies with seed {seed}")
                    vm2.goes_on(f"after {(seed + 1) * BURST} lies")
            vm1.goes_on("beside the lies")

    @pytest.mark.slow
    @pytest.mark.parametrize("kind", [Kind.VANISH, Kind.WRONG_ID, Kind.WRONG_PHASE])
    def test_by_which_a_command_is_lost(self, vm1: VM, vm2: VM, nsid: int, kind: Kind) -> None:
        """Its VM takes its queues back and begins anew; the other one does not notice."""
        said = [len(vm.kernel_log) for vm in (vm1, vm2)]

        def waited_in_vain(number: int, vm: VM) -> bool:
            return any("got no answer" in line for line in vm.kernel_log[said[number] :])

        with vm1.verified_load(), vm2.verified_load():
            with fault(vm2, Fault(kind, queue=IO, nsid=nsid, count=1)):
                wait_until(lambda: waited_in_vain(1, vm2), "a time-out")
            for vm in (vm1, vm2):
                vm.goes_on("after the time-out")
        assert not waited_in_vain(0, vm1)
