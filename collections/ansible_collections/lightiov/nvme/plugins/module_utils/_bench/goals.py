# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was promised before anything was measured, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils._bench.contenders import BASELINE, POLLED_BASELINE
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.crowd import COSTS

REACHED, NOT_REACHED, UNDECIDED = "reached", "not reached", "undecided"
NOT_MEASURED, NOT_HERE = "not measured", "not measurable here"
# As the report says it.
RULE = (
    "A ratio's goal is reached if at each of its workloads the median reaches it (1a and 2a: the lower end of the "
    "interval), not reached if at one of them the whole interval does not, and undecided otherwise. Of fewer than "
    "6 rounds there is no interval but the least and the most."
)
# Resamples of fewer say no more than these do themselves.
LEAST_ROUNDS = 6
DEPTHS = ("randread-qd1", "randread-qd8", "randread-qd32", "randwrite-qd1", "randwrite-qd8", "randwrite-qd32")
# As the paper has it: the least part of VFIO's IOPS.
LEAST_IOPS = 0.976
POLLED_LATENCY = 0.70
# Timers' exits go by time and not by I/O, so there are always some.
NONE_PER_IO = 0.02
LATER = 1.10
VMS = 16
NO_TARGET = "QEMU's storage daemon cannot poll the queues of VMs."
CLIENTS = 500
# Times of a busy machine are never quite the same.
FLAT = 1.5


@dataclass(frozen=True)
class Goal:
    number: str
    text: str
    verdict: str
    found: str = ""

    def to_dict(self) -> dict[str, str]:
        return asdict(self)


def goals(summary: Mapping[str, Any] | None) -> list[Goal]:
    """Of a summary, or of none yet."""
    return [*_goals(summary or {})]


def _goals(summary: Mapping[str, Any]) -> Iterator[Goal]:
    ratios = _Ratios(summary)
    text = "LightIOV's IOPS at every queue depth at least 97.6 % of VFIO's"
    yield ratios.goal("1a", text, "lightiov", measure="iops", workloads=DEPTHS, low=LEAST_IOPS)
    text = "Its 99th percentile of latency no worse"
    yield ratios.goal("1b", text, "lightiov", measure="p99_us", workloads=DEPTHS, high=1.0)
    polled = _Ratios(summary, "polled_ratios", POLLED_BASELINE)
    text = "Polled: IOPS at least 97.6 % of VFIO's, polled"
    yield polled.goal("2a", text, "lightiov-polled", measure="iops", workloads=DEPTHS, low=LEAST_IOPS)
    text = "Polled: mean latency at most 70 % of interrupt-driven VFIO's"
    yield ratios.goal("2b", text, "lightiov-polled", measure="mean_us", workloads=DEPTHS[:1], high=POLLED_LATENCY)
    text = "Polled: no exit caused by I/O"
    yield _none("2c", text, summary, "lightiov-polled", ("trapped", "guest_interrupts"))
    text = "VM exits per I/O no more than VFIO's"
    yield ratios.goal("3a", text, "lightiov", measure="exits", workloads=DEPTHS, high=1.0)
    yield _none("3b", "No exit for a doorbell", summary, "lightiov", ("trapped",))
    text = "Host CPU time outside the VM per I/O no more than VFIO's"
    yield ratios.goal("3c", text, "lightiov", measure="outside_us", workloads=DEPTHS, high=1.0)
    yield _shared(summary)
    yield _crowd(summary)
    yield _start(summary)


class _Ratios:
    """Of each round, to the baseline in the same round."""

    def __init__(self, summary: Mapping[str, Any], which: str = "ratios", baseline: str = BASELINE) -> None:
        self.of: Mapping[str, Any] = summary.get(which, {})
        self.baseline = baseline
        self.unavailable: Mapping[str, str] = summary.get("unavailable", {})
        self.failed: Mapping[str, str] = summary.get("failed", {})

    def goal(
        self,
        number: str,
        text: str,
        contender: str,
        *,
        measure: str,
        workloads: Sequence[str],
        low: float | None = None,
        high: float | None = None,
    ) -> Goal:
        """At every workload: the whole interval is above `low`, or the median is not above `high`."""
        if contender in self.unavailable:
            return Goal(number, text, NOT_HERE, self.unavailable[contender])
        found = {
            workload: self.of[workload][contender][measure]
            for workload in workloads
            if measure in self.of.get(workload, {}).get(contender, {})
        }
        if not found:
            why = next((f"{one}: {self.failed[one]}" for one in (contender, self.baseline) if one in self.failed), "")
            return Goal(number, text, NOT_MEASURED, why)
        shown = "; ".join(f"{workload} {show(ratio)}" for workload, ratio in found.items())
        left = [workload for workload in workloads if workload not in found]
        verdict = _verdict([*found.values()], low, high)
        if left:
            shown += f"; not measured: {', '.join(left)}"
            verdict = UNDECIDED if verdict == REACHED else verdict
        return Goal(number, text, verdict, shown)


