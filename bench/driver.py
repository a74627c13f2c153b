# SPDX-License-Identifier: GPL-3.0-or-later
"""What changes of the guest driver did to one I/O: the driver of an earlier commit and the present one, in turn, in
one VM of the lab that `make deploy` left and one boot of it; run by `make bench-driver BEFORE=COMMIT`.

It only reads. What is counted is the difference of two runs of fio, one twice as long as the other, so that nothing of
fio's start is in it: doorbells by the emulated drive, exits by KVM, interrupts and allocations by the VM's kernel; the
latter in runs of their own, since tracing costs time.
"""

from __future__ import annotations

import argparse
import base64
import re
import shlex
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import modules
from ansible_collections.lightiov.nvme.plugins.module_utils._bench import counters, fio
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.estimate import median
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.goals import show
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.report import table
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.workloads import PERCENTILES

from bench.starts import BOOT_TIMEOUT, VM, find
from lab import Lab, wait_until
from lab.compiled import NATIVE
from lab.paths import COLLECTION, PROJECT

PAGE = COLLECTION / "docs/driver.md"
BEFORE, AFTER = "before", "after"
MODULE = "lightiov_guest"
TRACING = "/sys/kernel/tracing"
# With the field by which the kernel has them in its histogram. Objects, and pages.
ALLOCATIONS = {"kmem/kmalloc": "call_site", "kmem/kmem_cache_alloc": "call_site", "kmem/mm_page_alloc": "order"}
WORKLOADS = {
    "4 KiB random read, QD 1": ("--rw=randread", "--bs=4k", "--iodepth=1"),
    "4 KiB random read, QD 32, 32 at a time": ("--rw=randread", "--bs=4k", "--iodepth=32", "--iodepth_batch=32",
                                               "--iodepth_batch_complete_min=32"),
    "64 KiB random read, QD 8": ("--rw=randread", "--bs=64k", "--iodepth=8"),
}  # fmt: skip
MEASURES = {
    "sq_doorbells": "doorbells of the SQ per I/O",
    "cq_doorbells": "doorbells of the CQ per I/O",
    "interrupts": "interrupts in the VM per I/O",
    "exits": "exits per I/O",
    "allocations": "allocations in the VM per I/O",
    "iops": "IOPS",
}
Counts = dict[str, float]


@dataclass(frozen=True)
class Measuring:
    """A VM, its disk's controller on the host, and its QEMU there."""

    vm: VM
    controller: str
    pid: int

    @classmethod
    def of(cls, vm: VM) -> Measuring:
        ours = vm.forms[0]
        parent = vm.host.run(f"dirname $(readlink -f /sys/bus/mdev/devices/{ours.source})").stdout.strip()
        pid = int(vm.host.run(f"cat /run/libvirt/qemu/{vm.name}.pid").stdout)
        vm.remote.run(f"mountpoint -q {TRACING} || mount -t tracefs tracefs {TRACING}")
        measuring = cls(vm, parent, pid)
        measuring.doorbells()
        return measuring

    def load(self, module: str) -> None:
        """Have this file be the guest driver."""
        self.vm.remote.run(f"modprobe --remove {MODULE} && insmod {module}")
        wait_until(lambda: self.disk, f"{self.vm.name}: its disk by {module}")

    @property
    def disk(self) -> str:
        return self.vm.disk(self.vm.forms[0])

    def counted(self) -> Counts:
        """So far, by whoever counts it."""
        exits = self.vm.host.run(f"cat /sys/kernel/debug/kvm/{self.pid}-*/exits").stdout
        table = self.vm.remote.run("cat /proc/interrupts").stdout
        interrupts = counters.interrupts(table, re.compile(r"liov\d+q\d"))
        return {**self.doorbells(), "exits": float(exits), "interrupts": interrupts}

    def doorbells(self) -> dict[str, int]:
        config = base64.b64decode(self.vm.host.run(f"base64 {self.controller}/config").stdout)
        found = counters.drive_counters(config)
        if not found:
            raise SystemExit(
                f"{self.controller} counts no doorbells: start the lab's host anew with `lab down`, `lab up`"
            )
        return found

    def read(self, options: Sequence[str], seconds: int) -> int:
        """How many I/Os there were."""
        fixed = ("--name=read", f"--filename={self.disk}", "--readonly", "--ioengine=io_uring", "--direct=1",
                 "--time_based=1", f"--runtime={seconds}s", "--output-format=json",
                 *PERCENTILES)  # fmt: skip
        return round(fio.parse(self.vm.remote.run(shlex.join(["fio", *fixed, *options])).stdout)["iops"] * seconds)

    def measure(self, options: Sequence[str], seconds: int) -> Counts:
        once, twice = (self.run(options, seconds * times) for times in (1, 2))
        ios = twice["ios"] - once["ios"]
        found = {name: (twice[name] - count) / ios for name, count in once.items()}
        traced = [self.traced(options, seconds * times) for times in (1, 2)]
        allocations = (traced[1][0] - traced[0][0]) / (traced[1][1] - traced[0][1])
        return {**found, "allocations": allocations, "iops": twice["ios"] / (2 * seconds)}

    def run(self, options: Sequence[str], seconds: int) -> Counts:
        before = self.counted()
        ios = self.read(options, seconds)
        return {**counters.growth(before, self.counted()), "ios": ios}

    def traced(self, options: Sequence[str], seconds: int) -> tuple[int, int]:
        """Allocations of the whole VM while it reads, and reads."""
        events = [(f"{TRACING}/events/{event}", f"hist:keys={key}:size=2048") for event, key in ALLOCATIONS.items()]
        for event, trigger in events:
            self.vm.remote.run(f"echo {shlex.quote(trigger)} > {event}/trigger")
        try:
            ios = self.read(options, seconds)
            texts = [self.vm.remote.run(f"cat {event}/hist").stdout for event, _trigger in events]
        finally:
            for event, trigger in events:
                self.vm.remote.run(f"echo {shlex.quote('!' + trigger)} > {event}/trigger", check=False)
        if any("Dropped: 0" not in text for text in texts):
            raise SystemExit(f"{self.vm.name}'s kernel has dropped some of the allocations that it was to count")
        return sum(int(count) for text in texts for count in re.findall(r"Hits: (\d+)", text)), ios


