# SPDX-License-Identifier: GPL-3.0-or-later
"""A controller shared by the host module, its mdevs, and programs that use them on the host."""

from __future__ import annotations

import json
import shlex
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from subprocess import CompletedProcess

from lab import Fault, Host, Program, wait_until

LIOV = "/usr/local/sbin/liov"
OWNER = "/root/owner.py"
MODULE = "/root/lightiov_host.ko"
PCI = PurePosixPath("/sys/bus/pci")
MDEVS = PurePosixPath("/sys/bus/mdev/devices")
GIB_BLOCKS = (1 << 30) // 512
MIB_BLOCKS = (1 << 20) // 512
ENOUGH = "/run/enough"
WRITES = "--mode randwrite --queue-depth 32 --yes-destroy-data"
READS = "--mode randread --queue-depth 32"


@dataclass(frozen=True)
class Extent:
    """A disk as an mdev's attribute `extent` takes it; without a count it is the whole namespace."""

    nsid: int
    first: int = 0
    count: int = 0
    read_only: bool = False
    name: str = ""
    eui: str = ""
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def __str__(self) -> str:
        parts = [f"id={self.id}", f"nsid={self.nsid}"]
        parts += [f"eui={self.eui}"] if self.eui else []
        parts += [f"first={self.first}", f"count={self.count}"] if self.count else []
        parts += ["read_only"] if self.read_only else []
        parts += [f"name={self.name}"] if self.name else []
        return ",".join(parts)


def mib(nsid: int, first: int, count: int, **properties: object) -> Extent:
    """A slice, in MiB."""
    return Extent(nsid, first * MIB_BLOCKS, count * MIB_BLOCKS, **properties)


@dataclass(frozen=True)
class Listed:
    """A line of an mdev's attribute `extents`."""

    slot: int
    nsid: int
    identity: str
    first: str
    count: str
    flags: frozenset[str]
    name: str

    @classmethod
    def parse(cls, line: str) -> tuple[str, Listed]:
        slot, id_, nsid, identity, first, count, flags, name = line.split()
        return id_, cls(int(slot), int(nsid), identity, first, count, frozenset(flags.split(",")) - {"-"}, name)


@dataclass
class Mdev:
    host: Host
    parent: Controller
    uuid: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def sysfs(self) -> PurePosixPath:
        return MDEVS / self.uuid

    def read(self, attribute: str) -> str:
        return self.host.run(f"cat {self.sysfs / attribute}").stdout.strip()

    def write(self, attribute: str, value: object, check: bool = True) -> CompletedProcess[str]:
        return self.host.run(f"echo {shlex.quote(str(value))} > {self.sysfs / attribute}", check=check)

    def statistic(self, name: str) -> int:
        return int(self.read(f"statistics/{name}"))

    def queue_ids(self) -> list[int]:
        return [int(line.split()[1]) for line in self.read("queues").splitlines()]

    def vectors(self) -> list[str]:
        return [line.split()[2] for line in self.read("queues").splitlines()]

    def extents(self) -> dict[str, Listed]:
        """By ID; of those without one, only one."""
        return dict(Listed.parse(line) for line in self.read("extents").splitlines())

    def remove(self) -> None:
        self.host.run(f"echo 1 > {self.sysfs}/remove")

    def liov(self, command: str, options: str = "", check: bool = True, timeout: float = 120) -> CompletedProcess[str]:
        return self.host.run(f"{LIOV} {command} {self.uuid} {options}", check=check, timeout=timeout)

    def start(self, command: str, options: str = "") -> Program:
        return Program(self.host, f"{LIOV} {command} {self.uuid} {options}")

    def bench(self, options: str) -> dict:
        return json.loads(self.liov("bench", f"{options} --json").stdout)

    @contextmanager
    def held(self, options: str = "") -> Iterator[Program]:
        """Open, with queues, and idle."""
        holder = self.start("hold", options)
        holder.wait_for_output("ready")
        yield holder
        if holder.running():
            holder.signal("TERM")
        assert holder.wait() == 0, holder.output()


