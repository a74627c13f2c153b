# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several VMs at once, each with its share of the drive."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils._bench import control, estimate, watch
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.contenders.base import Contender, Place, Share
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.drive import parts
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.initramfs import Initramfs
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.machine import (
    VM,
    await_file,
    background,
    find_disk,
    find_qemu,
    has_ended,
    kernel_image,
    qemu_command,
)
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.order import (
    DISK_SECONDS,
    END_SECONDS,
    PREPARE_SECONDS,
    START_SECONDS,
    Order,
)
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.workloads import (
    RAMP_SECONDS,
    WORKLOADS,
    Workload,
    modules_of,
)
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError

# For each VM, what starting all of them takes longer, on an emulated CPU.
APART_SECONDS = 5.0


@dataclass(frozen=True)
class Sharing:
    """A VM, and its disk in it."""

    vm: VM
    disk: str

    def file(self, name: str) -> str:
        return f"{self.vm.files}/{name}"

    def start(self, workload: Workload, seconds: float) -> str:
        command = workload.command(self.disk, self.vm.files, seconds, False)
        return background(self.vm, command, self.file("output"), self.file("done"))


def shares(place: Place, count: int) -> tuple[Share, ...]:
    return tuple(Share(number, *part) for number, part in enumerate(parts(place.drive, count)))


def measured(place: Place, contender: Contender, order: Order, ramdisk: Initramfs) -> dict[str, Any]:
    result: dict[str, Any] = {"others_cpus": watch.others_cpus(place.host)}
    contender.set_up(place)
    with contextlib.ExitStack() as running:
        machines: list[Sharing] = []
        # One after the other: all at once, each would take as long as all.
        for share in place.shares:
            vm = started(place, contender, order, ramdisk, share)
            running.callback(vm.stop)
            vm.wait()
            vm.run(ramdisk.load(contender.module, contender.module_options), DISK_SECONDS)
            machines.append(Sharing(vm, find_disk(vm, contender.disks, DISK_SECONDS)))
            vm.run(contender.adjustment)
            vm.run(ramdisk.load_all(modules_of(order.workloads)))
        result["shared"] = {
            name: together(place, WORKLOADS[name], machines, order.seconds)
            for name in order.workloads
            if all(map(place.host.runner.find, WORKLOADS[name].programs))
        }
    return result


def started(place: Place, contender: Contender, order: Order, ramdisk: Initramfs, share: Share) -> VM:
    command = qemu_command(
        find_qemu(place.host)[0],
        order.shape,
        (kernel_image(place.host), ramdisk.path),
        contender.attach(place, share),
        shared_memory=contender.shared_memory,
        number=share.number,
    )
    return VM(place.host, command, share.number)


def together(place: Place, workload: Workload, machines: Sequence[Sharing], seconds: float) -> dict[str, Any]:
    """One workload in all of them. What is counted is counted while it runs in each."""
    host, vms = place.host, [one.vm for one in machines]
    for one in machines:
        one.vm.run(workload.prepare(one.disk, one.vm.files), PREPARE_SECONDS)
    before_control = control.work()
    lasting = seconds + APART_SECONDS * len(vms)
    starts = [f"rm -f {one.file('started')}; {one.start(workload, lasting)}" for one in machines]
    # At once: started one after the other, the first would have ended before the last, on a CPU that all have together.
    for one, start in zip(machines, starts):
        one.vm.ask(start)
    for one, start in zip(machines, starts):
        one.vm.answer(start, START_SECONDS)
    for one in machines:
        await_file(one.vm, [one.file("started"), one.file("done")], START_SECONDS, workload.name)
    time.sleep(RAMP_SECONDS)
    exits = -_exits(place, vms)
    before = watch.look(host, place.drive, None)
    time.sleep(seconds)
    after = watch.look(host, place.drive, None)
    exits += _exits(place, vms)
    too_early = [one.vm.number for one in machines if has_ended(one.vm, one.file("done"))]
    # At once, too: the last would have the drive to itself, and what fio says is of all its time.
    for one in machines:
        one.vm.ask(workload.end(one.vm.files))
    for one in machines:
        one.vm.answer(workload.end(one.vm.files))
    results = []
    for one in machines:
        await_file(one.vm, [one.file("done")], lasting + END_SECONDS, f"The end of {workload.name}")
        results.append(workload.parse(one.vm.run(f"cat {one.file('output')}")))
        one.vm.run(workload.clean_up(one.vm.files))
    if too_early:
        raise LightiovError(f"{workload.name} ended in VM {too_early[0]} before all was counted in all {len(machines)}")
    found = estimate.together(results)
    per_io = watch.per_io(before, after, found["iops"])
    return {
        **found,
        "outside_us": per_io["outside_us"],
        "exits": exits / (after.at - before.at) / found["iops"],
        "steal": watch.steal(before, after),
        "control": [before_control, control.work()],
    }


def _exits(place: Place, vms: Sequence[VM]) -> float:
    return sum(watch.kvm_counters(place.host, vm.pid).get("exits", 0) for vm in vms)
