# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt with the part of its API that is used: it answers as libvirt 11.3 with QEMU 10.0 was recorded to answer."""

from __future__ import annotations

import json
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from copy import deepcopy
from math import prod
from typing import Any

LIVE, CONFIG = 1, 2
SECURE = 1  # of XMLDesc
RUNNING, PAUSED, SHUTOFF, ASLEEP = 1, 3, 5, 7
MARK = "urn:lightiov:nvme"


class LibvirtError(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code

    def get_error_message(self) -> str:
        return str(self)

    def get_error_code(self) -> int:
        return self.code


class Busy(LibvirtError):
    """What QEMU says while the guest still plugs in what it is to give back."""

    def __init__(self, why: str = "Hot-unplug failed: guest is busy (power indicator blinking)") -> None:
        super().__init__(1, f"internal error: unable to execute QEMU command 'device_del': {why}")


def mdev_of(xml: str) -> str:
    return ET.fromstring(xml).find("source/address").get("uuid")


class FakeDomain:
    """A virDomain. `requests` says what comes of each request to unplug, an error or nothing; then the device goes."""

    def __init__(
        self, name: str, *devices: str, active: bool = False, disk: str = "", mac: str = "", network: str = "default"
    ) -> None:
        disk_xml = f"<disk type='file' device='disk'><source file='{disk}'/></disk>" if disk else ""
        nic = (
            f"<interface type='network'><mac address='{mac}'/><source network='{network}'/></interface>" if mac else ""
        )
        self.config = ET.fromstring(
            f"<domain><name>{name}</name><uuid>{uuid.uuid5(uuid.NAMESPACE_DNS, name)}</uuid>"
            "<memory unit='KiB'>524288</memory><currentMemory unit='KiB'>524288</currentMemory>"
            "<vcpu placement='static'>2</vcpu>"
            f"<devices>{disk_xml}{nic}{''.join(devices)}</devices></domain>"
        )
        self.live = deepcopy(self.config)
        self.status = RUNNING if active else SHUTOFF
        self.starts_with_host = False
        self.vanished = False
        self.ports = 8
        self.requests: list[LibvirtError | None] = []
        self.holds = False  # whatever it is asked for
        self.deaf = 0  # requests to shut down that the guest does not hear
        self.connection: FakeConnection | None = None
        self.calls: list[str] = []

    def _answer(self) -> None:
        if self.vanished:
            name = self.config.findtext("name")
            raise LibvirtError(42, f"Domain not found: no domain with matching uuid '{self.UUIDString()}' ({name})")

    def name(self) -> str:
        return self.config.findtext("name")

    def UUIDString(self) -> str:
        return self.config.findtext("uuid")

    def state(self) -> list[int]:
        self._answer()
        return [self.status, 0]

    def isActive(self) -> int:
        self._answer()
        return int(self.status != SHUTOFF)

    def isPersistent(self) -> int:
        self._answer()
        return 1

    def autostart(self) -> int:
        self._answer()
        return int(self.starts_with_host)

    def setAutostart(self, on: int) -> None:
        self._answer()
        self.starts_with_host = bool(on)
        self.calls.append(f"autostart {on}")

    def XMLDesc(self, flags: int) -> str:
        self._answer()
        tree = deepcopy(self._tree(CONFIG if flags & CONFIG or not self.isActive() else LIVE))
        if not flags & SECURE:
            for graphics in tree.iterfind("devices/graphics"):
                graphics.attrib.pop("passwd", None)
        return ET.tostring(tree, encoding="unicode")

    def _tree(self, scope: int) -> ET.Element:
        return self.live if scope == LIVE else self.config

    def attachDeviceFlags(self, xml: str, flags: int) -> None:
        self._answer()
        devices = self._tree(flags).find("devices")
        if mdev_of(xml) in self.has(flags):
            raise LibvirtError(67, "unsupported configuration: mediated device is already in the domain configuration")
        if flags == LIVE and len(devices) >= self.ports:
            raise LibvirtError(1, "internal error: No more available PCI slots")
        devices.append(ET.fromstring(xml))

    def detachDeviceFlags(self, xml: str, flags: int) -> None:
        self._answer()
        if flags == LIVE and self.status == SHUTOFF:
            raise LibvirtError(55, "Requested operation is not valid: domain is not running")
        devices = self._tree(flags).find("devices")
        for device in devices.findall("hostdev"):
            if device.find("source/address").get("uuid") == mdev_of(xml):
                break
        else:
            where = f"mediated device '{mdev_of(xml)}' not found"
            raise LibvirtError(
                99, f"device not found: {where if flags == LIVE else 'device not present in domain configuration'}"
            )
        if flags == LIVE and self.holds:
            return
        if flags == LIVE and self.requests:
            answer = self.requests.pop(0)
            if answer:
                raise answer
            return
        devices.remove(device)

    def has(self, scope: int) -> list[str]:
        return [address.get("uuid") for address in self._tree(scope).iterfind("devices/hostdev/source/address")]

    def create(self) -> None:
        self._answer()
        if self.status != SHUTOFF:
            raise LibvirtError(55, "Requested operation is not valid: domain is already running")
        self.live = deepcopy(self.config)
        self.status = RUNNING
        self.calls.append("start")

    def resume(self) -> None:
        self.status = RUNNING
        self.calls.append("resume")

    def pMWakeup(self, flags: int) -> None:
        self.status = RUNNING
        self.calls.append("wake")

    def shutdown(self) -> None:
        self._answer()
        if self.status in (SHUTOFF, ASLEEP):
            raise LibvirtError(55, "Requested operation is not valid: domain is not running")
        self.calls.append("shutdown")
        if self.deaf:
            self.deaf -= 1
        else:
            self.status = SHUTOFF

    def undefineFlags(self, flags: int) -> None:
        self._answer()
        self.calls.append(f"undefine {flags}")
        self.connection.domains.remove(self)
        self.vanished = True

    def setMetadata(self, kind: int, xml: str, prefix: str, uri: str, flags: int) -> None:
        self._answer()
        assert (kind, uri, flags) == (2, MARK, CONFIG)
        [old] = self.config.findall(f"metadata/{{{uri}}}domain")
        # It takes the old one's place.
        old.attrib.clear()
        old.attrib.update(ET.fromstring(xml).attrib)


class FakeNetwork:
    """A virNetwork that leases addresses."""

    def __init__(self, name: str = "default", *hosts: str, active: bool = True, autostart: bool = True) -> None:
        self._name = name
        self._active = active
        self._autostart = autostart
        self.hosts = {LIVE: [ET.fromstring(host) for host in hosts], CONFIG: [ET.fromstring(host) for host in hosts]}

    def isActive(self) -> int:
        return int(self._active)

    def isPersistent(self) -> int:
        return 1

    def autostart(self) -> int:
        return int(self._autostart)

    def create(self) -> None:
        self._active = True
        self.hosts[LIVE] = list(self.hosts[CONFIG])

    def setAutostart(self, on: int) -> None:
        self._autostart = bool(on)

    def XMLDesc(self, flags: int) -> str:
        hosts = "".join(ET.tostring(host, encoding="unicode") for host in self.hosts[CONFIG if flags == 1 else LIVE])
        return f"<network><name>{self._name}</name><ip address='192.168.122.1'><dhcp>{hosts}</dhcp></ip></network>"

    def leases(self, scope: int = CONFIG) -> list[tuple[str, str, str]]:
        return [(host.get("mac"), host.get("name"), host.get("ip")) for host in self.hosts[scope]]

    def update(self, command: int, section: int, index: int, xml: str, flags: int) -> None:
        assert (section, index) == (4, -1)
        if flags & LIVE and not self._active:
            raise LibvirtError(55, "Requested operation is not valid: network is not running")
        given = ET.fromstring(xml)
        for scope in (LIVE, CONFIG):
            if flags & scope:
                self._update(command, given, self.hosts[scope])

    def _update(self, command: int, given: ET.Element, hosts: list[ET.Element]) -> None:
        def same(host: ET.Element) -> list[bool]:
            return [host.get(key) == value for key, value in given.attrib.items()]

        if command == 3:
            if any(any(same(host)) for host in hosts):
                text = ET.tostring(given, encoding="unicode")
                raise LibvirtError(
                    55,
                    "Requested operation is not valid: there is an existing dhcp host entry in network "
                    f"'{self._name}' that matches \"{text}\"",
                )
            hosts.append(given)
            return
        assert command == 2, "modify takes the first that has any of MAC, name and address"
        for host in hosts:
            if all(same(host)):
                hosts.remove(host)
                return
        raise LibvirtError(
            55,
            f"Requested operation is not valid: couldn't locate a matching dhcp host entry in network '{self._name}'",
        )


def _fill_in_size(domain: ET.Element) -> None:
    topology = domain.find("cpu/topology")
    if topology is not None and prod(map(int, topology.attrib.values())) != int(domain.findtext("vcpu")):
        raise LibvirtError(67, "unsupported configuration: CPU topology doesn't match maximum vcpu count")
    memory = domain.find("memory")
    if memory is None:
        memory = ET.SubElement(domain, "memory")
    cells = [int(cell.get("memory")) for cell in domain.iterfind("cpu/numa/cell")]
    kib = sum(cells) or _in_kib(memory)
    current = domain.find("currentMemory")
    if current is None:
        current = ET.SubElement(domain, "currentMemory")
        current.text = str(kib)
    current.text = str(min(_in_kib(current), kib))
    memory.text = str(kib)
    for element in (memory, current):
        element.set("unit", "KiB")


def _in_kib(size: ET.Element) -> int:
    return int(size.text or 0) * {"KiB": 1, "MiB": 1 << 10, "GiB": 1 << 20}[size.get("unit", "KiB")]


class FakeConnection:
    """A virConnect with its domains and networks."""

    def __init__(self) -> None:
        self.domains: list[FakeDomain] = []
        self.networks = {"default": FakeNetwork()}

    @classmethod
    def of(cls, text: str) -> FakeConnection:
        """From what `text` says: definitions, what runs and leases; not what a guest does with requests."""
        connection = cls()
        told = json.loads(text)
        for name, (config, live, status, autostart) in told["domains"].items():
            domain = FakeDomain(name)
            domain.config, domain.live = ET.fromstring(config), ET.fromstring(live)
            domain.status, domain.starts_with_host = status, autostart
            connection.add(domain)
        for scope, hosts in told["leases"].items():
            connection.networks["default"].hosts[int(scope)] = [ET.fromstring(host) for host in hosts]
        return connection

    def text(self) -> str:
        def xml(element: ET.Element) -> str:
            return ET.tostring(element, encoding="unicode")

        return json.dumps(
            {
                "domains": {
                    one.name(): [xml(one.config), xml(one.live), one.status, one.starts_with_host]
                    for one in sorted(self.domains, key=FakeDomain.name)
                },
                "leases": {scope: sorted(map(xml, hosts)) for scope, hosts in self.networks["default"].hosts.items()},
            }
        )

    def add(self, *domains: FakeDomain) -> None:
        for domain in domains:
            domain.connection = self
            self.domains.append(domain)

    def names(self) -> list[str]:
        return [domain.name() for domain in self.domains]

    def listAllDomains(self) -> Iterable[FakeDomain]:
        return list(self.domains)

    def lookupByName(self, name: str) -> FakeDomain:
        for domain in self.domains:
            if domain.name() == name:
                return domain
        raise LibvirtError(42, f"Domain not found: no domain with matching name '{name}'")

    def networkLookupByName(self, name: str) -> FakeNetwork:
        if name not in self.networks:
            raise LibvirtError(43, f"Network not found: no network with matching name '{name}'")
        return self.networks[name]

    def defineXML(self, xml: str) -> FakeDomain:
        """One that runs goes on as it is. Memory comes out in KiB, and that of NUMA cells is the domain's."""
        config = ET.fromstring(xml)
        name = config.findtext("name")
        domain = next((one for one in self.domains if one.name() == name), None) or FakeDomain(name)
        if domain.connection and config.findtext("uuid") != domain.UUIDString():
            raise LibvirtError(9, f"operation failed: domain '{name}' already exists with uuid {domain.UUIDString()}")
        if config.find("uuid") is None:
            ET.SubElement(config, "uuid").text = domain.UUIDString()
        _fill_in_size(config)
        if not domain.connection:
            self.add(domain)
        domain.config = config
        return domain


class FakeLibvirt:
    """The module `libvirt`."""

    libvirtError = LibvirtError
    VIR_DOMAIN_AFFECT_LIVE = LIVE
    VIR_DOMAIN_AFFECT_CONFIG = CONFIG
    VIR_DOMAIN_XML_SECURE = SECURE
    VIR_DOMAIN_XML_INACTIVE = 2
    VIR_DOMAIN_METADATA_ELEMENT = 2
    VIR_DOMAIN_UNDEFINE_MANAGED_SAVE = 1
    VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA = 2
    VIR_DOMAIN_UNDEFINE_NVRAM = 4
    VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA = 16
    VIR_NETWORK_XML_INACTIVE = 1
    VIR_NETWORK_SECTION_IP_DHCP_HOST = 4
    VIR_NETWORK_UPDATE_COMMAND_MODIFY = 1
    VIR_NETWORK_UPDATE_COMMAND_DELETE = 2
    VIR_NETWORK_UPDATE_COMMAND_ADD_LAST = 3
    VIR_NETWORK_UPDATE_AFFECT_LIVE = LIVE
    VIR_NETWORK_UPDATE_AFFECT_CONFIG = CONFIG
    VIR_ERR_NO_DOMAIN = 42
    VIR_ERR_NO_NETWORK = 43
    VIR_ERR_DEVICE_MISSING = 99

    def __init__(self, connection: FakeConnection) -> None:
        self.connection = connection

    def registerErrorHandler(self, handler: Any, context: Any) -> None:
        pass

    def open(self, uri: str) -> FakeConnection:
        return self.connection
