# SPDX-License-Identifier: GPL-3.0-or-later
"""A running VM's disks come, grow and go with its mediated device's extents; its other disk notices nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from extents import MOUNTED, SIZE, Extent, come_and_go_during_resets, extents_of
from fleet import MARK_BLOCK, VM, mark, marked

from lab import Admin, Fault, Kind, Program, wait_until

CONTROLLER = "nvme0"  # of vm1
# The byte of Identify Namespace in which a namespace says that it is write protected, and the CNS that asks for it.
NSATTR, CNS_NAMESPACE = 99, 0
MAPPED = "/dev/mapper/over-extent"


@pytest.fixture
def extent_of(vm1: VM) -> Iterator[Callable[[int], Extent]]:
    with extents_of(vm1) as make:
        yield make


@contextmanager
def events(vm: VM) -> Iterator[Program]:
    """What the VM's kernel tells udev meanwhile."""
    monitor = Program(vm.remote, "stdbuf -oL udevadm monitor --kernel --property --subsystem-match=block")
    monitor.wait_for_output("KERNEL")
    try:
        yield monitor
    finally:
        monitor.signal("TERM")


@contextmanager
def mapped(extent: Extent) -> Iterator[None]:
    """A device that was made when its disk was writable, and sends on to it whatever it is given."""
    run = extent.vm.remote.run
    run(f'dmsetup create over-extent --table "0 $(blockdev --getsz {extent.disk}) linear {extent.disk} 0"')
    try:
        yield
    finally:
        run("dmsetup remove --retry over-extent")


@contextmanager
def unnoticed(vm: VM) -> Iterator[None]:
    """Nothing of this is noticed by the VM's other disk: its data is right, and its queues are those of before."""
    said = len(vm.kernel_log)
    with vm.verified_load():
        yield
        vm.goes_on("afterwards")
    assert not [line for line in vm.kernel_log[said:] if "restarting" in line or "no answer" in line]


def test_comes_grows_and_goes(vm1: VM, extent_of: Callable[[int], Extent]) -> None:
    extent = extent_of(0)
    pinned = vm1.statistics["pinned_bytes"]
    with unnoticed(vm1), events(vm1) as told:
        extent.give()
        extent.wait_for_disk()
        assert extent.size == SIZE
        extent.make_file_system()
        identity = extent.attribute("wwid")

        extent.give(2 * SIZE)
        wait_until(lambda: extent.size == 2 * SIZE, "a larger disk")
        assert extent.attribute("wwid") == identity == f"uuid.{extent.id}"

        extent.ask_for()
        told.wait_for_output("LIGHTIOV_RELEASE=1")
        vm1.remote.run(f"echo still here > {MOUNTED}/file && sync && grep -q still {MOUNTED}/file")
        assert "asked" in (extent.flags or "")
        vm1.remote.run(f"umount {MOUNTED}")
        extent.wait_for_the_end()
    assert vm1.statistics["pinned_bytes"] == pinned


def test_names(vm1: VM, extent_of: Callable[[int], Extent]) -> None:
    """Two slices of one namespace, the first at its LBA 0, have names of their own, and none is the namespace's."""
    slices = [extent_of(0), extent_of(SIZE)]
    for extent in slices:
        extent.give()
        extent.wait_for_disk()
    listing = "find /dev/disk/by-id /dev/disk/by-path -lname '*/{}' -printf '%f\\n'"
    names = [set(vm1.remote.run(listing.format(extent.device)).stdout.split()) for extent in slices]
    for extent, found in zip(slices, names, strict=True):
        serial, number = extent.attribute("serial"), extent.namespace.number
        assert any(name.endswith(f"_{serial}_{number}-{extent.id}") for name in found), found
        assert extent.attribute("extent_id") == extent.id
        assert int(extent.attribute("start_lba")) * extent.namespace.lba_size == extent.first
        assert f"lightiov-{serial}-ns{number}" not in found
        assert not [name for name in found if "eui." in name]
        assert len(found) == 3, found
    assert not names[0] & names[1]


def test_data_stays_in_its_slice(vm1: VM, extent_of: Callable[[int], Extent]) -> None:
    """Even while the VM does not have it."""
    slices = [extent_of(0), extent_of(SIZE)]
    for extent in slices:
        extent.give()
        extent.wait_for_disk()
        mark(vm1.remote, extent.disk, extent.id)
    slices[0].ask_for()
    slices[0].wait_for_the_end()
    vm1.remote.run(f"blkdiscard --zeroout {slices[1].disk}")
    slices[0].give()
    slices[0].wait_for_disk()
    assert marked(vm1.remote, slices[0].disk) == slices[0].id


def test_asked_for_no_more(vm1: VM, extent_of: Callable[[int], Extent]) -> None:
    extent = extent_of(0)
    extent.give()
    extent.wait_for_disk()
    extent.make_file_system()
    with events(vm1) as told:
        extent.ask_for()
        told.wait_for_output("LIGHTIOV_RELEASE=1")
        extent.write("release", f"cancel={extent.id}")
        told.wait_for_output("LIGHTIOV_RELEASE=0")
    vm1.remote.run(f"umount {MOUNTED}")
    vm1.remote.run("udevadm settle")
    assert extent.has_disk()
    assert extent.flags == "-"


