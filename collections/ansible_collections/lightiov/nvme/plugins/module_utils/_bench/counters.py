# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel counts by itself: exits of VMs, time of CPUs, interrupts. All texts are the kernel's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError

# Of those KVM has for each VM, the ones that I/O can cause. Older kernels do not have all.
KVM_COUNTERS = (
    "exits",
    "io_exits",
    "mmio_exits",
    "irq_exits",
    "irq_window_exits",
    "halt_exits",
    "request_irq_exits",
    "signal_exits",
    "hypercalls",
    "pf_taken",
    "host_state_reload",
)
# Ticks of /proc/stat in a second, whatever the kernel's own clock.
USER_HZ = 100
STAT_FIELDS = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest", "guest_nice")
HIST_LINE = re.compile(r"\{ isa: +(\d+), exit_reason: +(\d+) +\} hitcount: +(\d+)")
VMX, SVM = 1, 2
REASONS = {
    (SVM, 0x60): "interrupt",
    (SVM, 0x64): "interrupt window",
    (SVM, 0x72): "CPUID",
    (SVM, 0x77): "PAUSE",
    (SVM, 0x78): "HLT",
    (SVM, 0x7B): "I/O port",
    (SVM, 0x7C): "MSR",
    (SVM, 0x81): "hypercall",
    (SVM, 0x400): "page fault or MMIO",
    (SVM, 0x401): "IPI",
    (SVM, 0x402): "APIC",
    (VMX, 1): "interrupt",
    (VMX, 7): "interrupt window",
    (VMX, 10): "CPUID",
    (VMX, 12): "HLT",
    (VMX, 18): "hypercall",
    (VMX, 30): "I/O port",
    (VMX, 31): "MSR",
    (VMX, 32): "MSR",
    (VMX, 40): "PAUSE",
    (VMX, 44): "APIC",
    (VMX, 45): "APIC",
    (VMX, 48): "page fault",
    (VMX, 49): "MMIO",
    (VMX, 52): "timer",
    (VMX, 56): "APIC",
}
# What a VM does that somebody else has to do for it: a doorbell or a register that is not its own. KVM's count of
# emulated instructions is no measure of it: a CPU that does not say where the next one begins has each HLT in it.
TRAPS = ("MMIO", "page fault or MMIO", "I/O port")


def cpu_seconds(proc_stat: str) -> dict[str, float]:
    """Seconds of all CPUs together: of guests, of everything else that ran, and those that a host of ours took."""
    fields = proc_stat.splitlines()[0].split()
    ticks = dict(zip(STAT_FIELDS, map(int, fields[1:])))
    # A guest's time is in user's and nice's as well.
    guest = ticks["guest"] + ticks["guest_nice"]
    busy = sum(ticks[name] for name in ("user", "nice", "system", "irq", "softirq"))
    seconds = {
        "guest": guest,
        "outside": busy - guest,
        "steal": ticks["steal"],
        "idle": ticks["idle"] + ticks["iowait"],
    }
    return {name: value / USER_HZ for name, value in seconds.items()}


def interrupts(proc_interrupts: str, lines: Iterable[str] | re.Pattern[str]) -> int:
    """All there were, on all CPUs: of lines by their number, or by what their end has."""
    rows = proc_interrupts.splitlines()
    cpus = len(rows[0].split())
    numbers = None if isinstance(lines, re.Pattern) else set(lines)
    total = 0
    for row in rows[1:]:
        number, _colon, rest = row.partition(":")
        fields = rest.split(None, cpus)
        if len(fields) <= cpus:
            continue
        # What belongs to whom stands at the end of a line.
        chosen = number.strip() in numbers if numbers is not None else lines.search(fields[cpus])  # type: ignore[union-attr]
        if chosen:
            total += sum(map(int, fields[:cpus]))
    return total


def exit_reasons(histogram: str) -> dict[str, int]:
    """From the histogram of the tracepoint kvm_exit, by name."""
    found: dict[str, int] = {}
    for isa, reason, count in HIST_LINE.findall(histogram):
        name = REASONS.get((int(isa), int(reason)), f"reason {int(reason):#x}")
        found[name] = found.get(name, 0) + int(count)
    if "Dropped: 0" not in histogram and found:
        raise LightiovError("The histogram of kvm_exit is not whole: the kernel has dropped some of it")
    return found


def growth(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    return {name: after[name] - was for name, was in before.items() if name in after}
