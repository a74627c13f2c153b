# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Host devices of mdevs in libvirt's domain XML, as pure functions."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError

# libvirt keeps an alias of its user only when it starts with "ua-".
ALIAS_PREFIX = "ua-lightiov-"


def mdevs(domain_xml: str) -> dict[str, str]:
    """UUID and alias (empty if none) of each mdev host device, in the order of the XML."""
    try:
        domain = ET.fromstring(domain_xml)
    except ET.ParseError as error:
        raise LightiovError(f"libvirt's XML of a domain cannot be read, {error}: see the log of libvirtd") from error
    found = {}
    for device in domain.iterfind("./devices/hostdev[@mode='subsystem'][@type='mdev']"):
        address = device.find("./source/address")
        alias = device.find("./alias")
        if address is not None and address.get("uuid"):
            found[address.get("uuid", "").lower()] = alias.get("name", "") if alias is not None else ""
    return found


def hostdev(uuid: str) -> str:
    """The element that gives a domain an mdev; libvirt fills in the guest's PCI address."""
    device = ET.Element("hostdev", mode="subsystem", type="mdev", managed="no", model="vfio-pci")
    ET.SubElement(ET.SubElement(device, "source"), "address", uuid=uuid)
    ET.SubElement(device, "alias", name=f"{ALIAS_PREFIX}{uuid}")
    return ET.tostring(device, encoding="unicode")


def is_marked(alias: str) -> bool:
    """Whether the collection added the host device."""
    return alias.startswith(ALIAS_PREFIX)