def test_made_read_only_while_it_is_open(vm1: VM, extent_of: Callable[[int], Extent]) -> None:
    """Who has it open for writing from before writes no more; the kernel only keeps others from opening it so."""
    extent = extent_of(0)
    extent.give()
    extent.wait_for_disk()
    mark(vm1.remote, extent.disk, extent.id)
    write = f"LC_ALL=C dd if=/dev/zero of={MAPPED} bs=4k count=1 seek={MARK_BLOCK} oflag=direct conv=notrunc"
    protected = Fault(Kind.PUT, 1, command=Admin.IDENTIFY, nsid=extent.namespace.number, cdw10=CNS_NAMESPACE, at=NSATTR)
    with mapped(extent):
        with vm1.host.fault(CONTROLLER, protected):
            vm1.rescan()
            wait_until(lambda: extent.attribute("ro") == "1", "a disk that is read-only")
            for operation in (write, f"blkdiscard {MAPPED}", f"blkdiscard --zeroout {MAPPED}"):
                done = vm1.remote.run(operation, check=False)
                assert done.returncode != 0, operation
            assert "No data available" in vm1.remote.run(write, check=False).stderr
            assert marked(vm1.remote, extent.disk) == extent.id
        vm1.rescan()
        wait_until(lambda: extent.attribute("ro") == "0", "a disk that is writable again")
        vm1.remote.run(write)
    assert marked(vm1.remote, extent.disk) == ""


def test_taken_away(vm1: VM, extent_of: Callable[[int], Extent]) -> None:
    """In use or not: its I/O fails, that of the other disk does not, and the slot is for another."""
    extent, next_one = extent_of(0), extent_of(SIZE)
    extent.give()
    extent.wait_for_disk()
    with vm1.verified_load():
        read = f"dd if={extent.disk} of=/dev/null iflag=direct bs=64k count=64"
        reader = Program(vm1.remote, f"sh -c 'while {read}; do :; done'")
        wait_until(lambda: "copied" in reader.output() or not reader.running(), "the disk to be read once")
        assert reader.running(), reader.output()
        extent.write("remove_extent", extent.id)
        extent.wait_for_the_end()
        reader.wait()
        next_one.give()
        next_one.wait_for_disk()
        vm1.goes_on("without the extent")


@pytest.mark.slow
def test_comes_back_during_quarantine(vm1: VM, vm2: VM, extent_of: Callable[[int], Extent]) -> None:
    """Another VM has written to it meanwhile: this one must not go on with what it has cached of it."""
    extent = extent_of(0)
    extent.give()
    extent.wait_for_disk()
    extent.make_file_system()
    extent.leave_a_file()
    former = extent.generation
    said = len(vm1.kernel_log)
    extent.write("quarantine", "1")
    try:
        wait_until(lambda: any("quarantines" in line for line in vm1.kernel_log[said:]), "the VM to be told")
        extent.write("remove_extent", extent.id)
        extent.wait_for_the_end()
        extent.lend(vm2)
        extent.give()
    finally:
        extent.write("quarantine", "0")
    wait_until(lambda: vm1.state == "ready", "the queues")
    extent.wait_for_another_disk(former, vm2)


@pytest.mark.slow
def test_comes_and_goes_during_resets(vm1: VM, extent_of: Callable[[int], Extent]) -> None:
    come_and_go_during_resets(vm1, extent_of(0))


@pytest.mark.slow
def test_changes_while_the_vm_sleeps(vm1: VM, extent_of: Callable[[int], Extent]) -> None:
    """It wakes with what its mediated device has then."""
    gone, come = extent_of(0), extent_of(SIZE)
    gone.give()
    gone.wait_for_disk()
    with vm1.verified_load():
        vm1.send_to_sleep()
        wait_until(lambda: vm1.asleep, "the VM to sleep", 240)
        gone.ask_for()
        come.give()
        vm1.wake()
        wait_until(lambda: vm1.state == "ready", "the queues")
        gone.wait_for_the_end()
        come.wait_for_disk()
        vm1.goes_on("after its sleep")


@pytest.mark.slow
def test_comes_back_while_the_vm_sleeps(vm1: VM, vm2: VM, extent_of: Callable[[int], Extent]) -> None:
    """It has not seen that its extent was gone: another slot tells."""
    extent = extent_of(0)
    extent.give()
    extent.wait_for_disk()
    extent.make_file_system()
    extent.leave_a_file()
    former = extent.generation
    with vm1.verified_load():
        vm1.send_to_sleep()
        wait_until(lambda: vm1.asleep, "the VM to sleep", 240)
        extent.write("remove_extent", extent.id)
        extent.lend(vm2)
        extent.give()
        vm1.wake()
        wait_until(lambda: vm1.state == "ready", "the queues")
        extent.wait_for_another_disk(former, vm2)
        vm1.goes_on("after its sleep")
