# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.lightiov.nvme.plugins.module_utils._bench.contenders.base import (
    WHOLE,
    Contender,
    Place,
    Share,
    as_json,
    block_device,
    device,
    part,
    user_space_driver,
)
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.io_path import (
    BY_A_POLLING_PROGRAM,
    BY_A_PROGRAM,
    BY_THE_KERNEL,
)

# Before, one thread has all virtqueues of a disk.
MAPPING = (9, 0)
# Nanoseconds that a thread goes on looking before it sleeps: it never does.
FOREVER = 1_000_000_000


class VirtioBlk(Contender):
    """QEMU serves the disk with io_uring on the host's block device, by a thread for each virtqueue where it can."""

    name = "virtio-blk"
    title = "virtio-blk"
    sharing = True
    io_path = BY_THE_KERNEL
    # Whether several threads can use the drive.
    threaded = True
    thread_options = ""

    def attach(self, place: Place, share: Share = WHOLE) -> list[str]:
        threads = [f"thread{number}" for number in range(place.vcpus)]
        properties = {"driver": "virtio-blk-pci", "drive": "disk", "num-queues": place.vcpus}
        if self.threaded and place.qemu >= MAPPING:
            properties["iothread-vq-mapping"] = [{"iothread": thread} for thread in threads]
        else:
            threads = threads[:1]
            properties["iothread"] = threads[0]
        options = self.thread_options
        objects = [argument for thread in threads for argument in ("-object", f"iothread,id={thread}{options}")]
        drive = part(share, self.drive(place)) if share.size else self.drive(place)
        return [*objects, "-blockdev", as_json({**drive, "node-name": "disk"}), *device(**properties)]

    def drive(self, place: Place) -> dict[str, object]:
        return block_device(place)

    def configuration(self, place: Place) -> dict[str, object]:
        shown = super().configuration(place)
        if self.threaded and place.qemu < MAPPING:
            shown["lacks"] = f"a thread for each virtqueue, which QEMU {place.qemu[0]}.{place.qemu[1]} does not know"
        return shown


class VirtioBlkUserSpace(VirtioBlk):
    """QEMU serves the disk by its own NVMe driver, which has one queue pair, one thread and the whole controller."""

    name = "virtio-nvme"
    title = "virtio-blk, NVMe driver of QEMU"
    driver = "vfio-pci"
    io_path = BY_A_PROGRAM
    sharing = False
    # All requests are completed by the thread that has the drive.
    threaded = False

    def drive(self, place: Place) -> dict[str, object]:
        return user_space_driver(place)


class VirtioBlkPolled(VirtioBlkUserSpace):
    """As a polling target does it: a thread of QEMU looks at the drive's queue and at the VM's all the time. The drive
    interrupts all the same.
    """

    name = "virtio-polled"
    title = "virtio-blk, polling target"
    io_path = BY_A_POLLING_PROGRAM
    thread_options = f",poll-max-ns={FOREVER}"
