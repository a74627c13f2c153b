# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a visit is asked for."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.lightiov.nvme.plugins.module_utils._bench.machine import Shape

# Of what is written into the results: raise it when they mean something else, and say what the former ones meant.
SCHEMA = 2
FORMER = {
    1: "Latency is from when the kernel had taken an I/O, without its submission. The VM of vhost-user-blk took its "
    "disk for one without a cache and sent no flushes, so its figures with fsync are of writes that nobody made last. "
    "All its VMs had one thread of the daemon together. Polled contenders waited for interrupts in applications and "
    "with fsync."
}
DISK_SECONDS = 60
START_SECONDS = 60
END_SECONDS = 120
# To fill a database.
PREPARE_SECONDS = 600


@dataclass(frozen=True)
class Order:
    """What to measure, and in what VM."""

    serial: str
    nsid: int
    size: int
    contender: str
    workloads: tuple[str, ...]
    seconds: float
    shape: Shape
    # Where packages of the guest driver are, and their version.
    packages: str
    version: str
    # How many VMs share the drive; none: one VM has all of it.
    vms: int = 0
