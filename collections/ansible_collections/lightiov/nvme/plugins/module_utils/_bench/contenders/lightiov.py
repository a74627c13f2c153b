# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import uuid

from ansible_collections.lightiov.nvme.plugins.module_utils._bench.contenders.base import Contender, Place, device
from ansible_collections.lightiov.nvme.plugins.module_utils._sysfs import DRIVER

MDEV = str(uuid.uuid5(uuid.NAMESPACE_URL, "https://github.com/lightiov/lightiov/bench"))
SYSFS = f"/sys/bus/mdev/devices/{MDEV}"
TENANT = "bench"


class Passthrough(Contender):
    """Hardware queue pairs of the controller, one for each of the VM's CPUs."""

    name = "lightiov"
    title = "LightIOV"
    driver = DRIVER
    module = "lightiov_guest"
    disks = "liov*n*"
    interrupts = r"liov\d+q\d"

    def queue_pairs(self, place: Place) -> int:
        return place.vcpus

    def set_up(self, place: Place) -> None:
        super().set_up(place)
        host = place.host
        host.write_attribute(f"{place.drive.sysfs}/mdev_supported_types/lightiov-passthrough/create", MDEV)
        for attribute, value in (
            ("serial", place.drive.serial),
            ("tenant", TENANT),
            ("queue_pairs", self.queue_pairs(place)),
            ("extent", f"id={MDEV},nsid={place.drive.nsid}"),
        ):
            host.write_attribute(f"{SYSFS}/{attribute}", str(value))

    def attach(self, place: Place) -> list[str]:
        port = device(driver="pcie-root-port", id="slot", chassis=1)
        return [*port, *device(driver="vfio-pci", sysfsdev=SYSFS, bus="slot")]

    def tear_down(self, place: Place) -> None:
        if place.host.path(SYSFS).exists():
            place.host.write_attribute(f"{SYSFS}/remove", "1")
        super().tear_down(place)


class PassthroughPolled(Passthrough):
    """One hardware queue pair more, on which the VM asks for completions without interrupts."""

    name = "lightiov-polled"
    title = "LightIOV, polled"
    module_options = "poll_queues=1"
    polled = True

    def queue_pairs(self, place: Place) -> int:
        return place.vcpus + 1

    def unavailable(self, place: Place) -> str:
        return "" if "poll_queues" in place.guest_parameters else "The guest driver has no poll queues."
