# SPDX-License-Identifier: GPL-3.0-or-later
"""The host module's table of drives that are not what they say is that of Linux's own driver, as far as it concerns it.

Both are read from what was compiled of them.
"""

from __future__ import annotations

import lzma
import struct
import subprocess
from pathlib import Path

import pytest

from lab import Host

# vendor, device, their subsystem's, class and its mask, driver_data, override_only, padding
ENTRY = struct.Struct("=6IQI4x")
# Bits of NVME_QUIRK_*, and those of LIOV_QUIRK_* for the same: drivers/nvme/host/nvme.h, controller.h.
SAME = {9: 0, 18: 1, 15: 2, 3: 3, 0: 4}
# QEMU's, whose identities are what its command line says.
LEFT_OUT = {(0x1B36, 0x0010)}


def table(module: Path, name: str) -> dict[tuple[int, int], int]:
    """The driver's word for each vendor and device; what comes first counts."""
    symbols = subprocess.run(["objdump", "--syms", module], capture_output=True, text=True, check=True).stdout
    fields = next(line.split() for line in symbols.splitlines() if line.endswith(f" {name}"))
    start, section, size = int(fields[0], 16), fields[-3], int(fields[-2], 16)
    data = module.with_suffix(".section")
    subprocess.run(["objcopy", "--output-target=binary", f"--only-section={section}", module, data], check=True)
    found: dict[tuple[int, int], int] = {}
    for vendor, device, *_, word, _ in ENTRY.iter_unpack(data.read_bytes()[start : start + size]):
        found.setdefault((vendor, device), word)
    return found


def translated(word: int) -> int:
    return sum(1 << ours for linux, ours in SAME.items() if word >> linux & 1)


def test_drives_are_known_as_linux_knows_them(host: Host, module: Path, tmp_path: Path) -> None:
    packed = "/lib/modules/$(uname -r)/kernel/drivers/nvme/host/nvme.ko.xz"
    if host.run(f"test -e {packed}", check=False).returncode != 0:
        pytest.skip("this kernel has the driver built in")
    stock = tmp_path / "nvme.ko"
    stock.write_bytes(lzma.decompress(bytes.fromhex(host.run(f"od -An -v -tx1 {packed}").stdout)))
    linux = {drive: translated(word) for drive, word in table(stock, "nvme_id_table").items()}
    own = tmp_path / "own.ko"
    own.write_bytes(module.read_bytes())
    ours = {drive: word for drive, word in table(own, "liov_quirky_drives").items() if word}
    assert ours == {drive: word for drive, word in linux.items() if word and drive not in LEFT_OUT}
