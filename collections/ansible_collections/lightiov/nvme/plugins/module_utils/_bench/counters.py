# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is counted by itself: by the kernel exits of VMs, time of CPUs, interrupts; by a drive what only it sees."""

from __future__ import annotations

import re
import struct
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


# Extended capabilities of PCI Express: where they begin, and the vendor's own (PCI Express Base Specification).
EXTENDED, VENDOR_SPECIFIC = 0x100, 0x0B
# The vendor and device ID of QEMU's controller, and the ID of the capability that lab/qemu_counters.patch gives it.
EMULATED, COUNTERS = (0x1B36, 0x0010), 0x4C49
# Of its I/O queues, in the order of that capability. Each is of 32 bits, and wraps.
DRIVE_COUNTERS = ("sq_doorbells", "cq_doorbells", "commands", "messages")


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


def drive_counters(config: bytes) -> dict[str, int]:
    """From the configuration space of a controller; nothing of one that does not count, as hardware does not."""
    if len(config) < EXTENDED or struct.unpack_from("<HH", config) != EMULATED:
        return {}
    # No capability is there twice, so one that leads back is not followed for ever.
    where, seen = EXTENDED, set()
    while EXTENDED <= where <= len(config) - 8 and where not in seen:
        seen.add(where)
        header, vendor = struct.unpack_from("<II", config, where)
        if header & 0xFFFF == VENDOR_SPECIFIC and vendor & 0xFFFF == COUNTERS:
            return dict(zip(DRIVE_COUNTERS, struct.unpack_from(f"<{len(DRIVE_COUNTERS)}I", config, where + 8)))
        where = header >> 20
    return {}


def drive_growth(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    return {name: (after[name] - was) % (1 << 32) for name, was in before.items() if name in after}


def growth(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    return {name: after[name] - was for name, was in before.items() if name in after}
