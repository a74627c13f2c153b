# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One contender in one round: set up, measured with all workloads, torn down."""

from __future__ import annotations

import contextlib
import re
import shlex
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils._bench import (
    control,
    counters,
    drive,
    initramfs,
    shared,
    watch,
)
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.contenders import CONTENDERS
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.contenders.base import Contender, Place
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.initramfs import Initramfs
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.machine import (
    VM,
    Local,
    Machine,
    await_file,
    background,
    find_partition,
    find_qemu,
    has_ended,
    kernel_image,
    qemu_command,
    release,
)
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.order import (
    DISK_SECONDS,
    END_SECONDS,
    PREPARE_SECONDS,
    SCHEMA,
    START_SECONDS,
    Order,
)
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.workloads import (
    RAMP_SECONDS,
    TRACE_SECONDS,
    WORKLOADS,
    Workload,
    modules_of,
)
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError, sentence
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host, entries
from ansible_collections.lightiov.nvme.plugins.module_utils._runner import CommandError


def visit(host: Host, order: Order) -> dict[str, Any]:
    host.path(drive.RUN).mkdir(parents=True, exist_ok=True)
    with drive.alone(host):
        return _visit(host, order)


def _visit(host: Host, order: Order) -> dict[str, Any]:
    contender = CONTENDERS[order.contender]
    began = time.monotonic()
    taken = drive.take(host, order.serial, order.nsid, order.size, partial(check_room, order))
    guest_driver = extract(host, order)
    ramdisk = initramfs.ensure(host, release(host), guest_driver)
    version = find_qemu(host)[1]
    place = Place(host, taken, order.shape.vcpus, version, parameters(host, guest_driver))
    result: dict[str, Any] = {
        "schema": SCHEMA,
        "contender": contender.name,
        "boot_id": watch.boot_id(host),
        "began": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "host": {**watch.describe(host, version), "drive": taken.model},
    }
    if order.vms:
        place.shares = shared.shares(place, order.vms)
    reason = contender.unavailable(place)
    if reason:
        drive.give_back(host)
        return {**result, "unavailable": reason}
    try:
        result.update((shared.measured if order.vms else _measured)(place, contender, order, ramdisk))
    except BaseException:
        # What went wrong first is what is told.
        with contextlib.suppress(LightiovError, OSError):
            contender.tear_down(place)
        raise
    torn = time.monotonic()
    contender.tear_down(place)
    result["tear_down_seconds"] = time.monotonic() - torn
    drive.give_back(host)
    return {**result, "seconds": time.monotonic() - began}


def check_room(order: Order, spare: drive.Drive) -> None:
    """So that no 16 VMs are started to see that their parts of the drive are too small."""
    vms = max(order.vms, 1)
    drive.parts(spare, vms)
    for name in order.workloads:
        needs = WORKLOADS[name].mib * vms
        if needs * drive.MIB > spare.size:
            raise drive.Refusal(
                f"Workload {name} needs {needs} MiB for {vms} VMs, and {spare.size // drive.MIB} MiB of controller "
                f"{spare.serial} are used: take a larger namespace or more of it (lightiov_bench_size_mib), fewer VMs "
                "(lightiov_bench_vms), or leave the workload out"
            )


def _measured(place: Place, contender: Contender, order: Order, ramdisk: Initramfs) -> dict[str, Any]:
    result: dict[str, Any] = {"others_cpus": watch.others_cpus(place.host)}
    began = time.monotonic()
    contender.set_up(place)
    result["set_up_seconds"] = time.monotonic() - began
    result["configuration"] = contender.configuration(place)
    with started(place, contender, order, ramdisk, result) as measuring:
        # What cannot poll would be measured as one that waits, under another name.
        suited = [name for name in order.workloads if WORKLOADS[name].polls or not contender.polled]
        # What the host does not have, its VMs do not have either.
        missing = {
            name: [program for program in WORKLOADS[name].programs if not place.host.runner.find(program)]
            for name in suited
        }
        result["missing"] = {name: programs for name, programs in missing.items() if programs}
        result.update(measuring.measure_all([name for name in suited if not missing[name]], order.seconds))
    return result


