# SPDX-License-Identifier: GPL-3.0-or-later
"""The pure parts of the emulator's build: what names it in the cache."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import patched_qemu, qemu
from lab.emulator import Emulator
from lab.images import ImageSet
from lab.spec import host_spec

# QEMU's name of a device, and the switch that builds it.
DEVICES = {
    "intel-iommu": "VTD",
    "nvme": "NVME_PCI",
    "nvme-ns": "NVME_PCI",
    "nvme-subsys": "NVME_PCI",
    "pcie-root-port": "PCIE_PORT",
    "pxb-pcie": "PXB",
    "virtio-blk-pci": "VIRTIO_BLK",
    "virtio-net-pci": "VIRTIO_NET",
}


@pytest.mark.parametrize("input", [*patched_qemu.PATCHES, patched_qemu.DEVICES], ids=lambda path: path.name)
def test_another_input_is_another_emulator(input: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = patched_qemu.root()
    assert patched_qemu.root() == before
    changed = tmp_path / "changed"
    changed.write_text(input.read_text() + "\n")
    patches = tuple(changed if patch == input else patch for patch in patched_qemu.PATCHES)
    monkeypatch.setattr(patched_qemu, "PATCHES", patches)
    monkeypatch.setattr(patched_qemu, "DEVICES", changed if input == patched_qemu.DEVICES else patched_qemu.DEVICES)
    assert patched_qemu.root() != before


@pytest.mark.parametrize("name", ["host1", "host4"])
def test_the_emulator_has_the_devices_of_the_machine(name: str) -> None:
    command = qemu.command(host_spec(name), Emulator(Path("/e")), ImageSet(Path("/i")), ssh_port=2222)
    devices = [after for word, after in zip(command, command[1:], strict=False) if word == "-device"]
    names = {device.split('"')[3] if device.startswith("{") else device.split(",")[0] for device in devices}
    built = patched_qemu.DEVICES.read_text().split()
    assert {f"CONFIG_{DEVICES[name]}=y" for name in names} <= set(built)
