# SPDX-License-Identifier: GPL-3.0-or-later
"""An owner of an mdev that does what liov never would. It runs on the lab's host, by itself, with the host's Python."""

from __future__ import annotations

import ctypes
import fcntl
import json
import mmap
import os
import struct
import sys
import threading
import time
from pathlib import Path

RESET, OPEN_WINDOW, ADD_MEMORY, REMOVE_MEMORY, CREATE_QUEUE, DELETE_QUEUE = range(1, 7)
RESET_QUEUES, CREATE_QUEUES = 8, 9
OK, DEAD = 0, 8
POLLED = 1 << 32
WRITE, READ = 1, 2
CONTROLLER, CONTROLLER_LIST = 0x01, 0x13  # for Identify
PAGE = 4096
ENTRIES = 32
GPA = 1 << 20
SIZE = 2 << 20
BAR = 1 << 40
HUGE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40000  # MAP_HUGETLB
LARGE = 64 << 20
QUEUES_LOST = 2
HOST_AREA = 1 << 32  # the first granule above the MSI hole; the admin SQ is the first thing that the host needs there
# What the controller borrows comes after the two rings and a page for what it says of itself. At the beginning of its
# pages the emulated one writes itself.
LENT = HOST_AREA + 3 * PAGE + PAGE // 2
LENT_PAGES = 8
BLOCK = 512


def vfio(number: int) -> int:
    return ord(";") << 8 | 100 + number


def join(container: int, device: str) -> int:
    """The group of a device, by its path in sysfs, in a container."""
    group = Path(f"{device}/iommu_group").readlink().name
    descriptor = os.open(f"/dev/vfio/{group}", os.O_RDWR)
    fcntl.ioctl(descriptor, vfio(4), struct.pack("i", container))
    return descriptor


def open_container() -> int:
    return os.open("/dev/vfio/vfio", os.O_RDWR)


def choose_type1(container: int) -> None:
    """Version 2. Only a container with a group has a choice."""
    fcntl.ioctl(container, vfio(2), 3)


def open_device(group: int, name: str) -> int:
    return fcntl.ioctl(group, vfio(6), ctypes.create_string_buffer(name.encode()))


def dma_map(container: int, memory: memoryview) -> None:
    """At GPA, for reading and writing."""
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    fcntl.ioctl(container, vfio(13), struct.pack("=IIQQQ", 32, 3, address, GPA, len(memory)))


