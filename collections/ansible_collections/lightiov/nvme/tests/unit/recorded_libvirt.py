# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What libvirt answers, and what it has afterwards, call by call, as far as modules look at it.

recorded.json has what the real one did on a host of the lab, where this file runs as a program.
"""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from typing import Any

NAME = "liov-probe"
OTHER_UUID = "0d6c3a53-8f0e-4d6a-9c1f-0b7f3f1f2a55"
MARK = "urn:lightiov:nvme"
NETWORK = f"<network><name>{NAME}</name><ip address='192.168.199.1' netmask='255.255.255.0'><dhcp/></ip></network>"


def domain(memory: str = "<memory unit='MiB'>64</memory>", uuid: str = "", topology: str = "") -> str:
    ports = "".join(f"<controller type='pci' index='{index}' model='pcie-root-port'/>" for index in (1, 2))
    return (
        f"<domain type='kvm'><name>{NAME}</name>{uuid and f'<uuid>{uuid}</uuid>'}{memory}<vcpu>1</vcpu>"
        f"<metadata><lightiov:domain xmlns:lightiov='{MARK}' root='unmade'/></metadata>"
        f"<os><type arch='x86_64' machine='q35'>hvm</type></os>{topology}<devices>{ports}</devices></domain>"
    )


def hostdev(mdev: str) -> str:
    return (
        "<hostdev mode='subsystem' type='mdev' managed='no' model='vfio-pci'>"
        f"<source><address uuid='{mdev}'/></source><alias name='ua-lightiov-{mdev}'/></hostdev>"
    )


def host(number: int, name: str = "one", address: int = 1) -> str:
    return f"<host mac='52:54:00:00:00:{number:02x}' name='{name}' ip='192.168.199.{100 + address}'/>"


SIZES = ("memory", "currentMemory")
TWO_CORES = "<cpu><topology sockets='1' cores='2' threads='1'/></cpu>"
CURRENT = "<memory unit='MiB'>64</memory><currentMemory unit='MiB'>128</currentMemory>"
Call = Callable[[Any, Any, str], object]
# Each has the module libvirt, a connection, and the UUID of an mdev that is there.
CALLS: dict[str, Call] = {
    "look for a domain that is not there": lambda api, on, mdev: on.lookupByName(NAME),
    "define one with more cores than vCPUs": lambda api, on, mdev: on.defineXML(domain(topology=TWO_CORES)),
    "define one with more memory at first than at most": lambda api, on, mdev: on.defineXML(domain(CURRENT)),
    "define it": lambda api, on, mdev: on.defineXML(domain()),
    "define another of its name": lambda api, on, mdev: on.defineXML(domain(uuid=OTHER_UUID)),
    "mark it": lambda api, on, mdev: on.lookupByName(NAME).setMetadata(
        api.VIR_DOMAIN_METADATA_ELEMENT, "<domain root='made'/>", "lightiov", MARK, api.VIR_DOMAIN_AFFECT_CONFIG
    ),
    "have it start with its host": lambda api, on, mdev: on.lookupByName(NAME).setAutostart(1),
    "give its definition an mdev": lambda api, on, mdev: attach(api, on, mdev, "CONFIG"),
    "give its definition that mdev again": lambda api, on, mdev: attach(api, on, mdev, "CONFIG"),
    "take it from its definition": lambda api, on, mdev: detach(api, on, mdev, "CONFIG"),
    "take it from its definition again": lambda api, on, mdev: detach(api, on, mdev, "CONFIG"),
    "take it from the domain while that is off": lambda api, on, mdev: detach(api, on, mdev, "LIVE"),
    "shut the domain down while it is off": lambda api, on, mdev: on.lookupByName(NAME).shutdown(),
    "start it": lambda api, on, mdev: on.lookupByName(NAME).create(),
    "start it while it runs": lambda api, on, mdev: on.lookupByName(NAME).create(),
    "take from it what it does not have": lambda api, on, mdev: detach(api, on, mdev, "LIVE"),
    "plug the mdev in": lambda api, on, mdev: attach(api, on, mdev, "LIVE"),
    "plug it in again": lambda api, on, mdev: attach(api, on, mdev, "LIVE"),
    "define it with other memory while it runs": lambda api, on, mdev: on.defineXML(
        domain("<memory unit='KiB'>131072</memory>", on.lookupByName(NAME).UUIDString())
    ),
    "have it start by hand": lambda api, on, mdev: on.lookupByName(NAME).setAutostart(0),
    "look for a network that is not there": lambda api, on, mdev: on.networkLookupByName(f"{NAME}-2"),
    "have the network keep an address": lambda api, on, mdev: lease(api, on, "ADD_LAST", host(1), "CONFIG"),
    "have it lease one while it is off": lambda api, on, mdev: lease(api, on, "ADD_LAST", host(2, "two", 2), "LIVE"),
    "start the network": lambda api, on, mdev: on.networkLookupByName(NAME).create(),
    "have the network start with its host": lambda api, on, mdev: on.networkLookupByName(NAME).setAutostart(1),
    "lease another address": lambda api, on, mdev: lease(api, on, "ADD_LAST", host(2, "two", 2), "LIVE", "CONFIG"),
    "lease a MAC's second address": lambda api, on, mdev: lease(api, on, "ADD_LAST", host(1, "three", 3), "CONFIG"),
    "lease a name's second address": lambda api, on, mdev: lease(api, on, "ADD_LAST", host(3, "one", 3), "LIVE"),
    "lease an address twice": lambda api, on, mdev: lease(api, on, "ADD_LAST", host(3, "three", 1), "CONFIG"),
    "take a lease away": lambda api, on, mdev: lease(api, on, "DELETE", host(2, "two", 2), "LIVE", "CONFIG"),
    "take it away again": lambda api, on, mdev: lease(api, on, "DELETE", host(2, "two", 2), "CONFIG"),
    "take away one with another address": lambda api, on, mdev: lease(api, on, "DELETE", host(1, "one", 7), "CONFIG"),
}


def attach(api: Any, on: Any, mdev: str, scope: str) -> None:
    on.lookupByName(NAME).attachDeviceFlags(hostdev(mdev), getattr(api, f"VIR_DOMAIN_AFFECT_{scope}"))


def detach(api: Any, on: Any, mdev: str, scope: str) -> None:
    on.lookupByName(NAME).detachDeviceFlags(hostdev(mdev), getattr(api, f"VIR_DOMAIN_AFFECT_{scope}"))


def lease(api: Any, on: Any, command: str, xml: str, *scopes: str) -> None:
    on.networkLookupByName(NAME).update(
        getattr(api, f"VIR_NETWORK_UPDATE_COMMAND_{command}"),
        api.VIR_NETWORK_SECTION_IP_DHCP_HOST,
        -1,
        xml,
        sum(getattr(api, f"VIR_NETWORK_UPDATE_AFFECT_{scope}") for scope in scopes),
    )


def record(api: Any, on: Any, mdev: str) -> list[dict[str, Any]]:
    """Of each call the number of the error that it was refused with, or 0, and what there is afterwards."""
    found = []
    for call, make in CALLS.items():
        refused = 0
        try:
            make(api, on, mdev)
        except api.libvirtError as error:
            refused = error.get_error_code()
        left = json.loads(json.dumps(dict(seen(api, on))).replace(mdev, "@mdev@"))
        found.append({"call": call, "refused": refused, "left": left})
    return found


def seen(api: Any, on: Any) -> Iterator[tuple[str, Any]]:
    network = on.networkLookupByName(NAME)
    yield "network runs", bool(network.isActive())
    yield "network starts with its host", bool(network.autostart())
    for scope, flags in (("live", 0), ("config", api.VIR_NETWORK_XML_INACTIVE)):
        if scope == "config" or network.isActive():
            hosts = ET.fromstring(network.XMLDesc(flags)).iterfind("ip/dhcp/host")
            yield f"leases ({scope})", [dict(sorted(host.attrib.items())) for host in hosts]
    try:
        handle = on.lookupByName(NAME)
    except api.libvirtError:
        return
    yield "runs", bool(handle.isActive())
    yield "starts with its host", bool(handle.autostart())
    for scope, flags in (("live", 0), ("config", api.VIR_DOMAIN_XML_INACTIVE)):
        if scope == "config" or handle.isActive():
            tree = ET.fromstring(handle.XMLDesc(flags))
            yield (
                f"domain ({scope})",
                {
                    **{
                        name: f"{tree.findtext(name)} {tree.find(name).get('unit')}"
                        for name in ("memory", "currentMemory")
                    },
                    "mark": tree.find(f"metadata/{{{MARK}}}domain").get("root"),
                    "mdevs": [device.get("uuid") for device in tree.iterfind("devices/hostdev/source/address")],
                    "aliases": [device.get("name") for device in tree.iterfind("devices/hostdev/alias")],
                },
            )


def main(mdev: str) -> None:
    """On a host: prints the record."""
    import libvirt  # noqa: PLC0415 - where unit tests run there is none

    libvirt.registerErrorHandler(lambda context, error: None, None)
    on = libvirt.open("qemu:///system")
    network = on.networkDefineXML(NETWORK)
    try:
        print(json.dumps(record(libvirt, on, mdev)))
    finally:
        for left in [*(one for one in on.listAllDomains() if one.name() == NAME), network]:
            if left.isActive():
                left.destroy()
            left.undefine()


if __name__ == "__main__":
    main(*sys.argv[1:])
