# SPDX-License-Identifier: GPL-3.0-or-later
"""What `make bench-fleet` measured, beside what it is to reach."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

# Hosts and VMs, and the seconds of a core and GiB that their plan from nothing may take; None: no limit.
PLANS = ((1000, 200_000, 60, None), (10_000, 1_000_000, 300, 8))
# Milliseconds of one more VM, 99th percentile; and of one with 12 disks apart on 16 alike controllers.
ONE_MORE, MANY_DISKS = 20, 50
# Of n log n. More than 1, since measurements of one fleet differ by some percent.
STEEPEST = 1.1
# Above the linear program's bound.
MORE_HOSTS = 0.015
# Of what a fleet has, at the fill that is measured, beside what its mix of VMs leaves over in any plan.
STRANDED = 0.02


@dataclass(frozen=True)
class Speed:
    """Of a plan from nothing."""

    hosts: int
    vms: int
    seconds: float
    # Milliseconds of one more VM, 99th percentile.
    p99: float
    peak_gib: float

    @property
    def work(self) -> float:
        return self.vms * math.log2(self.vms)


@dataclass(frozen=True)
class Stranded:
    """Shares of all bytes and queue pairs that nobody can use, and what the mix of VMs leaves over in any plan."""

    bytes: float
    queue_pairs: float
    mix_bytes: float
    mix_queue_pairs: float


@dataclass(frozen=True)
class Figures:
    speeds: Sequence[Speed]
    many_disks: float
    # Hosts that a mixed fleet needs, and the linear program's bound of them.
    needed: int
    fewest: float
    stranded: Stranded


def above(needed: int, bound: float) -> float:
    return needed / bound - 1


def growth(speeds: Sequence[Speed]) -> float:
    """The power of n log n, from the smallest to the largest fleet whose hosts have as many VMs as its own."""
    first = speeds[0]
    last = [one for one in speeds if one.vms * first.hosts == first.vms * one.hosts][-1]
    return math.log(last.seconds / first.seconds) / math.log(last.work / first.work) if last != first else 1.0


def judge(figures: Figures) -> list[str]:
    """What is not as it should be."""
    stranded = figures.stranded
    return [
        *_slow(figures),
        *_too_much(
            above(figures.needed, figures.fewest),
            MORE_HOSTS,
            f"{figures.needed} hosts are needed, {above(figures.needed, figures.fewest):.2%} more than the "
            f"{figures.fewest:.2f} of the linear program",
            f"{MORE_HOSTS:.1%}",
        ),
        *_stranded("bytes", stranded.bytes, stranded.mix_bytes),
        *_stranded("queue pairs", stranded.queue_pairs, stranded.mix_queue_pairs),
    ]


def _stranded(what: str, share: float, mix: float) -> Iterator[str]:
    yield from _too_much(
        share - mix,
        STRANDED,
        f"{share:.2%} of {what} are stranded, {mix:.2%} in any plan",
        f"{STRANDED:.0%} beside that",
    )


def _slow(figures: Figures) -> Iterator[str]:
    for one in figures.speeds:
        fleet = f"{one.hosts:,} hosts and {one.vms:,} VMs"
        yield from _too_much(one.p99, ONE_MORE, f"one more VM beside {fleet} takes {one.p99:.1f} ms", f"{ONE_MORE} ms")
        for hosts, vms, seconds, gib in PLANS:
            if (one.hosts, one.vms) == (hosts, vms):
                yield from _too_much(one.seconds, seconds, f"{fleet} take {one.seconds:.1f} s", f"{seconds} s")
                yield from _too_much(
                    one.peak_gib, gib or math.inf, f"{fleet} take {one.peak_gib:.1f} GiB", f"{gib} GiB"
                )
    power = growth(figures.speeds)
    yield from _too_much(power, STEEPEST, f"a plan grows with n log n to the power of {power:.2f}", f"{STEEPEST}")
    yield from _too_much(
        figures.many_disks, MANY_DISKS, f"12 disks apart take {figures.many_disks:.1f} ms", f"{MANY_DISKS} ms"
    )


def _too_much(value: float, limit: float, told: str, shown: str) -> Iterator[str]:
    if value > limit:
        yield f"{told}, and {shown} is the limit"