def build(vm: VM, commit: str) -> dict[str, str]:
    """Both drivers, for the VM's kernel; where they are in the VM."""
    tree = modules.ensure_tree()
    inside = NATIVE.relative_to(PROJECT)
    with tempfile.TemporaryDirectory() as former:
        archive = subprocess.run(["git", "archive", commit, inside], cwd=PROJECT, check=True, capture_output=True)
        subprocess.run(["tar", "--extract", "--directory", former], input=archive.stdout, check=True)
        built = {
            BEFORE: modules.build("guest", vm.remote, tree, "stock", Path(former) / inside),
            AFTER: modules.build("guest", vm.remote, tree, "stock"),
        }
    files = {}
    for name, module in built.items():
        files[name] = f"/root/{name}.ko"
        vm.remote.copy(module, files[name])
    return files


def measure(vm: VM, files: dict[str, str], rounds: int, seconds: int) -> dict[str, dict[str, list[Counts]]]:
    """By workload and driver, round by round."""
    found: dict[str, dict[str, list[Counts]]] = {workload: {BEFORE: [], AFTER: []} for workload in WORKLOADS}
    measuring = Measuring.of(vm)
    try:
        for number in range(rounds):
            # Who is first in a round is second in the next: what drifts is the same for both.
            for driver in (BEFORE, AFTER) if number % 2 == 0 else (AFTER, BEFORE):
                measuring.load(files[driver])
                for workload, options in WORKLOADS.items():
                    found[workload][driver].append(measuring.measure(options, seconds))
                print(f"round {number + 1} of {rounds}: {driver}", flush=True)
    finally:
        vm.remote.run(f"rmmod {MODULE}; modprobe {MODULE}; rm -f {shlex.join(files.values())}")
    return found


def page(found: dict[str, dict[str, list[Counts]]], subjects: Sequence[str], described: str) -> Iterator[str]:
    """As Markdown."""
    yield "<!-- SPDX-License-Identifier: GPL-3.0-or-later -->\n# What changes of the guest driver did to one I/O"
    yield described
    yield "\n".join(f"- {subject}" for subject in subjects)
    for workload, drivers in found.items():
        rows = []
        for name, text in MEASURES.items():
            before, after = ([one[name] for one in drivers[driver]] for driver in (BEFORE, AFTER))
            digits = 0 if name == "iops" else 2
            ratio = show(median([new / old for new, old in zip(after, before)])) if all(before) else ""
            rows.append([text, *(show(median(every), digits) for every in (before, after)), ratio])
        yield f"## {workload}\n\n{table(['', 'before', 'after', 'after to before, in a round'], rows)}"


def log(commit: str) -> list[str]:
    """The changes of what the guest driver is built from since then, the oldest first."""
    built_from = (NATIVE / name for name in ("guest", "abi", "Kbuild", "units.kbuild"))
    told = ["git", "log", "--reverse", "--format=%s", f"{commit}..", "--", *map(str, built_from)]
    return subprocess.run(told, cwd=PROJECT, check=True, capture_output=True, text=True).stdout.splitlines()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", help="the commit that had the earlier driver")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=int, default=1, help="of the shorter run; fio counts whole ones")
    parser.add_argument("--docs", action="store_true", help="write into the documentation, to be committed")
    options = parser.parse_args()
    vm = find(Lab.open(), None)
    vm.power(on=True)
    vm.remote.wait(BOOT_TIMEOUT)
    files = build(vm, options.before)
    found = measure(vm, files, options.rounds, options.seconds)
    described = (
        f"The driver of commit {options.before} and that of the commit that has this page, in turn in one VM of the "
        f"lab and one boot, {options.rounds} rounds of {options.seconds} s a workload: medians, with the interval of "
        "95 %. The emulated CPU counts no instructions. Between the two:"
    )
    text = "\n\n".join(page(found, log(options.before), described)) + "\n"
    print(text)
    if options.docs:
        PAGE.write_text(text, encoding="utf-8")
        print(f"Written: {PAGE}")


if __name__ == "__main__":
    main()
