# SPDX-License-Identifier: GPL-3.0-or-later
"""What QEMU's monitor said of a host that hung at its boot, and what it says of healthy ones."""

from __future__ import annotations

from itertools import chain, repeat

import pytest

from lab import lost_cpu

REGISTERS = """
CPU#0
RAX=0000000000000000 RBX=0000000000000000 RCX=0000000000000000 RDX=0000000000000000
RIP=ffffffffab70fa3f RFL=00000202 [-------] CPL=0 II=0 A20=1 SMM=0 HLT={0}
CPU#1
RAX=0000000000000001 RBX=0000000000000000 RCX=ffff8a6dc14183c8 RDX=0000000000000000
RIP=ffffffffab70fa3f RFL=00000216 [----AP-] CPL=0 II=0 A20=1 SMM=0 HLT={1}
"""
APIC = """dumping local APIC state for CPU {cpu}
SPIV\t 0x000001ff APIC enabled, focus=off, spurious vec 255
ESR\t 0x00000000
ISR\t {served}
IRR\t {waiting}
"""
IDLE, HUNG = "(none)", "236 "


class Monitor:
    """At each look, CPU 0 has the next of these interrupts in service; the last one stays."""

    def __init__(self, served: list[str], halted: tuple[int, int]) -> None:
        self.served = chain(served, repeat(served[-1]))
        self.halted = halted

    def __call__(self, command: str) -> str:
        if command == "info registers -a":
            return REGISTERS.format(*self.halted).replace("\n", "\r\n")
        assert command in ("info lapic 0", "info lapic 1")
        cpu = int(command[-1])
        served = next(self.served) if cpu == 0 else IDLE
        return APIC.format(cpu=cpu, served=served, waiting="33 34 35 36 236 ").replace("\n", "\r\n")


@pytest.fixture(autouse=True)
def no_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lost_cpu, "SECONDS_BETWEEN", 0)


@pytest.mark.parametrize(
    ("served", "halted", "lost"),
    [
        ([HUNG], (1, 1), 0),
        ([IDLE], (1, 1), None),
        ([HUNG], (0, 1), None),
        ([HUNG, HUNG, IDLE], (1, 1), None),
        ([HUNG, "251 "], (1, 1), None),
    ],
    ids=["hangs", "idle", "at work", "was late", "another one"],
)
def test_lost_cpu(served: list[str], halted: tuple[int, int], lost: int | None) -> None:
    assert lost_cpu.find(Monitor(served, halted), 2) == lost
