# SPDX-License-Identifier: GPL-3.0-or-later
"""Queue pairs that are polled: I/O without an interrupt, which all that befalls a disk leaves as whole as other I/O."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fleet import VM

from lab import Admin, Fault, Kind, Program, wait_until
from lab.fault import DO_NOT_RETRY

CONTROLLER = "nvme0"  # of vm2
HIPRI = ("--ioengine=io_uring", "--hipri=1")
VERIFY = ("--verify=crc32c", "--do_verify=1", "--verify_fatal=1")
ENDLESS = ("--name=load", "--rw=randwrite", "--bs=4k", "--iodepth=16", "--size=32m", "--time_based", "--runtime=600")
READS = 2000
# What udev reads of a disk that somebody has closed is not polled.
FEW = READS // 20
IMPATIENT = 2000
INTERNAL_ERROR = 0x006


@pytest.fixture(scope="module")
def polled(vm2: VM) -> Iterator[VM]:
    """A VM whose disk has one queue pair of each kind."""
    with vm2.polled(1):
        yield vm2


def hardware_queue(vm: VM) -> int:
    """The controller's ID of the queue pair that is polled."""
    return int(vm.queues[1].split()[1])


def read(vm: VM, *options: str) -> None:
    [job] = vm.fio(
        "--name=read", "--rw=randread", "--bs=4k", "--iodepth=8", "--size=32m", f"--number_ios={READS}", *options
    )
    assert job["read"]["total_ios"] >= READS


def test_it_interrupts_nobody(polled: VM) -> None:
    assert len(polled.queue_interrupts) == 1
    vectors = [line.split()[2] for line in polled.queues]
    assert vectors[0].isdigit() and vectors[1:] == ["-"]
    [before], on_host = polled.queue_interrupts, polled.statistics["interrupts"]
    read(polled, *HIPRI)
    assert polled.queue_interrupts[0] - before < FEW, "in the VM"
    assert polled.statistics["interrupts"] - on_host < FEW, "on the host"


def test_the_others_do(polled: VM) -> None:
    [before] = polled.queue_interrupts
    read(polled, "--iodepth=1")
    assert polled.queue_interrupts[0] - before > READS / 2


def test_data(polled: VM) -> None:
    """Of all sizes, with shallow and deep queues, and beside I/O that is not polled."""
    sections = []
    for number, (block, depth) in enumerate((block, depth) for block in ("4k", "64k", "1m") for depth in (1, 32)):
        sections += [
            f"--name={block}-{depth}", "--stonewall", "--rw=randwrite", f"--bs={block}", f"--iodepth={depth}",
            "--size=4m", f"--offset={number * 8}m", *HIPRI, *VERIFY,
        ]  # fmt: skip
    beside = ("--name=beside", "--rw=randwrite", "--bs=16k", "--iodepth=8", "--size=4m", "--offset=48m", *VERIFY)
    polled.fio(*sections, *beside)


def test_controller_reset(polled: VM) -> None:
    with polled.verified_load(*HIPRI):
        for _ in range(3):
            polled.reset_controller()
            polled.goes_on("after a reset")
    assert [line.split()[2] for line in polled.queues][1] == "-"


def test_a_command_without_answer(polled: VM) -> None:
    """The time-out comes to the same as on other queue pairs: the queues are made again, and I/O goes on."""
    before = polled.driver_statistics["timeouts"]
    lost = Fault(Kind.VANISH, queue=hardware_queue(polled), count=1)
    with polled.impatient(IMPATIENT), polled.verified_load(*HIPRI):
        with polled.host.fault(CONTROLLER, lost):
            wait_until(lambda: polled.driver_statistics["timeouts"] > before, "a time-out")
        polled.goes_on("after the time-out")


def test_lies(polled: VM) -> None:
    with polled.verified_load(*HIPRI):
        for kind in (Kind.STRAY, Kind.TWICE):
            with polled.host.fault(CONTROLLER, Fault(kind, queue=hardware_queue(polled), count=100)):
                wait_until(lambda: polled.host.faults_played(CONTROLLER) == 100, f"100 of {kind}", 300)
        polled.goes_on("after the lies")


def test_who_polls_is_killed(polled: VM) -> None:
    """What it has left under way is ended by whoever waits for that, without a time-out."""
    before = polled.driver_statistics["timeouts"]
    load = polled.under_load(Program(polled.remote, polled.fio_command(*ENDLESS, *HIPRI)))
    polled.remote.run("pkill -KILL -x fio")
    load.wait()
    assert polled.driver_statistics["timeouts"] == before
    polled.bind(polled.unbind())
    read(polled, *HIPRI)


def test_driver_unbound(polled: VM) -> None:
    load = polled.under_load(Program(polled.remote, polled.fio_command(*ENDLESS, *HIPRI)))
    address = polled.unbind()
    assert load.wait() != 0, load.output()
    assert "io_u error" in load.output()
    polled.bind(address)
    read(polled, *HIPRI)


def test_one_that_cannot_be_made_leaves_one_that_interrupts(polled: VM) -> None:
    refusal = Fault(Kind.STATUS, INTERNAL_ERROR | DO_NOT_RETRY, command=Admin.CREATE_SQ, cdw10=hardware_queue(polled))
    address = polled.unbind()
    with polled.host.fault(CONTROLLER, refusal):
        polled.bind(address)
        assert [line.split()[2].isdigit() for line in polled.queues] == [True, False]
        assert len(polled.queue_interrupts) == 1
        read(polled)
    polled.bind(polled.unbind())
    read(polled, *HIPRI)


@pytest.mark.slow
def test_suspended(polled: VM) -> None:
    """Its programs are frozen first, and poll no more: the driver does, and waits for no time-out."""
    said = len(polled.kernel_log)
    with polled.verified_load(*HIPRI):
        polled.send_to_sleep()
        wait_until(lambda: polled.asleep, "the VM to sleep", 240)
        assert polled.state != "ready", "a queue pair writes to a sleeping VM"
        polled.wake()
        wait_until(lambda: polled.state == "ready", "the queues")
        polled.goes_on("after its sleep")
    assert [line.split()[2] for line in polled.queues][1] == "-"
    assert not [line for line in polled.kernel_log[said:] if "cannot sleep" in line or "no answer" in line]


def test_one_interrupts_whatever_is_asked_for(vm3: VM) -> None:
    said, pairs = len(vm3.kernel_log), len(vm3.queue_interrupts)
    with vm3.polled(9):
        assert len(vm3.queue_interrupts) == 1
        assert any("one at least interrupts" in line for line in vm3.kernel_log[said:])
        read(vm3)
        read(vm3, *HIPRI)
    assert len(vm3.queue_interrupts) == pairs
