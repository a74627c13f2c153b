# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import uuid
import xml.etree.ElementTree as ET

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils import _libvirt_xml
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from hypothesis import given
from hypothesis import strategies as st

U1 = "11111111-96c4-5fd1-bb5e-0c0a2e6c8a55"
U2 = "22222222-96c4-5fd1-bb5e-0c0a2e6c8a55"

# The host devices of a domain as libvirt 11 writes them, filled in.
DOMAIN = f"""\
<domain type='kvm' id='3' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>vm1</name>
  <uuid>{U2}</uuid>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <controller type='pci' index='1' model='pcie-root-port'>
      <model name='pcie-root-port'/>
      <target chassis='1' port='0x10'/>
      <address type='pci' domain='0x0000' bus='0x00' slot='0x02' function='0x0' multifunction='on'/>
    </controller>
    <hostdev mode='subsystem' type='pci' managed='yes'>
      <driver name='vfio'/>
      <source>
        <address domain='0x0000' bus='0x02' slot='0x00' function='0x0'/>
      </source>
      <alias name='hostdev0'/>
      <address type='pci' domain='0x0000' bus='0x05' slot='0x00' function='0x0'/>
    </hostdev>
    <hostdev mode='subsystem' type='mdev' managed='no' model='vfio-pci' display='off'>
      <source>
        <address uuid='{U1}'/>
      </source>
      <alias name='ua-lightiov-{U1}'/>
      <address type='pci' domain='0x0000' bus='0x06' slot='0x00' function='0x0'/>
    </hostdev>
    <hostdev mode='subsystem' type='mdev' managed='no' model='vfio-ap'>
      <source>
        <address uuid='{U2.upper()}'/>
      </source>
    </hostdev>
    <hostdev mode='capabilities' type='storage'>
      <source><block>/dev/sdf1</block></source>
    </hostdev>
  </devices>
</domain>
"""


def test_mdevs_only_and_in_order() -> None:
    assert _libvirt_xml.mdevs(DOMAIN) == {U1: f"ua-lightiov-{U1}", U2: ""}


def test_a_domain_without_host_devices() -> None:
    assert _libvirt_xml.mdevs("<domain><devices/></domain>") == {}
    assert _libvirt_xml.mdevs("<domain/>") == {}


def test_unreadable_xml() -> None:
    with pytest.raises(LightiovError, match="cannot be read"):
        _libvirt_xml.mdevs("<domain>")


def test_the_element_is_what_libvirt_documents() -> None:
    element = ET.fromstring(_libvirt_xml.hostdev(U1))
    assert element.attrib == {"mode": "subsystem", "type": "mdev", "managed": "no", "model": "vfio-pci"}
    assert element.find("source/address").attrib == {"uuid": U1}
    assert element.find("alias").attrib == {"name": f"ua-lightiov-{U1}"}
    assert _libvirt_xml.is_marked(f"ua-lightiov-{U1}")


@pytest.mark.parametrize("alias", ["", "hostdev0", "ua-mine", "lightiov"])
def test_aliases_of_others(alias: str) -> None:
    assert not _libvirt_xml.is_marked(alias)


@given(st.lists(st.uuids().map(str), unique=True, max_size=6))
def test_what_is_written_is_read(uuids: list[str]) -> None:
    devices = "".join(map(_libvirt_xml.hostdev, uuids))
    found = _libvirt_xml.mdevs(f"<domain><devices>{devices}</devices></domain>")
    assert list(found) == uuids
    assert all(map(_libvirt_xml.is_marked, found.values()))


def test_uuids_are_compared_in_one_spelling() -> None:
    made = str(uuid.UUID(U1))
    assert made in _libvirt_xml.mdevs(DOMAIN.replace(U1, U1.upper()))


def test_a_definition_is_read_once_for_its_macs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each VM that comes is held against all that are there."""
    read: list[str] = []

    def parse(text: str) -> ET.Element:
        read.append(text)
        return ET.fromstring(text)

    monkeypatch.setattr(_libvirt_xml, "parse", parse)
    xml = "<domain><devices><interface><mac address='52:54:00:00:00:AA'/></interface></devices></domain>"
    assert [_libvirt_xml.macs(xml) for _vm in range(3)] == [{"52:54:00:00:00:aa"}] * 3
    assert read == [xml]
