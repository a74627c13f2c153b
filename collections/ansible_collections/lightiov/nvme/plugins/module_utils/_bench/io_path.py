# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way of one I/O: what passes from whom to whom, in order, and what counts it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

VM, KVM, TARGET, HOST, DRIVE = "VM", "KVM", "target", "host kernel", "drive"
# From those that an I/O is of to those that it is for. A target is a program of the host: QEMU, or a daemon beside it.
PARTIES = (VM, KVM, TARGET, HOST, DRIVE)
# One I/O after the other, so that nothing is done for several at once.
WORKLOAD = "randread-qd1"
# Measures of the summary.
HOST_INTERRUPTS, GUEST_INTERRUPTS, TRAPPED = "host_interrupts", "guest_interrupts", "trapped"
HALTS = "halt_exits"
# Those that only a drive can count, and the lab's does.
SQ_DOORBELLS, CQ_DOORBELLS, COMMANDS = "sq_doorbells", "cq_doorbells", "commands"


@dataclass(frozen=True)
class Crossing:
    """One step, its count, and what a server with posted interrupts does otherwise than an emulated one."""

    source: str
    goal: str
    what: str
    count: str = ""
    hardware: str = ""


IoPath = tuple[Crossing, ...]

DATA = Crossing(DRIVE, VM, "data, by DMA into the VM's memory", COMMANDS)
INJECTION = Crossing(
    KVM, VM, "interrupt", GUEST_INTERRUPTS, "delivered by the CPU, without an exit, while the VM runs on it"
)

# One I/O after the other leaves the CPU nothing to do meanwhile.
SLEEP = Crossing(
    VM, KVM, "HLT: the CPU that waits for it sleeps", HALTS, "the same, unless the VM's CPU may sleep itself"
)

_SUBMISSION = Crossing(VM, DRIVE, "doorbell of the SQ, in a page of the drive that the VM has", SQ_DOORBELLS)
_DMA = Crossing(DRIVE, VM, "command read, data and completion written, by DMA through the IOMMU", COMMANDS)
_COMPLETION = Crossing(VM, DRIVE, "doorbell of the CQ", CQ_DOORBELLS)
# A drive whose queues are the VM's own.
PASSTHROUGH_POLLED: IoPath = (_SUBMISSION, _DMA, _COMPLETION)
PASSTHROUGH: IoPath = (
    _SUBMISSION,
    SLEEP,
    _DMA,
    Crossing(
        DRIVE, HOST, "interrupt, whose handler signals an eventfd", HOST_INTERRUPTS,
        "posted by the IOMMU to the VM's CPU: no code of the host runs while that CPU is in the VM",
    ),
    Crossing(HOST, KVM, "the eventfd, in the interrupt's handler", hardware="not there"),
    INJECTION,
    _COMPLETION,
)  # fmt: skip
KICK: IoPath = (
    Crossing(VM, KVM, "kick: a write to the virtqueue's register, which leaves the VM", TRAPPED),
    Crossing(KVM, TARGET, "ioeventfd, which wakes a thread"),
    SLEEP,
)
NOTIFICATION: IoPath = (Crossing(TARGET, KVM, "irqfd, a system call"), INJECTION)
_HOSTS_COMPLETION = Crossing(HOST, DRIVE, "doorbell of the CQ", CQ_DOORBELLS)
# A drive that the host's kernel has, behind a program that asks it by io_uring.
BY_THE_KERNEL: IoPath = (
    *KICK,
    Crossing(TARGET, HOST, "io_uring, a system call"),
    Crossing(HOST, DRIVE, "doorbell of the SQ", SQ_DOORBELLS),
    DATA,
    Crossing(DRIVE, HOST, "interrupt", HOST_INTERRUPTS),
    _HOSTS_COMPLETION,
    Crossing(HOST, TARGET, "completion in the ring, which wakes the thread"),
    *NOTIFICATION,
)
_MAPPED_COMPLETION = Crossing(TARGET, DRIVE, "doorbell of the CQ", CQ_DOORBELLS)
_MAPPED = Crossing(TARGET, DRIVE, "doorbell of the SQ, in a page of the drive that the program has", SQ_DOORBELLS)
# A drive that a program has.
BY_A_PROGRAM: IoPath = (
    *KICK,
    _MAPPED,
    DATA,
    Crossing(DRIVE, HOST, "interrupt, whose handler signals an eventfd", HOST_INTERRUPTS),
    Crossing(HOST, TARGET, "the eventfd, which wakes the thread"),
    _MAPPED_COMPLETION,
    *NOTIFICATION,
)
BY_A_POLLING_PROGRAM: IoPath = (
    Crossing(VM, TARGET, "nothing: a thread looks at the virtqueue all the time"),
    SLEEP,
    _MAPPED,
    DATA,
    Crossing(DRIVE, TARGET, "nothing: the thread looks at the CQ all the time"),
    Crossing(
        DRIVE, HOST, "interrupt, which nobody waits for", HOST_INTERRUPTS, "left out, where the target's driver can"
    ),
    _MAPPED_COMPLETION,
    *NOTIFICATION,
)
WITHOUT_A_VM: IoPath = (
    Crossing(HOST, DRIVE, "doorbell of the SQ", SQ_DOORBELLS),
    Crossing(DRIVE, HOST, "data, by DMA, and an interrupt", HOST_INTERRUPTS),
    _HOSTS_COMPLETION,
)


def counted(summary: Mapping[str, Any], contender: str, crossing: Crossing) -> float | None:
    """How often an I/O took that step, as it was measured."""
    measure = summary["figures"].get(WORKLOAD, {}).get(contender, {}).get(crossing.count)
    return measure["median"] if measure else None