@dataclass(frozen=True)
class Measuring:
    """A contender that is set up, and the machine in which its disk is."""

    host: Host
    taken: drive.Drive
    contender: Contender
    machine: Machine
    vm: VM | None
    disk: str

    def measure_all(self, workloads: Sequence[str], seconds: float) -> dict[str, Any]:
        """One that fails takes no others with it while the machine can go on."""
        measured: dict[str, Any] = {}
        failures: dict[str, str] = {}
        for name in workloads:
            try:
                measured[name] = self.measure(WORKLOADS[name], seconds)
            except LightiovError as error:
                failures[name] = sentence(error)
                if not self.cleared(WORKLOADS[name]):
                    break
        if failures and not measured:
            raise LightiovError("; ".join(failures.values()))
        return {"measurements": measured, "failures": failures}

    def cleared(self, workload: Workload) -> bool:
        """Whether the machine answers, and nothing of a workload that failed is left in it."""
        with contextlib.suppress(LightiovError):
            if has_ended(self.machine, f"{self.machine.files}/done"):
                with contextlib.suppress(CommandError):
                    self.machine.run(workload.clean_up(self.machine.files))
                return True
        return False

    def measure(self, workload: Workload, seconds: float) -> dict[str, Any]:
        """What is counted is counted in the middle of it."""
        machine, name = self.machine, f"{workload.name} on {self.contender.name}"
        begun, output, done = (f"{machine.files}/{file}" for file in ("started", "output", "done"))
        machine.run(workload.prepare(self.disk, machine.files), PREPARE_SECONDS)
        before_control = control.work()
        command = workload.command(self.disk, machine.files, seconds, self.contender.polled)
        machine.run(f"rm -f {begun}; {background(machine, command, output, done)}")
        await_file(machine, [begun, done], START_SECONDS, name)
        time.sleep(RAMP_SECONDS - TRACE_SECONDS)
        # Costs what it counts, so it is over before anything else is.
        reasons = watch.exit_reasons(self.host, self.vm.threads if self.vm else [], TRACE_SECONDS)
        earlier = self.guest_interrupts()
        with watch.instructions(self.host, seconds) as instructions:
            before = watch.look(self.host, self.taken, self.vm)
            time.sleep(seconds)
            after = watch.look(self.host, self.taken, self.vm)
        later = self.guest_interrupts()
        too_early = has_ended(machine, done)
        # The number of one that has ended may be another's by now.
        if not too_early:
            machine.run(workload.end(machine.files))
        await_file(machine, [done], END_SECONDS, f"The end of {name}")
        # If it has failed, it says why.
        found: dict[str, Any] = dict(workload.parse(machine.run(f"cat {output}")))
        if too_early:
            raise LightiovError(f"{name} ended before all was counted: the machine is too slow or too busy")
        machine.run(workload.clean_up(machine.files))
        found["steal"] = watch.steal(before, after)
        found["control"] = [before_control, control.work()]
        found["per_io"] = watch.per_io(before, after, found["iops"])
        if earlier and later:
            found["per_io"]["guest_interrupts"] = (later[1] - earlier[1]) / (later[0] - earlier[0]) / found["iops"]
        if instructions:
            found["per_io"]["instructions"] = instructions[0] / found["iops"]
        found["exit_reasons"] = shares(reasons)
        found["command"] = shlex.join(command)
        return found

    def guest_interrupts(self) -> tuple[float, int] | None:
        """When, by the VM's own clock, and how many of its disk there were until then."""
        if not self.vm:
            return None
        uptime, _end, table = self.vm.run("cat /proc/uptime /proc/interrupts").partition("\n")
        return float(uptime.split()[0]), counters.interrupts(table, re.compile(self.contender.interrupts))


@contextlib.contextmanager
def started(
    place: Place, contender: Contender, order: Order, ramdisk: Initramfs, result: dict[str, Any]
) -> Iterator[Measuring]:
    """With the disk there: in a VM, or on the host."""
    host, taken = place.host, place.drive
    if not contender.virtual:
        yield Measuring(host, taken, contender, Local(host), None, taken.partition)
        return
    image = kernel_image(host)
    program = find_qemu(host)[0]
    attach = contender.attach(place)
    began = time.monotonic()
    command = qemu_command(program, order.shape, (image, ramdisk.path), attach, shared_memory=contender.shared_memory)
    vm = VM(host, command)
    try:
        vm.wait()
        result["boot_seconds"] = time.monotonic() - began
        vm.run(ramdisk.load(contender.module, contender.module_options), DISK_SECONDS)
        disk = find_partition(vm, contender.disks, taken.nsid if contender.whole_controller else None, DISK_SECONDS)
        result["disk_seconds"] = time.monotonic() - began
        vm.run(contender.adjustment)
        vm.run(ramdisk.load_all(modules_of(order.workloads)))
        yield Measuring(host, taken, contender, vm, vm, disk)
    finally:
        vm.stop()


def shares(reasons: dict[str, int]) -> dict[str, float]:
    total = sum(reasons.values())
    return {name: count / total for name, count in sorted(reasons.items())}


def extract(host: Host, order: Order) -> Path | None:
    """The guest driver for the running kernel, out of its package."""
    if not order.packages:
        return None
    package = host.path(f"{order.packages}/lightiov-guest-{release(host)}_{order.version}_amd64.deb")
    if not package.exists():
        raise LightiovError(
            f"{package} is not there: role native of lightiov.nvme builds it (tasks_from guest_package)"
        )
    # Beside others of other versions, and unpacked once: its time is a part of what tells one from another.
    target = host.path(f"{initramfs.CACHE}/{package.stem}")
    if not target.exists():
        for former in entries(target.parent):
            if former.name.startswith("lightiov-guest-"):
                host.runner.run(["rm", "-r", str(former)])
        target.parent.mkdir(parents=True, exist_ok=True)
        host.runner.run(["dpkg-deb", "--extract", str(package), str(target)])
    [module] = target.rglob("lightiov_guest.ko")
    return module


def parameters(host: Host, guest_driver: Path | None) -> frozenset[str]:
    """That the guest driver knows."""
    if not guest_driver:
        return frozenset()
    said = host.runner.run(["modinfo", "--field", "parm", str(guest_driver)])
    return frozenset(line.partition(":")[0] for line in said.splitlines())
