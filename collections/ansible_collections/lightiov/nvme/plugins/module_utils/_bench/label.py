# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first block of a drive that was given to the benchmark: it says so, and has one partition, on which all is done.

A namespace without it is only taken if it is blank.
"""

from __future__ import annotations

import struct

MARK = b"LightIOV benchmark: all that is on this drive may be overwritten"
# Of a partition table as PCs have had it for decades, which every kernel knows.
TABLE = 446
SIGNATURE = b"\x55\xaa"
LINUX = 0x83
ALIGNMENT = 1 << 20
MOST_BLOCKS = (1 << 32) - 1
FILLED = 128


def first_block(size: int, block_size: int, filled: bool) -> bytes:
    """For a partition that begins at 1 MiB and has this size in bytes."""
    start, count = ALIGNMENT // block_size, min(size // block_size, MOST_BLOCKS)
    entry = struct.pack("<B3sB3sII", 0, b"\xfe\xff\xff", LINUX, b"\xfe\xff\xff", start, count)
    block = bytearray(block_size)
    block[: len(MARK)] = MARK
    block[FILLED] = filled
    block[TABLE : TABLE + len(entry)] = entry
    block[510:512] = SIGNATURE
    return bytes(block)


def is_ours(block: bytes) -> bool:
    return block.startswith(MARK) and block[510:512] == SIGNATURE


def is_filled(block: bytes, size: int, block_size: int) -> bool:
    """Whether the partition has this size, and every block of it was written once."""
    return block[:block_size] == first_block(size, block_size, filled=True)
