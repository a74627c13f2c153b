# SPDX-License-Identifier: GPL-3.0-or-later
"""What a VM's emulator and its driver do with a whole controller, by VFIO, from opening it to the first read.

It runs on the lab's host, beside owner.py: `whole_device.py ADDRESS MEMORY QUEUES`, memory in bytes, says how many
milliseconds each part took, as JSON. A VM does more: it resets the device once more, and sets interrupts up.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import struct
import sys
import time

from owner import ENTRIES, GPA, PAGE, READ, choose_type1, dma_map, join, open_container, open_device, vfio

# NVM Express Base Specification 2.0, 3.1.3 (registers), 5.4 and 5.5 (queues), 5.27.1.5 (Number of Queues).
CAP, CC, CSTS, AQA, ASQ, ACQ, DOORBELLS = 0x00, 0x14, 0x1C, 0x24, 0x28, 0x30, 0x1000
ENABLE = 6 << 16 | 4 << 20 | 1  # entries of 64 and 16 bytes
CREATE_SQ, CREATE_CQ, SET_FEATURES = 0x01, 0x05, 0x09
NUMBER_OF_QUEUES = 0x07
BAR0, CONFIG = 0, 7
COMMAND, MEMORY_AND_MASTER = 4, 6


class Controller:
    """Its memory, from GPA on, begins with a page each for every queue's SQ and CQ, the admin queue's first."""

    def __init__(self, address: str) -> None:
        self.container = open_container()
        self.group = join(self.container, f"/sys/bus/pci/devices/{address}")
        choose_type1(self.container)
        self.device = open_device(self.group, address)
        size, offset = self.region(BAR0)
        self.registers = memoryview(mmap.mmap(self.device, size, offset=offset)).cast("I")
        os.pwrite(self.device, struct.pack("<H", MEMORY_AND_MASTER), self.region(CONFIG)[1] + COMMAND)
        self.stride = 1 << (self.registers[CAP // 4 + 1] & 0xF)
        self.tails: dict[int, int] = {}

    def region(self, index: int) -> tuple[int, int]:
        """Its size and its place in the device's file."""
        info = fcntl.ioctl(self.device, vfio(8), struct.pack("=IIIIQQ", 32, 0, index, 0, 0, 0))
        _, _, _, _, size, offset = struct.unpack("=IIIIQQ", info)
        return size, offset

    def map(self, size: int) -> None:
        self.memory = memoryview(mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
        dma_map(self.container, self.memory)

    def start(self, queues: int) -> None:
        sq, cq = self.rings(0)
        self.registers[AQA // 4] = (ENTRIES - 1) << 16 | (ENTRIES - 1)
        for register, ring in ((ASQ, sq), (ACQ, cq)):
            self.registers[register // 4], self.registers[register // 4 + 1] = ring & 0xFFFFFFFF, ring >> 32
        self.registers[CC // 4] = ENABLE
        while not self.registers[CSTS // 4] & 1:
            time.sleep(0.001)
        self.run(0, SET_FEATURES, words=(NUMBER_OF_QUEUES, (queues - 1) << 16 | (queues - 1)))
        for queue in range(1, queues + 1):
            sq, cq = self.rings(queue)
            size = (ENTRIES - 1) << 16 | queue
            self.run(0, CREATE_CQ, cq, words=(size, 1))
            self.run(0, CREATE_SQ, sq, words=(size, queue << 16 | 1))

    def rings(self, queue: int) -> tuple[int, int]:
        self.tails[queue] = 0
        ring = GPA + 2 * queue * PAGE
        return ring, ring + PAGE

    def read(self) -> None:
        self.run(1, READ, GPA + len(self.memory) - PAGE, nsid=1)

    def run(self, queue: int, opcode: int, address: int = 0, nsid: int = 0, words: tuple[int, ...] = ()) -> None:
        tail, ring = self.tails[queue], 2 * queue * PAGE
        entry = struct.pack("<BBHIQQQQ6I", opcode, 0, tail, nsid, 0, 0, address, 0, *words, *[0] * (6 - len(words)))
        self.memory[ring + tail * 64 : ring + tail * 64 + 64] = entry
        self.tails[queue] = tail + 1
        doorbell = DOORBELLS // 4 + 2 * queue * self.stride
        self.registers[doorbell] = tail + 1
        place = ring + PAGE + tail * 16 + 14
        deadline = time.monotonic() + 30
        while not (status := int.from_bytes(self.memory[place : place + 2], "little")) & 1:
            if time.monotonic() > deadline:
                sys.exit(f"no answer to command 0x{opcode:02x}")
        self.registers[doorbell + self.stride] = tail + 1
        if status >> 1:
            sys.exit(f"command 0x{opcode:02x}: status 0x{status >> 1:x}")


def main(address: str, memory: str, queues: str) -> None:
    moments = [time.monotonic()]
    controller = Controller(address)
    moments.append(time.monotonic())
    controller.map(int(memory))
    moments.append(time.monotonic())
    controller.start(int(queues))
    moments.append(time.monotonic())
    controller.read()
    moments.append(time.monotonic())
    took = [1000 * (after - before) for before, after in zip(moments, moments[1:])]
    names = ("device_ms", "memory_ms", "queues_ms", "read_ms")
    print(json.dumps({"open_ms": sum(took), **dict(zip(names, took))}))


if __name__ == "__main__":
    main(*sys.argv[1:])
