# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at what the kernel counts on the host while a VM, or the host itself, does I/O."""

from __future__ import annotations

import contextlib
import re
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.lightiov.nvme.plugins.module_utils._bench import counters
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.drive import RUN, Drive
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.machine import VM
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host, read_int

KVM = "/sys/kernel/debug/kvm"
EXIT_EVENT = "/sys/kernel/tracing/events/kvm/kvm_exit"
# Instructions while no guest runs, of all CPUs.
INSTRUCTIONS = "instructions:H"


@dataclass(frozen=True)
class Look:
    """At one moment."""

    at: float
    cpu: Mapping[str, float]
    kvm: Mapping[str, float]
    interrupts: int
    drive: Mapping[str, int]


def look(host: Host, drive: Drive, vm: VM | None) -> Look:
    kvm = kvm_counters(host, vm.pid) if vm else {}
    return Look(
        time.monotonic(),
        counters.cpu_seconds(host.read("/proc/stat") or ""),
        kvm,
        counters.interrupts(host.read("/proc/interrupts") or "", drive.interrupt_lines),
        drive.counters,
    )


def kvm_counters(host: Host, pid: int) -> dict[str, float]:
    """What KVM has counted for a VM; nothing where debugfs is not there."""
    for directory in host.path(KVM).glob(f"{pid}-*"):
        found = {name: read_int(directory / name) for name in counters.KVM_COUNTERS}
        return {name: value for name, value in found.items() if value is not None}
    return {}


def per_io(before: Look, after: Look, ios_per_second: float) -> dict[str, float]:
    """What one I/O costs, from what was counted in between."""
    ios = ios_per_second * (after.at - before.at)
    cpu = counters.growth(before.cpu, after.cpu)
    kvm = counters.growth(before.kvm, after.kvm)
    return {
        "host_interrupts": (after.interrupts - before.interrupts) / ios,
        "outside_us": cpu["outside"] * 1e6 / ios,
        **{name: grown / ios for name, grown in kvm.items()},
        **{name: grown / ios for name, grown in counters.drive_growth(before.drive, after.drive).items()},
    }


def steal(before: Look, after: Look) -> float:
    """Which part of the CPUs' time was not the host's to have."""
    cpu = counters.growth(before.cpu, after.cpu)
    whole = sum(cpu.values())
    return cpu["steal"] / whole if whole else 0.0


def others_cpus(host: Host, seconds: float = 1.0) -> float:
    """How many CPUs the host uses while nothing of ours runs."""
    before, began = counters.cpu_seconds(host.read("/proc/stat") or ""), time.monotonic()
    time.sleep(seconds)
    cpu = counters.growth(before, counters.cpu_seconds(host.read("/proc/stat") or ""))
    return (cpu["outside"] + cpu["guest"]) / (time.monotonic() - began)


def exit_reasons(host: Host, threads: Sequence[int], seconds: float) -> dict[str, int]:
    """Why the VM of these threads has exited meanwhile; nothing where the kernel cannot tell."""
    event = host.path(EXIT_EVENT)
    if not (event / "hist").exists() or not threads:
        return {}
    chosen = " || ".join(f"common_pid == {thread}" for thread in threads)
    trigger = f"hist:keys=isa,exit_reason:size=512 if {chosen}"
    try:
        (event / "trigger").write_text(trigger, encoding="ascii")
    except OSError:
        return {}
    try:
        time.sleep(seconds)
        return counters.exit_reasons((event / "hist").read_text(encoding="ascii"))
    finally:
        # To open the file for writing has taken all triggers away, so the kernel may find none.
        with contextlib.suppress(OSError):
            (event / "trigger").write_text(f"!{trigger}", encoding="ascii")


@contextlib.contextmanager
def instructions(host: Host, seconds: float) -> Iterator[list[float]]:
    """Instructions a second, once the block has ended; nothing where the CPU or the host has no means to count them."""
    rate: list[float] = []
    perf = host.runner.find("perf")
    if not perf:
        yield rate
        return
    output = host.path(f"{RUN}/perf.txt")
    command = [perf, "stat", "-a", "-x,", "-o", str(output), "-e", INSTRUCTIONS, "--", "sleep", f"{seconds:g}"]
    counting = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield rate
    finally:
        with contextlib.suppress(subprocess.TimeoutExpired):
            counting.wait(seconds + 10)
        counting.kill()
        counting.wait(10)
    rate += [count / seconds for count in counted(output)]


def counted(output: Path) -> list[float]:
    """What perf has counted: "COUNT,,EVENT,..." in a line, or a word in the place of the count."""
    text = output.read_text(encoding="utf-8", errors="replace") if output.exists() else ""
    return [float(number) for number in re.findall(rf"^(\d+),[^,]*,{INSTRUCTIONS}", text, re.MULTILINE)]


def boot_id(host: Host) -> str:
    return host.read("/proc/sys/kernel/random/boot_id") or ""


def describe(host: Host, qemu: tuple[int, int]) -> dict[str, str]:
    """The hypervisor, for the report."""
    cpuinfo = host.read("/proc/cpuinfo") or ""
    model = re.search(r"^model name\s*: (.*)", cpuinfo, re.MULTILINE)
    cpus = len(re.findall(r"^processor", cpuinfo, re.MULTILINE))
    return {
        "kernel": host.read("/proc/sys/kernel/osrelease") or "",
        "cpu": f"{cpus} x {model[1] if model else 'unknown'}",
        "qemu": ".".join(map(str, qemu)),
        "emulated": "yes" if "QEMU TCG" in cpuinfo else "no",
    }
