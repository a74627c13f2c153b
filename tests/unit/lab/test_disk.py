# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks made without mounting them."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pytest

from lab import disk

MIB = 1 << 20


def test_the_partition_table() -> None:
    table = disk.partition_table(start=2048, sectors=1000)
    assert len(table) == 512 - disk.BOOT_CODE
    assert table[-2:] == b"\x55\xaa"
    active, kind = table[6], table[10]
    assert (active, kind) == (0x80, disk.LINUX)
    assert struct.unpack_from("<II", table, 14) == (2048, 1000)


def test_a_bootable_disk(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "boot").mkdir(parents=True)
    (tree / "boot/kernel").write_text("a kernel\n")
    image = tmp_path / "disk.raw"
    offset = disk.PARTITION_START * disk.SECTOR
    disk.make_ext4(tree, image, 16 * MIB, "guest-root", offset)
    disk.make_bootable(image, boot_img=b"B" * 512, core_img=b"C" * 1000)

    with image.open("rb") as handle:
        head = handle.read(3 * disk.SECTOR)
    assert head[: disk.BOOT_CODE] == b"B" * disk.BOOT_CODE
    assert head[disk.SECTOR : disk.SECTOR + 1000] == b"C" * 1000
    assert image.stat().st_size == offset + 16 * MIB
    filesystem = f"{image}?offset={offset}"
    shown = subprocess.run(
        ["debugfs", "-R", "cat /boot/kernel", filesystem], check=True, capture_output=True, text=True
    )
    assert shown.stdout == "a kernel\n"


def test_a_boot_loader_must_fit_before_the_partition(tmp_path: Path) -> None:
    image = tmp_path / "disk.raw"
    image.write_bytes(bytes(2 * MIB))
    with pytest.raises(ValueError, match="does not fit"):
        disk.make_bootable(image, b"", bytes(MIB))
