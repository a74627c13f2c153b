# SPDX-License-Identifier: GPL-3.0-or-later
"""What `make bench-starts` exchanges in a VM, and what it makes of the times."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from bench.starts import VIRTIO_DISK, Starts, mdevs, table, with_device

DEFINITION = """
<domain type="kvm">
  <name>web</name>
  <devices>
    <disk type="file" device="disk"><target dev="vda" bus="virtio"/></disk>
    <hostdev mode="subsystem" type="mdev"><source><address uuid="a"/></source></hostdev>
    <hostdev mode="subsystem" type="pci"/>
  </devices>
</domain>
"""


def test_one_device_is_exchanged_and_nothing_else() -> None:
    exchanged = ElementTree.fromstring(with_device(DEFINITION, VIRTIO_DISK))
    assert [one.get("dev") for one in exchanged.findall("devices/disk/target")] == ["vda", "vdz"]
    assert [one.get("type") for one in exchanged.findall("devices/hostdev")] == ["pci"]
    assert exchanged.findtext("name") == "web"


def test_a_device_in_its_own_place_is_the_vm_as_it_was() -> None:
    [hostdev] = mdevs(DEFINITION)
    again = with_device(DEFINITION, ElementTree.tostring(hostdev, encoding="unicode"))
    assert [one.find("source/address").get("uuid") for one in mdevs(again)] == ["a"]


def test_two_mediated_devices_are_not_exchanged() -> None:
    hostdev = ElementTree.tostring(mdevs(DEFINITION)[0], encoding="unicode")
    with pytest.raises(ValueError, match="too many values"):
        with_device(DEFINITION.replace("</devices>", f"{hostdev}</devices>"), VIRTIO_DISK)


def test_ratios_are_of_rounds() -> None:
    ours = Starts(disk=[2.0, 6.0, 4.0], login=[1.0] * 3, plug=[0.5] * 3)
    theirs = Starts(disk=[1.0, 6.0, 8.0], login=[1.0] * 3, plug=[1.0] * 3)
    _, disk, _, plug = table({"LightIOV": ours, "virtio-blk": theirs})
    *times, ratio = re.findall(r"\S+ \(.*?\)", disk)
    assert times == ["4.00 (2.00 to 6.00)", "6.00 (1.00 to 8.00)"] and ratio == "1.00 (0.50 to 2.00 of 3)"
    assert plug.endswith("0.50 (0.50 to 0.50 of 3)")
