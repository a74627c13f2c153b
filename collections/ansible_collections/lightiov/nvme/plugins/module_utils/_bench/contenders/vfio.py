# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.lightiov.nvme.plugins.module_utils._bench.contenders.base import (
    WHOLE,
    Contender,
    Place,
    Share,
    passed_through,
)
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.io_path import PASSTHROUGH, PASSTHROUGH_POLLED


class WholeDevice(Contender):
    """The whole controller in one VM, with the stock driver there: the published baseline, which shares nothing."""

    name = "vfio"
    title = "whole device by VFIO"
    driver = "vfio-pci"
    module = "nvme"
    disks = "nvme*n*"
    whole_controller = True
    interrupts = r"nvme\d+q[1-9]"
    io_path = PASSTHROUGH

    def attach(self, place: Place, share: Share = WHOLE) -> list[str]:
        return passed_through(host=place.drive.address)


class WholeDevicePolled(WholeDevice):
    """The whole controller in one VM, which asks for completions on a queue without interrupts."""

    name = "vfio-polled"
    title = "whole device by VFIO, polled"
    module_options = "poll_queues=1"
    polled = True
    io_path = PASSTHROUGH_POLLED
