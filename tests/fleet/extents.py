# SPDX-License-Identifier: GPL-3.0-or-later
"""Extents that a test gives to a running VM, beside the disks that it has."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

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

    def wait_for_another_disk(self, former: str, writer: VM) -> None:
        """In the place of that of this generation, which is gone for good, whoever has it mounted.

        It has what this VM has written to it meanwhile.
        """
        read = f"dd if={MOUNTED}/file of=/dev/null iflag=direct bs=4k count=1"
        wait_until(lambda: self.generation not in ("", former), f"{self.vm.name}: another {self.disk}")
        assert "Input/output error" in self.vm.remote.run(read, check=False).stderr
        self.vm.remote.run(f"umount {MOUNTED}")
        assert marked(self.vm.remote, self.disk) == writer.name

    def lend(self, other: VM) -> None:
        """While this VM does not have it another one does, and writes to it."""
        lent = replace(self, vm=other)
        lent.give()
        lent.wait_for_disk()
        mark(other.remote, lent.disk, other.name)
        lent.ask_for()
        lent.wait_for_the_end()

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


@contextmanager
def extents_of(vm: VM) -> Iterator[Callable[[int], Extent]]:
    """Makes one at this place of a namespace, in bytes; in the end the host has them all back."""
    namespace = free_namespace(vm)
    made: list[Extent] = []

    def make(first: int) -> Extent:
        made.append(Extent(vm, namespace, first))
        return made[-1]

    yield make
    vm.remote.run(f"umount -q {MOUNTED}", check=False)
    for extent in made:
        if extent.flags is not None:
            extent.write("remove_extent", extent.id)
        extent.wait_for_the_end()


def come_and_go_during_resets(vm: VM, extent: Extent) -> None:
    """The VM's other disk is at work all the while."""
    with vm.verified_load():
        resets = Program(vm.host, f"sh -c 'for i in $(seq 50); do {vm.reset_command}; sleep 1; done'")
        while resets.running():
            extent.give()
            extent.wait_for_disk()
            extent.ask_for()
            extent.wait_for_the_end()
        assert resets.wait() == 0, resets.output()
        vm.goes_on("after the resets")
