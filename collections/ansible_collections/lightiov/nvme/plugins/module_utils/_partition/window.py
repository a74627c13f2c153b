# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a VM's memory takes of the I/O virtual addresses of each controller that it has disks on; memory in MiB."""

from __future__ import annotations

# Of QEMU's q35: a VM with less than this has all of it below 4 GiB, one with more all but 2 GiB above.
SPLIT = 2816
HOLE = 2048
# What the host module gives at least (native/host/controller.h).
GRANULE = 1024


def window(memory: int) -> int:
    """Bytes up to the end of its memory, as the host module rounds them (native/host/memory.c)."""
    end = memory if memory < SPLIT else memory + HOLE
    return 1 << (max(end, GRANULE) - 1).bit_length() + 20


def most_memory(free: int) -> int:
    """That whose window is no larger than this."""
    largest = 1 << (free >> 20).bit_length() - 1 if free >= GRANULE << 20 else 0
    return max(min(largest, SPLIT - 1), largest - HOLE)
