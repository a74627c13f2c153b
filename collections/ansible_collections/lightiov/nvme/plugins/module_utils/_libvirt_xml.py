# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's XML of domains and networks, as pure functions."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError

# libvirt keeps an alias of its user only when it starts with "ua-".
ALIAS_PREFIX = "ua-lightiov-"
# The mark of a domain whose root disk the collection makes.
MARK = "urn:lightiov:nvme"
MARK_PREFIX = "lightiov"
# What it says of the root disk: that it is still to be made, or that it is whole. The version before wrote "filling"
# when it had found the disk blank, and not which disk that was: it counts as unmade, so that the disk is read again.
UNMADE, MADE = "unmade", "made"
# What helps where the operator's definition is wrong.
TEMPLATE = "correct the template that lightiov_vm_template names"
# Without it a q35 machine has ACPI's hot-plug of PCI devices, which QEMU and SeaBIOS do not restore after sleep (S3).
NATIVE_HOTPLUG = "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off"
# A prefix of any other name would be as good to libvirt, but not to who reads the XML.
QEMU = "http://libvirt.org/schemas/domain/qemu/1.0"
ET.register_namespace("qemu", QEMU)
ET.register_namespace(MARK_PREFIX, MARK)


@dataclass(frozen=True)
class Lease:
    """An address that a network keeps for one domain."""

    mac: str
    name: str
    address: str

    def __str__(self) -> str:
        return f"{self.address} {self.name} {self.mac}"

    def to_xml(self) -> str:
        given = {"mac": self.mac, "name": self.name, "ip": self.address}
        return ET.tostring(
            ET.Element("host", {key: value for key, value in given.items() if value}), encoding="unicode"
        )


def mdevs(domain_xml: str) -> dict[str, str]:
    """UUID and alias (empty if none) of each mdev host device, in the order of the XML."""
    found = {}
    for device in parse(domain_xml).iterfind("./devices/hostdev[@mode='subsystem'][@type='mdev']"):
        address = device.find("./source/address")
        alias = device.find("./alias")
        if address is not None and address.get("uuid"):
            found[address.get("uuid", "").lower()] = alias.get("name", "") if alias is not None else ""
    return found


def hostdev(uuid: str) -> str:
    """The element that gives a domain an mdev; libvirt fills in the guest's PCI address."""
    return ET.tostring(_hostdev(uuid), encoding="unicode")


def _hostdev(uuid: str) -> ET.Element:
    device = ET.Element("hostdev", mode="subsystem", type="mdev", managed="no", model="vfio-pci")
    ET.SubElement(ET.SubElement(device, "source"), "address", uuid=uuid)
    ET.SubElement(device, "alias", name=f"{ALIAS_PREFIX}{uuid}")
    return device


def is_marked(alias: str) -> bool:
    """Whether the collection added the host device."""
    return alias.startswith(ALIAS_PREFIX)


def files(domain_xml: str) -> set[str]:
    """Files that are disks of a domain."""
    sources = parse(domain_xml).iterfind("./devices/disk/source[@file]")
    return {source.get("file", "") for source in sources}


def keeps_devices_after_sleep(domain_xml: str) -> bool:
    """Whether it can sleep, and gives no device back from then on."""
    domain = parse(domain_xml)
    machine, sleep = domain.find("./os/type"), domain.find("./pm/suspend-to-mem")
    return (
        machine is not None
        and "q35" in machine.get("machine", "")
        and (sleep is None or sleep.get("enabled") != "no")
        and all(one.get("value") != NATIVE_HOTPLUG for one in domain.iterfind(f"./{{{QEMU}}}commandline/{{{QEMU}}}arg"))
    )


@cache
def macs(domain_xml: str) -> frozenset[str]:
    """MAC addresses of a domain. Every one that comes is held against all that are there, so each is read once."""
    found = parse(domain_xml).iterfind("./devices/interface/mac")
    return frozenset(mac.get("address", "").lower() for mac in found)


def mac_in(domain_xml: str, network: str) -> str:
    """MAC address of a domain's first interface in a network, empty if it has none there."""
    for interface in parse(domain_xml).iterfind("./devices/interface"):
        source, mac = interface.find("./source"), interface.find("./mac")
        if source is not None and mac is not None and source.get("network") == network:
            return mac.get("address", "").lower()
    return ""


def new_domain(name: str, template: str, uuids: Iterable[str], root: str, boot: Mapping[str, str] | None = None) -> str:
    """A domain's definition: the operator's, with the mdevs, what it boots from the host, and the mark."""
    try:
        domain = ET.fromstring(template)
    except ET.ParseError as error:
        raise LightiovError(f"The XML for domain {name} cannot be read, {error}: {TEMPLATE}") from error
    named = (domain.findtext("./name") or "").strip()
    devices = domain.find("./devices")
    if named != name or devices is None:
        raise LightiovError(
            f"The XML for domain {name} has the name {named!r} and {'no' if devices is None else 'its'} devices: "
            + TEMPLATE
        )
    devices.extend(_hostdev(uuid) for uuid in uuids)
    metadata = domain.find("./metadata")
    if metadata is None:
        metadata = ET.SubElement(domain, "metadata")
    ET.SubElement(metadata, f"{{{MARK}}}domain", root=root)
    if boot:
        system = domain.find("./os")
        if system is None:
            system = ET.SubElement(domain, "os")
        for element, key in (("kernel", "kernel"), ("initrd", "initrd"), ("cmdline", "arguments")):
            ET.SubElement(system, element).text = boot[key]
    return ET.tostring(domain, encoding="unicode")


def mark(root: str, blank: str = "") -> str:
    """The mark, as libvirt takes it for itself; `blank` is what was found blank and is being filled."""
    return ET.tostring(ET.Element("domain", {"root": root, **({"blank": blank} if blank else {})}), encoding="unicode")


def root_mark(domain_xml: str) -> tuple[bool, str]:
    """How far the run came that defined the domain, with its root disk: whether that is whole, and what was found
    blank."""
    found = parse(domain_xml).find(f"./metadata/{{{MARK}}}domain")
    return (True, "") if found is None else (found.get("root", MADE) == MADE, found.get("blank", ""))


def leases(network_xml: str) -> list[Lease]:
    """What a network keeps for its hosts."""
    return [
        Lease(host.get("mac", "").lower(), host.get("name", ""), host.get("ip", ""))
        for host in parse(network_xml).iterfind("./ip/dhcp/host")
    ]


def own_addresses(network_xml: str) -> list[str]:
    """Those of the host itself in a network."""
    return [address for ip in parse(network_xml).iterfind("./ip") if (address := ip.get("address"))]


def parse(text: str) -> ET.Element:
    """What libvirt says of a domain or network, as a tree."""
    try:
        return ET.fromstring(text)
    except ET.ParseError as error:
        name = re.search(r"<name>(.*?)</name>", text)
        raise LightiovError(
            f"libvirt's XML of {name[1] if name else 'a domain'} cannot be read, {error}: see the log of libvirtd"
        ) from error
