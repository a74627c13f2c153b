# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory and vCPUs in libvirt's XML of a domain, as pure functions."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
from dataclasses import asdict, dataclass, replace
from math import prod

from ansible_collections.lightiov.nvme.plugins.module_utils import _libvirt_xml
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError

# libvirt writes KiB, and reads all of these in any case.
UNITS = {"b": 1, "bytes": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
UNITS |= {f"{letter}ib": UNITS[letter] for letter in "kmgt"}
UNITS |= {f"{letter}b": 1000**power for power, letter in enumerate("kmgt", 1)}
TOPOLOGY = ("sockets", "dies", "clusters", "cores", "threads")
# Prefixes that ElementTree makes itself.
MADE_UP = re.compile(r"(ns\d+)?")


@dataclass(frozen=True)
class Size:
    """What a domain starts with; memory that is plugged in is not counted."""

    memory_mib: int
    vcpus: int

    @classmethod
    def of(cls, domain_xml: str) -> Size:
        return cls.of_tree(_libvirt_xml.parse(domain_xml))

    @classmethod
    def of_tree(cls, domain: ET.Element) -> Size:
        memory = _kib(domain.find("./memory")) - _plugged(domain)
        return cls(memory >> 10, _number(domain.findtext("./vcpu"), 1))

    def but(self, memory_mib: int | None, vcpus: int | None) -> Size:
        """This one, with what is given in the place of what it is."""
        given = {"memory_mib": memory_mib, "vcpus": vcpus}
        return replace(self, **{key: value for key, value in given.items() if value is not None})

    def show(self) -> dict[str, int]:
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.memory_mib} MiB of memory and {self.vcpus} vCPU{'' if self.vcpus == 1 else 's'}"


def resized(domain_xml: str, name: str, memory_mib: int | None, vcpus: int | None, remedy: str) -> str:
    """The domain with so much memory and so many vCPUs, and all else as it is. `remedy` says where it is written."""
    domain = _libvirt_xml.parse(domain_xml)
    has = Size.of_tree(domain)
    wanted = has.but(memory_mib, vcpus)
    if wanted == has:
        return domain_xml
    _check(domain, name, has, wanted, remedy)
    if wanted.memory_mib != has.memory_mib:
        _set_memory(domain, wanted.memory_mib)
    if wanted.vcpus != has.vcpus:
        _set_vcpus(domain, wanted.vcpus)
    _keep_prefixes(domain_xml)
    return ET.tostring(domain, encoding="unicode")


def _check(domain: ET.Element, name: str, has: Size, wanted: Size, remedy: str) -> None:
    """libvirt takes the memory of NUMA cells for that of the domain, and no number of vCPUs but the topology's."""
    if domain.find("./cpu/numa/cell") is not None:
        raise LightiovError(
            f"VM {name} cannot have {wanted}, because its own NUMA cells divide {has}: {remedy}, or list it with what "
            "it has"
        )
    topology = domain.find("./cpu/topology")
    cpus = wanted.vcpus if topology is None else prod(_number(topology.get(part), 1) for part in TOPOLOGY)
    if wanted.vcpus not in (has.vcpus, cpus):
        raise LightiovError(
            f"VM {name} cannot have {wanted}, because the topology of its CPUs says {cpus}: {remedy}, or list it with "
            "what it has"
        )


def _set_memory(domain: ET.Element, memory_mib: int) -> None:
    memory = domain.find("./memory")
    if memory is None:
        memory = ET.SubElement(domain, "memory")
    old, new = _kib(memory), (memory_mib << 10) + _plugged(domain)
    _write(memory, new)
    # Without it, it is the same.
    if (current := domain.find("./currentMemory")) is not None:
        domain.remove(current)
    # What leaves room for the memory, and for the emulator beside it, leaves the same room.
    for limit in domain.iterfind("./memtune/*"):
        if _kib(limit) >= old > 0:
            _write(limit, _kib(limit) + new - old)


def _set_vcpus(domain: ET.Element, vcpus: int) -> None:
    """The CPUs of the host that they are restricted to stay."""
    vcpu = domain.find("./vcpu")
    if vcpu is None:
        vcpu = ET.SubElement(domain, "vcpu")
    vcpu.text = str(vcpus)
    vcpu.attrib.pop("current", None)
    if (each := domain.find("./vcpus")) is not None:
        domain.remove(each)


def _plugged(domain: ET.Element) -> int:
    """KiB of memory devices, which libvirt counts as memory of the domain."""
    return sum(map(_kib, domain.iterfind("./devices/memory/target/size")))


def _kib(element: ET.Element | None) -> int:
    if element is None:
        return 0
    return _number(element.text, 0) * UNITS.get(element.get("unit", "KiB").lower(), 1024) >> 10


def _number(text: str | None, otherwise: int) -> int:
    """What is no number is for libvirt to refuse."""
    text = (text or "").strip()
    return int(text) if text.isdecimal() else otherwise


def _write(element: ET.Element, kib: int) -> None:
    element.set("unit", "KiB")
    element.text = str(kib)


def _keep_prefixes(domain_xml: str) -> None:
    """Another prefix would be as good to libvirt, but not to who reads the XML."""
    for _event, (prefix, uri) in ET.iterparse(io.StringIO(domain_xml), ["start-ns"]):
        if not MADE_UP.fullmatch(prefix):
            ET.register_namespace(prefix, uri)
