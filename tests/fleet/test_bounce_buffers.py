# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM that copies all data of devices through bounce buffers (`swiotlb=force`): they are small, and requests fit."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from extents import come_and_go_during_resets, extents_of
from fleet import VM

GRUB = "/boot/grub/grub.cfg"
LARGEST = 256 << 10  # bytes: what one mapping of bounce buffers may have, in any kernel


@pytest.fixture(scope="module")
def bouncing(vm3: VM) -> Iterator[None]:
    vm3.remote.run(f"sed -i '/^linux /s/$/ swiotlb=force/' {GRUB} && sync")
    vm3.restart()
    yield
    complaints = vm3.complaints
    vm3.remote.run(f"sed -i '/^linux /s/ swiotlb=force$//' {GRUB} && sync")
    vm3.restart()
    assert not complaints


@pytest.mark.slow
@pytest.mark.usefixtures("bouncing")
def test_large_requests(vm3: VM) -> None:
    assert "swiotlb=force" in vm3.remote.run("cat /proc/cmdline").stdout
    assert vm3.limit("max_hw_sectors_kb") << 10 <= LARGEST
    vm3.fio("--name=large", "--rw=randwrite", "--bs=2m", "--iodepth=4", "--size=32m", "--verify=crc32c",
            "--verify_fatal=1")  # fmt: skip
    # One buffer after the other, most of them not at the beginning of a page: what bounces keeps its place in the page.
    vm3.fio("--name=odd", "--rw=randwrite", "--bs=5632", "--iodepth=4", "--size=4m", "--verify=crc32c",
            "--verify_fatal=1")  # fmt: skip
    vm3.remote.run(f"blkdiscard -o 0 -l 1048576 {vm3.disk} && blkdiscard -z -o 0 -l 1048576 {vm3.disk}")
    # What hangs would keep the driver from letting go.
    vm3.bind(vm3.unbind())


@pytest.mark.slow
@pytest.mark.usefixtures("bouncing")
def test_disks_come_while_the_device_starts_anew(vm3: VM) -> None:
    """Their limits ask how much bounces, for which the kernel looks at what a start replaces."""
    with extents_of(vm3) as extent_of:
        come_and_go_during_resets(vm3, extent_of(0))
