# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A model, and no measurement: what the counts of an emulated machine would mean on hardware.

What the steps of an I/O cost on a server, and how long a drive takes, is assumed: round numbers of the order that is
usual today. The model is as good as these, so each is named, and what it predicts is put beside what was published.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Hardware:
    """Microseconds, but where it says otherwise."""

    # A 4 KiB read of NAND flash; of 3D XPoint it was about 10.
    drive: float = 80.0
    # 4 KiB reads a second that the drive can do.
    drive_iops: float = 1_000_000.0
    # A VM's own path for an I/O, with the interrupt's handler; without it, when it polls.
    guest: float = 5.0
    guest_polled: float = 3.0
    # To the host's kernel and back, with what is lost of caches.
    exit: float = 1.5
    # A CPU that sleeps in HLT, woken by an interrupt that the hardware posts.
    wake: float = 3.0
    # A program of the host, woken for a request; its path to the drive and back.
    wake_program: float = 6.0
    host_path: float = 4.0
    # A polling target: what one I/O costs its core, and one look at a queue that has nothing.
    target: float = 1.2
    look: float = 0.08
    target_cores: int = 1


ASSUMPTIONS = {
    "drive": "a 4 KiB read of a drive with NAND flash, one at a time",
    "drive_iops": "the most 4 KiB reads a second that such a drive does",
    "guest": "the VM's kernel, from the program to the doorbell and from the interrupt to the program",
    "guest_polled": "the same without an interrupt",
    "exit": "a VM exit to the host's kernel, with what it costs afterwards",
    "wake": "a CPU that sleeps, woken by a posted interrupt; that itself needs no exit",
    "wake_program": "a thread of the host, woken by an eventfd",
    "host_path": "io_uring and the host's NVMe driver",
    "target": "what a polling target's core does for one I/O, between virtqueue and drive",
    "look": "its look at a queue that has nothing new",
    "target_cores": "cores that poll for all VMs",
}


@dataclass(frozen=True)
class Published:
    """What a paper says, as a ratio."""

    source: str
    claim: str
    low: float
    high: float


ANCHORS = (
    Published("LightIOV (arXiv 2304.05148)", "IOPS, LightIOV to VFIO", 0.976, 1.002),
    Published("LightIOV (arXiv 2304.05148)", "mean latency at 200 VMs, LightIOV to polling target", 0.686, 0.686),
    Published("NVMePass (HPCA 2025)", "IOPS, LightIOV to VFIO", 1.001, 1.005),
    Published("NVMePass (HPCA 2025)", "mean latency at 150 VMs, LightIOV to polling target", 0.60, 0.60),
)


def latency(contender: str, hardware: Hardware, vms: int = 1, trapped: float = 0.0) -> float:
    """Mean microseconds of a 4 KiB read, with one outstanding in each VM. `trapped`: accesses that leave the VM."""
    # However short the path: all VMs together get no more than the drive can do.
    return max(_path(contender, hardware, vms, trapped), vms / hardware.drive_iops * 1e6)


def _path(contender: str, hardware: Hardware, vms: int, trapped: float) -> float:
    if contender in ("vfio", "lightiov"):
        # Doorbells are the VM's own; interrupts are posted. Both are the same path.
        return hardware.drive + hardware.guest + hardware.wake + trapped * hardware.exit
    if contender in ("vfio-polled", "lightiov-polled"):
        return hardware.drive + hardware.guest_polled + trapped * hardware.exit
    if contender in ("virtio-blk", "vhost-user"):
        # The kick leaves the VM; a thread of the host wakes; the interrupt is posted.
        host = hardware.exit + hardware.wake_program + hardware.host_path
        return hardware.drive + hardware.guest + hardware.wake + host
    if contender == "virtio-polled":
        return hardware.drive + hardware.guest + hardware.wake + _queued(hardware, vms)
    raise ValueError(f"the model knows no contender {contender}")


def _queued(hardware: Hardware, vms: int) -> float:
    """What a polling target adds: its turn around all queues, its own work, and the wait behind others' I/O.

    Each VM has one I/O outstanding, so the faster they are served the more they ask: the rate that fits is looked for.
    Arrivals are taken to be random and the work constant (M/D/1).
    """
    service, turn = hardware.target, hardware.look * vms / hardware.target_cores
    rest = hardware.drive + hardware.guest + hardware.wake
    low, high = 0.0, 0.9999
    for _step in range(60):
        load = (low + high) / 2
        added = turn / 2 + service + service * load / (2 * (1 - load))
        offered = vms / (rest + added) * service / hardware.target_cores
        low, high = (load, high) if offered > load else (low, load)
    return turn / 2 + service + service * low / (2 * (1 - low))


def iops(contender: str, hardware: Hardware, depth: int, trapped: float = 0.0) -> float:
    """Of one VM that has so many I/Os outstanding, from one of its CPUs."""
    one = depth / latency(contender, hardware, trapped=trapped) * 1e6
    # Submitting and completing takes that CPU's time, however many are outstanding.
    work = hardware.guest_polled if contender.endswith("-polled") else hardware.guest
    return min(one, 1e6 / (work + trapped * hardware.exit), hardware.drive_iops)


# What it can say something of, beside the whole device.
KNOWN = ("lightiov", "virtio-blk", "vhost-user", "vfio-polled", "lightiov-polled", "virtio-polled")


def against_vfio(contender: str, hardware: Hardware) -> float:
    """IOPS to the whole device's, one I/O after the other."""
    return latency("vfio", hardware) / latency(contender, hardware)


def predictions(summary: Mapping[str, Any] | None, hardware: Hardware | None = None) -> list[dict[str, Any]]:
    """Beside what was published. Of a summary, the accesses that leave a VM are taken as they were counted."""
    hardware = hardware or Hardware()

    def trapped(contender: str) -> float:
        of = (summary or {}).get("figures", {}).get("randread-qd1", {}).get(contender, {})
        return float(of["trapped"]["median"]) if "trapped" in of else 0.0

    def at_depth_32() -> float:
        ours = iops("lightiov", hardware, 32, trapped("lightiov"))
        return ours / iops("vfio", hardware, 32, trapped("vfio"))

    def against_target(vms: int) -> float:
        ours = latency("lightiov", hardware, vms, trapped("lightiov"))
        return ours / latency("virtio-polled", hardware, vms)

    said = [at_depth_32(), against_target(200), at_depth_32(), against_target(150)]
    return [
        {
            "source": anchor.source,
            "claim": anchor.claim,
            "published_low": anchor.low,
            "published_high": anchor.high,
            "model": model,
            # Nothing, inside of what was published.
            "off": max(anchor.low - model, model - anchor.high, 0.0),
        }
        for anchor, model in zip(ANCHORS, said)
    ]
