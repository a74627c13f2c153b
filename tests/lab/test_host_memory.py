# SPDX-License-Identifier: GPL-3.0-or-later
"""A controller without DRAM borrows host memory. The emulated one has no use for any: that it asks is put in its mouth.

What it is given it writes to with each admin command: what goes too early, the IOMMU refuses, and the kernel's log
tells.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from passthrough import OWNER, Controller, load_module

from lab import Admin, Fault, Host, Kind
from lab.fault import DO_NOT_RETRY

INVALID_FIELD = 0x002
CNS_CONTROLLER = 1
HMPRE = 272  # in units of 4 KiB, as a little-endian number of four bytes
HOST_MEMORY_BUFFER = 0x0D
MIB = 1 << 20
ASKED = 64 * 4096


@contextmanager
def asking(controller: Controller, value: int, byte: int = 0) -> Iterator[None]:
    """The controller asks for so much when it is bound; meanwhile it has been."""
    controller.unbind()
    asks = Fault(Kind.PUT, value, command=Admin.IDENTIFY, cdw10=CNS_CONTROLLER, at=HMPRE + byte)
    with controller.fault(asks):
        controller.bind("lightiov")
        assert controller.faults_played == 1
    try:
        yield
    finally:
        controller.remove_mdevs()
        controller.unbind()
        left = controller.borrowed
        controller.bind("lightiov")
    assert not left


def works(controller: Controller) -> None:
    mdev = controller.mdev("1", 2)
    mdev.liov("verify", "--count 64 --queues 2 --yes-destroy-data")
    mdev.remove()


def reset(controller: Controller) -> None:
    controller.host.run(f"echo 1 > {controller.sysfs}/lightiov/reset_controller")
    assert controller.read("state") == "live"


def test_a_controller_that_asks_for_none_has_none(controller: Controller) -> None:
    assert controller.borrowed == int(controller.read("host_memory")) == 0


def test_it_is_lent_at_each_start_and_taken_back_before_the_end(controller: Controller) -> None:
    with asking(controller, 64):
        for _ in range(3):
            assert controller.borrowed == int(controller.read("host_memory")) == ASKED
            works(controller)
            reset(controller)
        # Only counts them, since so short a delay of a command is none.
        with controller.fault(Fault(Kind.STALL, 1, command=Admin.SET_FEATURES, cdw10=HOST_MEMORY_BUFFER)):
            controller.unbind()
            assert controller.faults_played == 1
            assert controller.borrowed == 0
        controller.bind("lightiov")


def test_what_one_tenant_leaves_in_it_the_next_does_not_find(controller: Controller) -> None:
    """A command of a VM can name it, as it can name any memory that the controller reaches."""
    with asking(controller, 64):
        for tenant, soil, found in (("blue", 1, 8), ("blue", 0, 8), ("red", 0, 0)):
            mdev = controller.mdev("1", tenant=tenant)
            said = controller.host.run(f"python3 {OWNER} lend {mdev.uuid} {soil}").stdout
            assert said.strip() == f"statuses [0], found {found}"
            mdev.remove()


def test_no_more_is_lent_than_the_host_allows(controller: Controller) -> None:
    # 64 GiB.
    with asking(controller, 1, byte=3):
        assert controller.borrowed == int(controller.read("host_memory")) == 128 * MIB
        works(controller)


def test_a_host_that_lends_none(host: Host, controller: Controller) -> None:
    controller.unbind()
    load_module(host, max_host_mem_size_mb=0)
    log = len(host.kernel_log())
    try:
        with asking(controller, 64):
            assert controller.borrowed == int(controller.read("host_memory")) == 0
            works(controller)
    finally:
        controller.unbind()
        load_module(host)
        controller.bind("lightiov")
    assert any("raise max_host_mem_size_mb of lightiov_host" in line for line in host.kernel_log()[log:])


def test_a_controller_that_refuses_what_it_asked_for_works_without(controller: Controller) -> None:
    refusal = Fault(
        Kind.STATUS, INVALID_FIELD | DO_NOT_RETRY, command=Admin.SET_FEATURES, cdw10=HOST_MEMORY_BUFFER, count=1
    )
    with asking(controller, 64):
        log = len(controller.host.kernel_log())
        with controller.fault(refusal):
            reset(controller)
            assert controller.faults_played == 1
        assert controller.borrowed == int(controller.read("host_memory")) == 0
        assert any("refuses the host memory that it asked for" in line for line in controller.host.kernel_log()[log:])
        works(controller)
        # Another time it may not.
        reset(controller)
        assert controller.borrowed == ASKED


def test_a_controller_that_does_not_let_go_is_stopped_all_the_same(controller: Controller) -> None:
    with asking(controller, 64):
        log = len(controller.host.kernel_log())
        with controller.fault(Fault(Kind.VANISH, command=Admin.SET_FEATURES, cdw10=HOST_MEMORY_BUFFER, count=1)):
            controller.unbind()
            assert controller.faults_played == 1
        assert controller.borrowed == 0
        assert any("does not let go of its host memory" in line for line in controller.host.kernel_log()[log:])
        controller.bind("lightiov")
