# SPDX-License-Identifier: GPL-3.0-or-later
"""A running VM's disks come, grow and go with its mediated device's extents; its other disk notices nothing."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from fleet import VM, mark, marked

from lab import Program, wait_until

MIB = 1 << 20
SIZE = 256 * MIB
MOUNTED = "/run/extent"


@dataclass(frozen=True)
class Namespace:
    """One that no VM has, of a VM's controller."""

    number: int
    lba_size: int


def free_namespace(vm: VM) -> Namespace:
    lines = vm.host.run(f"cat {vm.mdev}/../lightiov/namespaces").stdout.splitlines()
    number, lba_size, *_ = next(fields for fields in map(str.split, lines) if fields[3] == "-")
    return Namespace(int(number), int(lba_size))


@dataclass(frozen=True)
class Extent:
    """A slice of a namespace that a VM can be given, by its place in bytes."""

    vm: VM
    namespace: Namespace
    first: int
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def give(self, size: int = SIZE) -> None:
        """To the VM, or more of it."""
        lbas = self.namespace.lba_size
        place = f"nsid={self.namespace.number},first={self.first // lbas},count={size // lbas}"
        self.write("extent", f"id={self.id},{place}")

    def write(self, attribute: str, value: str) -> None:
        self.vm.host.run(f"echo {value} > {self.vm.mdev}/{attribute}")

    def ask_for(self) -> None:
        self.write("release", self.id)

    @property
    def flags(self) -> str | None:
        """As the host lists the extent; none if it has it back."""
        lines = self.vm.host.run(f"cat {self.vm.mdev}/extents").stdout.splitlines()
        return next((fields[6] for fields in map(str.split, lines) if fields[1] == self.id), None)

    @property
    def disk(self) -> str:
        return f"/dev/disk/by-id/lightiov-uuid.{self.id}"

    @property
    def device(self) -> str:
        """The disk by the name that kernel and sysfs know it by."""
        return self.vm.remote.run(f"basename $(readlink -f {self.disk})").stdout.strip()

    def has_disk(self) -> bool:
        return self.vm.remote.run(f"test -b {self.disk}", check=False).returncode == 0

    def wait_for_disk(self) -> None:
        wait_until(self.has_disk, f"{self.vm.name}: {self.disk}")

    def leave_a_file(self) -> None:
        self.vm.remote.run(f"head -c 4096 /dev/urandom > {MOUNTED}/file && sync -f {MOUNTED}")

    @property
    def generation(self) -> str:
        """Other disks of the extent have others; empty while there is none."""
        sysfs = f"/sys/block/$(basename $(readlink -f {self.disk}))"
        return self.vm.remote.run(f"cat {sysfs}/diskseq", check=False).stdout.strip()

    def wait_for_another_disk(self, former: str) -> None:
        """In the place of that of this generation, which is gone for good, whoever has it mounted."""
        read = f"dd if={MOUNTED}/file of=/dev/null iflag=direct bs=4k count=1"
        wait_until(lambda: self.generation not in ("", former), f"{self.vm.name}: another {self.disk}")
        assert "Input/output error" in self.vm.remote.run(read, check=False).stderr
        self.vm.remote.run(f"umount {MOUNTED}")
        mark(self.vm.remote, self.disk, self.id)
        assert marked(self.vm.remote, self.disk) == self.id

    def wait_for_the_end(self) -> None:
        wait_until(lambda: self.flags is None, f"{self.vm.name}: the end of extent {self.id}")
        wait_until(lambda: not self.has_disk(), f"{self.vm.name}: the end of {self.disk}")

    @property
    def size(self) -> int:
        return int(self.vm.remote.run(f"blockdev --getsize64 {self.disk}").stdout)

    def attribute(self, name: str) -> str:
        return self.vm.remote.run(f"cat /sys/block/{self.device}/{name}").stdout.strip()

    def make_file_system(self) -> None:
        self.vm.remote.run(f"mkfs.ext4 -qF {self.disk} 64m && mkdir -p {MOUNTED} && mount {self.disk} {MOUNTED}")


@pytest.fixture
def extent_of(vm1: VM) -> Iterator[Callable[[int], Extent]]:
    """Makes one at this place, in bytes; in the end the host has them all back."""
    namespace = free_namespace(vm1)
    made: list[Extent] = []

    def make(first: int) -> Extent:
        made.append(Extent(vm1, namespace, first))
        return made[-1]

    yield make
    vm1.remote.run(f"umount -q {MOUNTED}", check=False)
    for extent in made:
        if extent.flags is not None:
            extent.write("remove_extent", extent.id)
        extent.wait_for_the_end()


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
def test_comes_back_during_quarantine(vm1: VM, extent_of: Callable[[int], Extent]) -> None:
    """Another VM may have written to it meanwhile: this one must not go on with what it has cached of it."""
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
        extent.give()
    finally:
        extent.write("quarantine", "0")
    wait_until(lambda: vm1.state == "ready", "the queues")
    extent.wait_for_another_disk(former)


@pytest.mark.slow
def test_comes_and_goes_during_resets(vm1: VM, extent_of: Callable[[int], Extent]) -> None:
    extent = extent_of(0)
    reset = f"echo 1 > {vm1.mdev}/../lightiov/reset_controller"
    with vm1.verified_load():
        resets = Program(vm1.host, f"sh -c 'for i in $(seq 50); do {reset}; sleep 1; done'")
        while resets.running():
            extent.give()
            extent.wait_for_disk()
            extent.ask_for()
            extent.wait_for_the_end()
        assert resets.wait() == 0, resets.output()
        vm1.goes_on("after the resets")


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
def test_comes_back_while_the_vm_sleeps(vm1: VM, extent_of: Callable[[int], Extent]) -> None:
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
        extent.give()
        vm1.wake()
        wait_until(lambda: vm1.state == "ready", "the queues")
        extent.wait_for_another_disk(former)
        vm1.goes_on("after its sleep")