def _verdict(ratios: Sequence[Mapping[str, Any]], low: float | None = None, high: float | None = None) -> str:
    """As RULE has it."""
    met = all((low is None or one["low"] >= low) and (high is None or one["median"] <= high) for one in ratios)
    missed = any((low is not None and one["high"] < low) or (high is not None and one["low"] > high) for one in ratios)
    return REACHED if met else NOT_REACHED if missed else UNDECIDED


def show(one: Mapping[str, Any], digits: int = 2) -> str:
    """A median with its interval; of few rounds with the least, the most and their number; of one nothing else."""
    median, low, high = (f"{one[name]:.{digits}f}" for name in ("median", "low", "high"))
    if one["rounds"] == 1:
        return median
    of = f" of {one['rounds']}" if one["rounds"] < LEAST_ROUNDS else ""
    return f"{median} ({low} to {high}{of})"


def _none(number: str, text: str, summary: Mapping[str, Any], contender: str, measures: Sequence[str]) -> Goal:
    if contender in summary.get("unavailable", {}):
        return Goal(number, text, NOT_HERE, summary["unavailable"][contender])
    found = {
        f"{workload} {measure}": of[contender][measure]
        for workload, of in summary.get("figures", {}).items()
        if workload in DEPTHS
        for measure in measures
        if measure in of.get(contender, {})
    }
    if not found:
        return Goal(number, text, NOT_MEASURED)
    worst = max(found, key=lambda name: float(found[name]["median"]))
    verdict = REACHED if found[worst]["median"] <= NONE_PER_IO else NOT_REACHED
    return Goal(number, text, verdict, f"most: {worst} {show(found[worst], 3)} per I/O")


def _shared(summary: Mapping[str, Any]) -> Goal:
    """A goal about a target that polls for many VMs, of which there is none here: seen is one that does not poll."""
    number = "4"
    text = f"{VMS} VMs: mean latency 31.4 % below a polling target's, OPS 27.1 % above, host CPU a tenth"
    measures = (
        ("latency", "randread-qd1", "mean_us"),
        ("OPS", "rocksdb", "iops"),
        ("host CPU", "randread-qd1", "outside_us"),
    )
    found = []
    for name, workload, measure in measures:
        of = summary.get("scale", {}).get(workload, {})
        ours, theirs = (of.get(one, {}).get(str(VMS)) for one in ("lightiov", "vhost-user"))
        if ours and theirs and theirs[measure]["median"]:
            found.append(f"{name} {ours[measure]['median'] / theirs[measure]['median']:.2f}")
    if not found:
        return Goal(number, text, NOT_MEASURED)
    return Goal(number, text, NOT_HERE, f"{NO_TARGET} To vhost-user-blk's: {'; '.join(found)}")


def _crowd(summary: Mapping[str, Any]) -> Goal:
    """What one costs among the most, to what it costs among the fewest."""
    number, text = "5", f"{CLIENTS} mediated devices on a host: every cost of one stays the same"
    crowd: Mapping[str, Any] = summary.get("crowd", {})
    counts = sorted(map(int, crowd))
    if len(counts) < 2:
        return Goal(number, text, NOT_MEASURED)
    few, many = crowd[str(counts[0])], crowd[str(counts[-1])]
    grown = {name: many[name]["median"] / few[name]["median"] for name in COSTS if few[name]["median"] > 0}
    shown = "; ".join(f"{name} {ratio:.2f}" for name, ratio in grown.items())
    found = f"{counts[-1]} to {counts[0]} clients: {shown}"
    if counts[-1] < CLIENTS:
        return Goal(number, text, NOT_MEASURED, found)
    return Goal(number, text, REACHED if max(grown.values()) <= FLAT else NOT_REACHED, found)


def _start(summary: Mapping[str, Any]) -> Goal:
    number, text = "6", "From the VM's start to its disk at most 10 % later than with virtio-blk"
    ratio = summary.get("start_ratios", {}).get("lightiov")
    if not ratio:
        return Goal(number, text, NOT_MEASURED)
    return Goal(number, text, _verdict([ratio], high=LATER), show(ratio))
