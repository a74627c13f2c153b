# SPDX-License-Identifier: GPL-3.0-or-later
"""No host code runs per I/O but the interrupt, and a VM exits no more than with the whole device passed through."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator

import pytest
from fleet import VM

from lab import wait_until

SECONDS = 10
BATCH = 16
PAIRS = 3  # 30 s on each device
RANDOM_READ = ("--name=read", "--rw=randread", "--bs=4k", "--time_based", f"--runtime={SECONDS}")
WHOLE_ADDRESS = "0000:02:00.0"
WHOLE_DEVICE = """
<hostdev mode='subsystem' type='pci' managed='yes'>
  <source><address domain='0x0000' bus='0x02' slot='0x00' function='0x0'/></source>
</hostdev>
"""


@pytest.fixture
def whole_device(vm1: VM) -> Iterator[str]:
    """A whole NVMe controller in the VM by VFIO, beside its LightIOV disk: its path in the VM."""
    give_back(vm1, check=False)  # what a run that was interrupted has left there
    vm1.host.run(f"virsh attach-device {vm1.name} /dev/stdin --live", stdin=WHOLE_DEVICE, timeout=300)
    wait_until(lambda: "nvme0n1" in vm1.remote.run("ls /sys/block").stdout, "the whole device in vm1")
    yield "/dev/nvme0n1"
    give_back(vm1)


def give_back(vm: VM, check: bool = True) -> None:
    """Have the whole device with the host's driver."""
    vm.host.run(f"virsh detach-device {vm.name} /dev/stdin --live", stdin=WHOLE_DEVICE, timeout=300, check=check)
    wait_until(lambda: WHOLE_ADDRESS in vm.host.run("ls /sys/bus/pci/drivers/nvme").stdout, "the whole device back")


def test_no_host_code_but_the_interrupt(vm1: VM) -> None:
    completed, before = vm1.completed, vm1.statistics
    [job] = vm1.fio(*RANDOM_READ)
    grown = {name: value - before[name] for name, value in vm1.statistics.items() if value != before[name]}
    done = job["read"]["total_ios"]
    assert done > 100
    assert set(grown) == {"interrupts"}, f"in {done} reads"
    # The disk completes more than fio's reads: udev, for one, looks at what fio has closed.
    assert grown["interrupts"] <= vm1.completed - completed


@pytest.fixture
def one_by_one(vm1: VM) -> Iterator[Callable[[], int]]:
    """How many requests the block layer has given the driver so far that came alone."""
    tracing = "/sys/kernel/tracing"
    probe = f"{tracing}/events/kprobes/one_by_one"
    off = f"[ ! -e {probe} ] || {{ echo 0 > {probe}/enable; echo '-:kprobes/one_by_one' >> {tracing}/kprobe_events; }}"
    vm1.remote.run(f"mountpoint -q {tracing} || mount -t tracefs tracefs {tracing}")
    vm1.remote.run(off)  # what a run that was interrupted has left there
    vm1.remote.run(f"echo 'p:kprobes/one_by_one liov_queue_rq' >> {tracing}/kprobe_events; echo 1 > {probe}/enable")
    yield lambda: int(vm1.remote.run(f"grep one_by_one {tracing}/kprobe_profile").stdout.split()[1])
    vm1.remote.run(off)


def test_what_comes_together_is_one_doorbell(vm1: VM, one_by_one: Callable[[], int]) -> None:
    """Linux gives such requests to the driver as a list, since 6.7 also where disks share tags."""
    alone, before = one_by_one(), vm1.driver_statistics
    [job] = vm1.fio(
        "--name=read", "--ioengine=io_uring", "--rw=randread", "--bs=4k", "--size=32m", "--number_ios=2048",
        f"--iodepth={2 * BATCH}", f"--iodepth_batch_submit={BATCH}", f"--iodepth_batch_complete_min={BATCH}",
    )  # fmt: skip
    reads = job["read"]["total_ios"]
    assert reads >= 2048
    assert vm1.driver_statistics["sq_doorbells"] - before["sq_doorbells"] < reads / (BATCH / 4)
    assert one_by_one() - alone < reads / (BATCH / 4)


@pytest.mark.parametrize(
    "depth", [1, pytest.param(8, marks=pytest.mark.slow), pytest.param(32, marks=pytest.mark.slow)]
)
def test_exits_no_more_than_whole_device(vm1: VM, whole_device: str, depth: int, record_property) -> None:
    devices = (vm1.disk, whole_device)
    report: dict[str, dict[str, list[float]]] = {
        counter: {device: [] for device in devices} for counter in ("exits", "mmio_exits")
    }
    for _ in range(PAIRS):
        for device in devices:
            before = {counter: vm1.kvm(counter) for counter in report}
            [job] = vm1.fio(*RANDOM_READ, f"--iodepth={depth}", f"--filename={device}")
            for counter, per_read in report.items():
                per_read[device].append(round((vm1.kvm(counter) - before[counter]) / job["read"]["total_ios"], 2))
    print(f"Per 4 KiB read at queue depth {depth}:", report)
    record_property("per_read", report)
    for per_read in report.values():
        ours, theirs = (statistics.median(per_read[device]) for device in devices)
        # One trapped access would add 1. The timer's exits, which go by time and not by reads, add a tenth or two.
        assert ours <= theirs + 0.25, report
