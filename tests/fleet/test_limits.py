# SPDX-License-Identifier: GPL-3.0-or-later
"""A LightIOV disk has the limits that the stock driver shows for such a drive: file systems go by them."""

from __future__ import annotations

import json
import re

from fleet import VM, stock_disk

from lab import Host, Remote

OTHER = "LIOV2B"  # of the make of vm3's controller, and with the stock driver
# Those of the drive. How much one request may transfer is also the machine's: its IOMMU, its bounce buffers.
LIMITS = (
    "logical_block_size", "physical_block_size", "minimum_io_size", "optimal_io_size", "chunk_sectors",
    "discard_max_hw_bytes", "max_discard_segments", "atomic_write_max_bytes", "atomic_write_boundary_bytes",
    "atomic_write_unit_min_bytes", "atomic_write_unit_max_bytes", "write_cache", "fua", "rotational",
)  # fmt: skip


def limits(machine: Remote, name: str) -> dict[str, str]:
    """By name; older kernels do not have all."""
    listing = machine.run(f"cd /sys/block/{name}/queue && grep -s . {' '.join(LIMITS)}", check=False).stdout
    return dict(line.split(":", 1) for line in listing.splitlines())


def path_of(host: Host, disk: str) -> str:
    """The disk as the driver made it, below what Linux makes of several paths to one namespace."""
    hidden = re.sub(r"^/dev/nvme(\d+)n(\d+)$", r"nvme\1c*n\2", disk)
    found = host.run(f"ls -d /sys/block/{hidden}", check=False).stdout.split()
    return (found or [disk])[0].rsplit("/", 1)[1]


def test_as_with_the_stock_driver(host2: Host, vm3: VM) -> None:
    theirs = limits(host2, path_of(host2, stock_disk(host2, OTHER)))
    assert len(theirs) > 8
    assert limits(vm3.remote, vm3.disk.removeprefix("/dev/")) == theirs


def test_discards_go_by_the_drives_own_unit(host2: Host, vm3: VM) -> None:
    """Which older kernels' own driver does not look at."""
    told = json.loads(host2.run(f"nvme id-ns --output-format=json {stock_disk(host2, OTHER)}").stdout)
    units = told["npdg"] + 1 if told["nsfeat"] & 0x30 else 1
    assert units > 1, "the emulated drive prefers none: the test is void"
    assert vm3.limit("discard_granularity") == units * vm3.limit("logical_block_size")