class Owner:
    """Its memory, from GPA on, begins with the rings: a page each for every queue pair's SQ and CQ.

    One that comes into the container of another has that one's memory. In huge pages it lies as a VM's would: at the
    end of the first of them, GPA being no multiple of their size.
    """

    def __init__(self, mdev: str, size: int = SIZE, beside: Owner | None = None, huge: bool = False) -> None:
        self.mdev, self.size = mdev, size
        self.container = beside.container if beside else open_container()
        self.group = join(self.container, f"/sys/bus/mdev/devices/{mdev}")
        if beside:
            self.memory = beside.memory
        else:
            choose_type1(self.container)
            self.memory = memoryview(mmap.mmap(-1, GPA + size, HUGE if huge else mmap.MAP_SHARED))[GPA:]
            self.map()
        self.device = open_device(self.group, mdev)
        self.queue_pairs = self.register(0x14)
        self.tails: dict[int, int] = {}

    def map(self) -> None:
        dma_map(self.container, self.memory)

    def unmap(self) -> None:
        fcntl.ioctl(self.container, vfio(14), struct.pack("=IIQQ", 24, 0, GPA, self.size))

    def namespace(self, number: int) -> dict[str, int]:
        """What the device says of one of its namespaces."""
        nsid, flags, shift, _, start, count = struct.unpack("<IIIIQQ", os.pread(self.device, 32, 0x1000 + 128 * number))
        names = ("write_granularity", "write_optimal", "dealloc_granularity", "boundary", "atomic_write")
        limits = struct.unpack("<5I", os.pread(self.device, 20, 0x1000 + 128 * number + 72))
        return {"nsid": nsid, "flags": flags, "lba_shift": shift, "start": start, "lba_count": count} | dict(
            zip(names, limits)
        )

    def namespaces(self) -> list[dict[str, int]]:
        return [self.namespace(number) for number in range(self.register(0x1C))]

    def register(self, offset: int, width: int = 4) -> int:
        return int.from_bytes(os.pread(self.device, width, offset), "little")

    def command(self, command: int, *arguments: int) -> int:
        for i, argument in enumerate(arguments):
            os.pwrite(self.device, argument.to_bytes(8, "little"), 0x100 + 8 * i)
        os.pwrite(self.device, command.to_bytes(4, "little"), 0x120)
        return self.register(0x124)

    def start(self) -> int:
        return self.open_window() or self.add_memory()

    def open_window(self) -> int:
        return self.command(RESET) or self.command(OPEN_WINDOW, GPA + self.size)

    def add_memory(self) -> int:
        return self.command(ADD_MEMORY, GPA, self.size)

    def window(self) -> int:
        return self.register(0x30, 8)

    def clear(self, pair: int) -> tuple[int, int]:
        """Where its rings are, empty now."""
        ring = 2 * pair * PAGE
        self.memory[ring : ring + 2 * PAGE] = bytes(2 * PAGE)
        self.tails[pair] = 0
        return GPA + ring, GPA + ring + PAGE

    def create(self, pair: int, flags: int = 0) -> int:
        return self.command(CREATE_QUEUE, pair | flags, *self.clear(pair), ENTRIES)

    def create_at_once(self, polled: int) -> int:
        """All queue pairs, of which so many, the last, do not interrupt."""
        for pair in range(self.queue_pairs):
            for number, ring in enumerate(self.clear(pair)):
                os.pwrite(self.device, ring.to_bytes(8, "little"), 0x3000 + 16 * pair + 8 * number)
        return self.command(CREATE_QUEUES, 0, self.queue_pairs, ENTRIES, polled)

    def doorbell(self, offset: int, value: int) -> None:
        os.pwrite(self.device, value.to_bytes(4, "little"), 2 * BAR + offset)

    def submit(self, pair: int, opcode: int, nsid: int, address: int, lba: int = 0) -> int:
        """One command of one block with its data at an address of the controller; its status."""
        tail, ring = self.tails[pair], 2 * pair * PAGE
        entry = struct.pack("<BBHIQQQQQII8x", opcode, 0, tail, nsid, 0, 0, address, 0, lba, 0, 0)
        self.memory[ring + tail * 64 : ring + tail * 64 + 64] = entry
        self.tails[pair] = tail + 1
        _, _, sq, cq = struct.unpack("<HHII", os.pread(self.device, 12, 0x400 + 16 * pair))
        self.doorbell(sq, tail + 1)
        for _ in range(1000):
            status = int.from_bytes(self.memory[ring + PAGE + tail * 16 + 14 : ring + PAGE + tail * 16 + 16], "little")
            if status & 1:
                self.doorbell(cq, tail + 1)
                return status >> 1
            time.sleep(0.01)
        raise TimeoutError(f"command 0x{opcode:02x} of queue pair {pair}")


def churn(mdev: str, enough: str) -> None:
    """Create and delete queue pairs until the file is there, over all resets of the controller."""
    owner = Owner(mdev)
    lost = True
    while not Path(enough).exists():
        results = [owner.start()] if lost else []
        results += [owner.create(pair) for pair in range(owner.queue_pairs)]
        results += [owner.command(DELETE_QUEUE, pair) for pair in range(owner.queue_pairs)]
        if DEAD in results:
            sys.exit("the controller is dead")
        lost = any(results)


def arrive(mdev: str, controller: str, namespace: str) -> None:
    """Define and open the device once the controller is out of use, and use it when it is in use again."""
    parent, device = Path(controller), Path(f"/sys/bus/mdev/devices/{mdev}")
    state, serial = parent / "lightiov/state", (parent / "lightiov/serial").read_text()
    attributes = {"serial": serial, "tenant": "blue", "queue_pairs": "1", "namespaces": namespace}
    print("ready", flush=True)
    while state.read_text() == "live\n":
        pass
    (parent / "mdev_supported_types/lightiov-passthrough/create").write_text(mdev)
    for name, value in attributes.items():
        (device / name).write_text(value)
    owner = Owner(mdev)
    early = state.read_text().strip()
    while state.read_text() != "live\n":
        time.sleep(0.01)
    lost, started = owner.register(0x08) & QUEUES_LOST, owner.start() or owner.create(0)
    read = owner.submit(0, READ, int(namespace), owner.window() + GPA + SIZE - PAGE)
    print(f"open while {early}, then lost {lost}, started {started}, read {read}")


