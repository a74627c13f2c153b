# SPDX-License-Identifier: GPL-3.0-or-later
"""Disk images from directory trees, without mounting anything."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

SECTOR = 512
PARTITION_START = 2048  # sectors; everybody aligns the first partition to 1 MiB
BOOT_CODE = 440  # bytes of boot.img that do not collide with the disk signature and the partition table
LINUX = 0x83


def make_ext4(tree: Path, image: Path, size: int, label: str, offset: int = 0) -> None:
    """A sparse file with an ext4 filesystem that holds `tree`, starting at byte `offset`."""
    with image.open("ab") as handle:
        handle.truncate(offset + size)
    subprocess.run(
        [
            "mke2fs", "-q", "-F", "-t", "ext4", "-L", label, "-d", str(tree),
            # No inode table is left for the kernel to initialise while measurements run.
            "-E", f"offset={offset},lazy_itable_init=0,lazy_journal_init=0", "-i", "32768", "-m", "0",
            str(image), f"{size // 1024}k",
        ],
        check=True, capture_output=True, text=True,
    )  # fmt: skip


def make_bootable(image: Path, boot_img: bytes, core_img: bytes) -> None:
    """Put GRUB for BIOS where its defaults look for it.

    boot.img loads the sector after the MBR, and the first sector of core.img loads the rest from the sectors after
    itself. So writing both to the gap before the first partition is all that grub-install would do.
    """
    if len(core_img) > (PARTITION_START - 1) * SECTOR:
        raise ValueError(f"core.img of {len(core_img)} bytes does not fit before the first partition")
    sectors = image.stat().st_size // SECTOR - PARTITION_START
    with image.open("r+b") as handle:
        handle.write(boot_img[:BOOT_CODE])
        handle.seek(BOOT_CODE)
        handle.write(partition_table(PARTITION_START, sectors))
        handle.write(core_img)


def partition_table(start: int, sectors: int, signature: int = 0x4C494F56) -> bytes:
    """The last 72 bytes of an MBR with one active Linux partition."""
    chs = b"\xfe\xff\xff"  # "use LBA"
    entry = struct.pack("<B3sB3sII", 0x80, chs, LINUX, chs, start, sectors)
    return struct.pack("<IH", signature, 0) + entry.ljust(64, b"\0") + b"\x55\xaa"