@dataclass
class Controller:
    """One NVMe controller of a host, known by its serial number."""

    host: Host
    serial: str
    address: str

    @classmethod
    def find(cls, host: Host, serial: str) -> Controller:
        # Without a driver, as an interrupted test leaves it, a controller does not say its serial number.
        host.run(
            f"cd {PCI}/devices; for d in *; do"
            f" ! grep -q 0x010802 $d/class || [ -e $d/driver ] || echo $d > {PCI}/drivers_probe; done"
        )
        places = f"{PCI}/devices/*/nvme/nvme*/serial {PCI}/devices/*/lightiov/serial"
        (path,) = host.run(f"grep -ls '^{serial} *$' {places}", check=False).stdout.split()
        return cls(host, serial, PurePosixPath(path).relative_to(PCI / "devices").parts[0])

    @property
    def sysfs(self) -> PurePosixPath:
        return PCI / "devices" / self.address

    def read(self, attribute: str) -> str:
        return self.host.run(f"cat {self.sysfs}/lightiov/{attribute}").stdout.strip()

    @property
    def id(self) -> str:
        """As the lab calls it."""
        return next(controller.id for controller in self.host.spec.controllers if controller.serial == self.serial)

    def fault(self, fault: Fault) -> AbstractContextManager[None]:
        """It does this wrong meanwhile."""
        return self.host.fault(self.id, fault)

    @property
    def faults_played(self) -> int:
        return self.host.faults_played(self.id)

    @property
    def borrowed(self) -> int:
        """Bytes of the host's memory, as the controller itself knows."""
        return self.host.host_memory(self.id)

    @property
    def admin(self) -> str:
        return f"/dev/{self.read('admin')}"

    def namespaces(self) -> dict[int, str]:
        """The owner of each active namespace, or "-"."""
        lines = [line.split() for line in self.read("namespaces").splitlines()]
        return {int(nsid): owner for nsid, _, _, owner, *_ in lines}

    def identities(self) -> dict[int, str]:
        """What each active namespace is, as its own identity tells."""
        lines = [line.split() for line in self.read("namespaces").splitlines()]
        return {int(nsid): identity for nsid, _, _, _, identity, *_ in lines}

    def granularity(self, nsid: int) -> int:
        """What places and sizes of extents are multiples of, in bytes."""
        lines = [line.split() for line in self.read("namespaces").splitlines()]
        return {int(number): int(granularity) for number, _, _, _, _, granularity in lines}[nsid]

    def driver(self) -> str:
        link = self.host.run(f"readlink {self.sysfs}/driver", check=False).stdout.strip()
        return PurePosixPath(link).name

    def unbind(self) -> None:
        if self.driver():
            self.host.run(f"echo {self.address} > {self.sysfs}/driver/unbind")

    def bind(self, driver: str) -> None:
        """To the named driver, or with "" to the stock one."""
        if self.driver() != (driver or "nvme"):
            self.offer(driver)
        assert self.driver() == (driver or "nvme")

    def offer(self, driver: str) -> None:
        """Unbind it and let the named driver, or with "" the stock one, take it or refuse it."""
        self.unbind()
        self.host.run(f"echo '{driver}' > {self.sysfs}/driver_override")
        self.host.run(f"echo {self.address} > {PCI}/drivers_probe", check=False)

    def block_device(self, nsid: int) -> str:
        """A namespace as the stock driver shows it."""
        self.host.run("udevadm settle")
        (link,) = self.host.run(f"ls /dev/disk/by-id/nvme-*_{self.serial}_{nsid}").stdout.split()
        return link

    def create(self) -> Mdev:
        """An mdev that knows its controller, without any other attribute yet."""
        mdev = self.create_bare()
        mdev.write("serial", self.serial)
        return mdev

    def create_bare(self) -> Mdev:
        mdev = Mdev(self.host, self)
        self.host.run(f"echo {mdev.uuid} > {self.sysfs}/mdev_supported_types/lightiov-passthrough/create")
        return mdev

    def mdev(self, namespaces: str, queue_pairs: int = 1, tenant: str = "blue") -> Mdev:
        mdev = self.create()
        mdev.write("tenant", tenant)
        mdev.write("queue_pairs", queue_pairs)
        mdev.write("namespaces", namespaces)
        return mdev

    def mdev_of(self, *extents: Extent, queue_pairs: int = 1, tenant: str = "blue") -> Mdev:
        """With these disks, in the order of their slots."""
        mdev = self.create()
        mdev.write("tenant", tenant)
        mdev.write("queue_pairs", queue_pairs)
        for extent in extents:
            mdev.write("extent", extent)
        return mdev

    def remove_mdevs(self) -> None:
        """All of them; a failed test may have left programs that have them open."""
        self.host.run("pkill -KILL -x liov", check=False)
        self.host.run(f"for m in {self.sysfs}/*-*-*-*-*/remove; do [ ! -e $m ] || echo 1 > $m; done", check=False)


def load_module(host: Host, **parameters: int) -> None:
    """Have the module loaded with these parameters, and the others as they are without."""
    wanted = {"max_vectors": 0, "max_host_mem_size_mb": 128} | parameters
    values = f"cd /sys/module/lightiov_host/parameters && cat {' '.join(wanted)}"
    if host.run(values, check=False).stdout.split() != [str(value) for value in wanted.values()]:
        unload_module(host)
        given = " ".join(f"{name}={value}" for name, value in wanted.items())
        host.run(f"modprobe -a mdev vfio vfio_iommu_type1 && insmod {MODULE} {given}")


def unload_module(host: Host) -> None:
    host.run("! grep -q '^lightiov_host ' /proc/modules || rmmod lightiov_host")


def under_load(mdev: Mdev, options: str = "--queues 2 --seconds 600", kind: str = WRITES) -> Program:
    """Writes, or does another kind of I/O, as fast as it can; returns once it does."""
    enough = mdev.statistic("interrupts") + 50
    load = mdev.start("bench", f"{kind} {options}")
    wait_until(lambda: mdev.statistic("interrupts") > enough or not load.running(), "load")
    assert load.running(), load.output()
    return load


@contextmanager
def verified_all_the_while(mdev: Mdev, options: str) -> Iterator[Program]:
    """Opens it, writes, verifies and closes it over and over; the first error ends it, and is raised at the end."""
    mdev.host.run(f"rm -f {ENOUGH}")
    turn = f"{LIOV} verify {mdev.uuid} {options} --yes-destroy-data"
    worker = Program(mdev.host, f"sh -c 'until [ -e {ENOUGH} ]; do {turn} || exit 1; done'")
    try:
        yield worker
    finally:
        mdev.host.run(f"touch {ENOUGH}")
    assert worker.wait(300) == 0, worker.output()
