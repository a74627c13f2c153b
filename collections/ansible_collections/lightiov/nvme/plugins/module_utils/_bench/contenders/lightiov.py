# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import uuid

from ansible_collections.lightiov.nvme.plugins.module_utils._bench.contenders.base import (
    WHOLE,
    Contender,
    Place,
    Share,
    passed_through,
)
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.io_path import PASSTHROUGH, PASSTHROUGH_POLLED
from ansible_collections.lightiov.nvme.plugins.module_utils._sysfs import DRIVER

MDEVS = "/sys/bus/mdev/devices"
TENANT = "bench"


def mdev(share: Share) -> str:
    """The UUID of what a VM has."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"https://github.com/lightiov/lightiov/bench/{share.number}"))


def create(place: Place, share: Share, queue_pairs: int) -> None:
    host, made = place.host, mdev(share)
    extent = f"id={made},nsid={place.drive.nsid}"
    if share.size:
        unit = place.drive.lba_size
        extent += f",first={share.first // unit},count={share.size // unit}"
    host.write_attribute(f"{place.drive.sysfs}/mdev_supported_types/lightiov-passthrough/create", made)
    for attribute, value in (
        ("serial", place.drive.serial),
        ("tenant", TENANT),
        ("queue_pairs", queue_pairs),
        ("extent", extent),
    ):
        host.write_attribute(f"{MDEVS}/{made}/{attribute}", str(value))


class Passthrough(Contender):
    """Hardware queue pairs of the controller, one for each of the VM's CPUs."""

    name = "lightiov"
    title = "LightIOV"
    driver = DRIVER
    module = "lightiov_guest"
    disks = "liov*n*"
    interrupts = r"liov\d+q\d"
    sharing = True
    io_path = PASSTHROUGH

    def queue_pairs(self, place: Place) -> int:
        return place.vcpus

    def set_up(self, place: Place) -> None:
        super().set_up(place)
        for share in place.shares:
            create(place, share, self.queue_pairs(place))

    def attach(self, place: Place, share: Share = WHOLE) -> list[str]:
        return passed_through(sysfsdev=f"{MDEVS}/{mdev(share)}")

    def tear_down(self, place: Place) -> None:
        for share in place.shares:
            if place.host.path(f"{MDEVS}/{mdev(share)}").exists():
                place.host.write_attribute(f"{MDEVS}/{mdev(share)}/remove", "1")
        super().tear_down(place)


class PassthroughPolled(Passthrough):
    """One hardware queue pair more, on which the VM asks for completions without interrupts."""

    name = "lightiov-polled"
    title = "LightIOV, polled"
    module_options = "poll_queues=1"
    polled = True
    io_path = PASSTHROUGH_POLLED
    sharing = False

    def queue_pairs(self, place: Place) -> int:
        return place.vcpus + 1

    def unavailable(self, place: Place) -> str:
        return "" if "poll_queues" in place.guest_parameters else "The guest driver has no poll queues."