def locked() -> int:
    """How much of this program's memory is pinned, in KiB."""
    return int(next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmLck" in line).split()[1])


def mourn(mdev: str) -> None:
    """Take everything back from a controller that has died."""
    owner = Owner(mdev)
    print("ready" if owner.start() == owner.create(0) == OK and locked() else "cannot start", flush=True)
    while not owner.register(0x08) & 0x08:
        time.sleep(0.1)
    print(f"result {owner.command(RESET)}, {locked()} KiB pinned, window of {owner.register(0x38, 8)} bytes")


def trespass(mdev: str) -> None:
    """Have the controller write into its own admin SQ, and look at what lies there then."""
    owner = Owner(mdev)
    if owner.start() or owner.create(0):
        sys.exit("cannot start")
    page = SIZE - PAGE
    own = owner.window() + GPA + page
    owner.memory[page:] = b"\xff" * PAGE
    owner.submit(0, WRITE, 1, own)
    owner.submit(0, READ, 1, HOST_AREA + 512 * 3)
    for i in range(4):
        owner.submit(0, WRITE, 1, HOST_AREA + 512 * i, i)
        owner.submit(0, READ, 1, own + 512 * i, i)
    entries = [owner.memory[page + 64 * i :][:64] for i in range(32)]
    print("opcodes", *sorted({entry[0] for entry in entries if any(entry)}))


def lend(mdev: str, soil: str) -> None:
    """Have the controller fill a part of the memory that it borrows, if so asked; how many blocks of that are there."""
    owner, filled = Owner(mdev), b"\xa5" * BLOCK
    if owner.start() or owner.create(0):
        sys.exit("cannot start")
    page = SIZE - PAGE
    own = owner.window() + GPA + page
    statuses = []
    if int(soil):
        owner.memory[page : page + BLOCK] = filled
        statuses = [owner.submit(0, WRITE, 1, own)]
        statuses += [owner.submit(0, READ, 1, LENT + i * PAGE) for i in range(LENT_PAGES)]
    found = 0
    for i in range(LENT_PAGES):
        owner.memory[page : page + BLOCK] = bytes(BLOCK)
        statuses += [owner.submit(0, WRITE, 1, LENT + i * PAGE, 1), owner.submit(0, READ, 1, own, 1)]
        found += owner.memory[page : page + BLOCK] == filled
    print(f"statuses {sorted(set(statuses))}, found {found}")


def poll(mdev: str, polled: str) -> None:
    """Read by the queue pair that does not interrupt, then by the other: what is told of both, and of interrupts.

    They are created one by one if the polled one is the first, and else at once.
    """
    owner, sysfs = Owner(mdev), Path(f"/sys/bus/mdev/devices/{mdev}")
    first = int(polled)
    if owner.start() or (owner.create_at_once(1) if first else owner.create(0, POLLED) or owner.create(1)):
        sys.exit("cannot start")
    interrupts = []
    for pair in (first, 1 - first):
        for _ in range(3):
            owner.submit(pair, READ, 1, owner.window() + GPA + SIZE - PAGE)
        time.sleep(1)  # an interrupt may come after its completion was seen
        interrupts.append(int((sysfs / "statistics/interrupts").read_text()))
    print(json.dumps({"queues": (sysfs / "queues").read_text().splitlines(), "interrupts": interrupts}))


def tell(mdev: str) -> None:
    """What the device says of its controller and its namespaces."""
    owner = Owner(mdev)
    limits = {
        "version": owner.register(0x04),
        "features": owner.register(0x10),
        "dealloc_ranges": owner.register(0x84),
        "dealloc_range": owner.register(0x88),
        "dealloc_lbas": owner.register(0x90, 8),
        "write_zeroes": owner.register(0x98),
        "retry_delays": [owner.register(0x98 + 4 * number) for number in (1, 2, 3)],
    }
    print(json.dumps(limits | {"namespaces": owner.namespaces()}))


def watch(mdev: str, enough: str) -> None:
    """A line for each event, with what the namespaces are then, until the file is there."""
    owner, seen = Owner(mdev), None
    while not Path(enough).exists():
        generation = owner.register(0x0C)
        if generation != seen:
            print(json.dumps(owner.namespaces()), flush=True)
            # The table is whole if nothing has changed while it was read.
            seen = generation
        time.sleep(0.05)


def remap(mdev: str) -> None:
    """Map the doorbells again and again, and keep them when the device is let go."""
    owner = Owner(mdev)
    size = owner.register(0x2C)
    for _ in range(3):
        mmap.mmap(owner.device, size, offset=2 * BAR, trackfd=False).close()
    doorbells = mmap.mmap(owner.device, size, offset=2 * BAR, trackfd=False)
    os.close(owner.device)
    state = Path(f"/sys/bus/mdev/devices/{mdev}/state")
    kept = state.read_text().strip()
    doorbells.close()
    print(kept, "then", state.read_text().strip())


def take_back(mdev: str) -> None:
    """Unmap memory while the device is pinning it."""
    owner = Owner(mdev, LARGE)
    owner.open_window()
    pinned = Path(f"/sys/bus/mdev/devices/{mdev}/statistics/pinned_bytes")
    results: list[int] = []
    adding = threading.Thread(target=lambda: results.append(owner.add_memory()))
    adding.start()
    while adding.is_alive() and not int(pinned.read_text()):
        pass
    owner.unmap()
    adding.join()
    lost = owner.register(0x08) & QUEUES_LOST
    owner.map()
    print(f"result {results[0]}, lost {lost}, then {owner.start()}")


def insist(busy: str, eager: str, rounds: str) -> None:
    """Unmap memory that a thread adds to a device all the time, while another device is slow to let go of it.

    VFIO asks first the device that came last.
    """
    slow = Owner(busy)
    fast = Owner(eager, beside=slow)
    ended = threading.Event()

    def loop() -> None:
        while not ended.is_set():
            fast.open_window()
            fast.command(ADD_MEMORY, GPA, PAGE)

    adding = threading.Thread(target=loop)
    adding.start()
    for _ in range(int(rounds)):
        if slow.start() or any(slow.create(pair) for pair in range(slow.queue_pairs)):
            sys.exit("cannot start")
        slow.unmap()
        slow.map()
    ended.set()
    adding.join()


def pieces(mdev: str) -> None:
    """Add memory in huge pages, all but the first 1 MiB of it, and take it back."""
    owner = Owner(mdev, 5 << 20, huge=True)
    statistics = Path(f"/sys/bus/mdev/devices/{mdev}/statistics")

    def tell() -> None:
        print(*(int((statistics / name).read_text()) for name in ("pinned_bytes", "iommu_mappings")))

    if owner.start():
        sys.exit("cannot start")
    tell()
    if owner.command(REMOVE_MEMORY, GPA, owner.size):
        sys.exit("cannot remove")
    tell()


def keep(mdev: str, reset_controller: str) -> None:
    """Have the queues reset, after they were used and after the controller was reset, and go on in the same memory."""
    owner = Owner(mdev)
    if owner.start() or owner.create(0):
        sys.exit("cannot start")
    window = owner.window()
    page = window + GPA + SIZE - PAGE
    for lose in (False, True):
        owner.submit(0, READ, 1, page)
        if lose:
            Path(reset_controller).write_text("1")
        lost = owner.register(0x08) & QUEUES_LOST
        results = owner.command(RESET_QUEUES), owner.command(DELETE_QUEUE, 0), owner.add_memory(), owner.create(0)
        status = owner.submit(0, READ, 1, page)
        print(f"lost {lost}, results {results}, status {status}, same window {owner.window() == window}")


def scatter(mdev: str, ranges: str) -> None:
    """Add memory in so many ranges, and have all of it forgotten at once."""
    owner = Owner(mdev, int(ranges) * SIZE)
    owner.open_window()
    if any(owner.command(ADD_MEMORY, GPA + number * SIZE, SIZE) for number in range(int(ranges))):
        sys.exit("cannot add")
    owner.command(RESET)


def identify_command(cns: int, data: ctypes.Array) -> bytes:
    """As both ioctls begin with it; the result follows."""
    return struct.pack("=BBHIIIQQII6II", 6, 0, 0, 0, 0, 0, 0, ctypes.addressof(data), 0, PAGE, cns, 0, 0, 0, 0, 0, 0)


def identify(admin: str) -> None:
    """By the newer ioctl, whose result has 64 bits."""
    data = ctypes.create_string_buffer(PAGE)
    command = identify_command(CONTROLLER, data) + struct.pack("=IQ", 0, 1)
    answer = fcntl.ioctl(os.open(admin, os.O_RDWR), 0xC0504E47, command)
    print(f"serial {data.raw[4:24].decode().strip()}, result {struct.unpack_from('=Q', answer, 72)[0]}")


def ask(admin: str, enough: str, threads: int = 36) -> None:
    """What the host module never does, from more threads than the admin queue has entries."""

    def loop() -> None:
        device = os.open(admin, os.O_RDWR)
        data = ctypes.create_string_buffer(PAGE)
        command = identify_command(CONTROLLER_LIST, data) + struct.pack("=I", 0)
        while not Path(enough).exists():
            try:
                fcntl.ioctl(device, 0xC0484E41, command)
            except OSError:
                time.sleep(0.01)

    everybody = [threading.Thread(target=loop) for _ in range(threads)]
    for one in everybody:
        one.start()
    for one in everybody:
        one.join()


if __name__ == "__main__":
    programs = (
        churn, arrive, mourn, trespass, lend, poll, tell, watch, remap, take_back, insist, pieces, keep, scatter,
        identify, ask,
    )  # fmt: skip
    {program.__name__: program for program in programs}[sys.argv[1]](*sys.argv[2:])
