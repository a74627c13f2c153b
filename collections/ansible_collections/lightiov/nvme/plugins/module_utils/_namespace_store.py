# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a controller has allocated, and what it can do about that: asked by Identify, whichever driver has it."""

from __future__ import annotations

import struct
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ansible_collections.lightiov.nvme.plugins.module_utils import _nvme as nvme
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._nvme_status import refused
from ansible_collections.lightiov.nvme.plugins.module_utils._sysfs import Controller

# Optional Admin Command Support and Log Page Attributes, 5.17.2.1.
OACS_FORMAT, OACS_MANAGEMENT = 1 << 1, 1 << 3
LPA_COMMANDS = 1 << 1
# Format NVM Attributes: what one format, or one secure erase, does to all namespaces.
FNA_ALL = 0b11
NSIDS_PER_LIST = nvme.PAGE // 4
# Types of descriptors of a namespace (CNS 03h), 5.17.2.3.
DESCRIPTOR_UUID = 3


@dataclass(frozen=True)
class LbaFormat:
    """How blocks may be laid out: bytes of data and of metadata, and how slow that is (0 is best)."""

    index: int
    block_size: int
    metadata: int
    slowness: int


@dataclass(frozen=True)
class Allocated:
    """One namespace. `identity` is "eui." and NGUID or EUI-64, or "uuid." and UUID; empty where it has none of its
    own. `attached` says whether it is attached to this controller."""

    nsid: int
    identity: str
    block_size: int
    blocks: int
    attached: bool

    @property
    def size(self) -> int:
        return self.block_size * self.blocks

    @property
    def key(self) -> str:
        """What tells it from the others of its controller for the moment."""
        return self.identity or str(self.nsid)

    def __str__(self) -> str:
        return f"{self.nsid} ({self.identity or 'without identity'})"


@dataclass(frozen=True)
class Store:
    """A controller with its namespaces. `unallocated` is in bytes, None where it does not tell."""

    controller: Controller
    id: int
    can_create: bool
    can_attach: bool
    can_format: bool
    formats_all: bool
    unallocated: int | None
    formats: tuple[LbaFormat, ...]
    namespaces: tuple[Allocated, ...]

    def find(self, identity: str) -> Allocated | None:
        return next((one for one in self.namespaces if one.identity == identity), None)


def best_format(formats: Sequence[LbaFormat], block_size: int | None) -> LbaFormat | None:
    """Without metadata, which no disk of a VM has; the larger blocks where nothing is asked for."""
    fitting = [
        one
        for one in formats
        if not one.metadata and one.block_size <= nvme.PAGE and block_size in (None, one.block_size)
    ]
    return min(fitting, key=lambda one: (-one.block_size, one.slowness, one.index), default=None)


def look(host: Host, controller: Controller) -> Store:
    """Ask a controller. Raises LightiovError if it does not answer."""
    ask = partial(_ask, host, controller)
    about = ask(nvme.identify(nvme.CNS_CONTROLLER))
    (oacs,), lpa, fna = struct.unpack_from("<H", about, 256), about[261], about[524]
    total, unallocated = (int.from_bytes(about[at : at + 16], "little") for at in (280, 296))
    managed = bool(oacs & OACS_MANAGEMENT)
    # One that only attaches and detaches has the same bit set, but is exact in its list of commands.
    commands = ask(nvme.commands_log()) if managed and lpa & LPA_COMMANDS else None
    can_create = managed and _supported(commands, nvme.MANAGEMENT)
    return Store(
        controller=controller,
        id=struct.unpack_from("<H", about, 78)[0],
        can_create=can_create,
        can_attach=managed and _supported(commands, nvme.ATTACHMENT),
        can_format=bool(oacs & OACS_FORMAT),
        formats_all=bool(fna & FNA_ALL),
        unallocated=unallocated if total else None,
        # Of namespaces to come, which a controller that makes none does not tell.
        formats=_formats(ask(nvme.identify(nvme.CNS_NAMESPACE, nvme.ALL_NAMESPACES))) if can_create else (),
        namespaces=_namespaces(host, controller, managed),
    )


def attached_to(host: Host, store: Store, namespace: Allocated) -> list[int]:
    """IDs of the other controllers of the drive that have a namespace."""
    if not store.can_attach:
        return []
    listed = _ask(host, store.controller, nvme.identify(nvme.CNS_ATTACHED_TO, namespace.nsid))
    count, *ids = struct.unpack("<2048H", listed)
    return [one for one in ids[:count] if one != store.id]


def formats_of(host: Host, store: Store, namespace: Allocated) -> tuple[LbaFormat, ...]:
    """Those that one namespace can have."""
    return _formats(_about(host, store.controller, namespace.nsid, namespace.attached))


def identity_of(host: Host, controller: Controller, nsid: int) -> str:
    """That of a namespace that is attached to no controller."""
    return _namespace(host, controller, nsid, active=False).identity


def _ask(host: Host, controller: Controller, command: nvme.Command) -> bytes:
    try:
        return nvme.send(host, controller.admin, command)[1]
    except (nvme.CommandFailed, OSError) as error:
        raise refused(f"Controller {controller} does not tell its namespaces", command.opcode, error) from error


def _supported(commands: bytes | None, opcode: int) -> bool:
    """Bit 0 of the dword that an admin command has in the log, where there is one."""
    return commands is None or bool(commands[4 * opcode] & 1)


def _formats(about: bytes) -> tuple[LbaFormat, ...]:
    """NLBAF, 0's based, and the formats from byte 128: metadata size, log2 of the block size, performance."""
    found = [struct.unpack_from("<HBB", about, 128 + 4 * index) for index in range(about[25] + 1)]
    return tuple(
        LbaFormat(index, 1 << shift, metadata, performance & 0b11)
        for index, (metadata, shift, performance) in enumerate(found)
        if shift
    )


def _namespaces(host: Host, controller: Controller, managed: bool) -> tuple[Allocated, ...]:
    active = set(_nsids(host, controller, nvme.CNS_ACTIVE))
    nsids = _nsids(host, controller, nvme.CNS_ALLOCATED) if managed else sorted(active)
    found = [_namespace(host, controller, nsid, nsid in active) for nsid in nsids]
    # As the host module does: what several have, and what a drive is known to make up, is no identity.
    counts = Counter(one.identity for one in found)
    told = {one.nsid: one.id for one in controller.namespaces}
    return tuple(
        replace(one, identity="") if counts[one.identity] > 1 or (told.get(one.nsid) == "" and _is_eui(one)) else one
        for one in found
    )


def _is_eui(namespace: Allocated) -> bool:
    return namespace.identity.startswith("eui.")


def _nsids(host: Host, controller: Controller, cns: int) -> list[int]:
    """A list of NSIDs, each page of which has those above the last one."""
    found: list[int] = []
    while True:
        page = _ask(host, controller, nvme.identify(cns, found[-1] if found else 0))
        nsids = [nsid for nsid in struct.unpack(f"<{NSIDS_PER_LIST}I", page) if nsid]
        found += nsids
        if len(nsids) < NSIDS_PER_LIST:
            return found


def _namespace(host: Host, controller: Controller, nsid: int, active: bool) -> Allocated:
    about = _about(host, controller, nsid, active)
    flbas = about[26]
    shift = about[128 + 4 * ((flbas & 0xF) | (flbas >> 5 & 3) << 4) + 2]
    return Allocated(
        nsid=nsid,
        identity=_identity(host, controller, nsid, about),
        block_size=1 << shift,
        blocks=struct.unpack_from("<Q", about)[0],
        attached=active,
    )


def _about(host: Host, controller: Controller, nsid: int, active: bool) -> bytes:
    """The Identify Namespace data structure: of an inactive one, CNS 00h has zeroes."""
    return _ask(host, controller, nvme.identify(nvme.CNS_NAMESPACE if active else nvme.CNS_ALLOCATED_NAMESPACE, nsid))


def _identity(host: Host, controller: Controller, nsid: int, about: bytes) -> str:
    """NGUID in bytes 104 to 119, EUI-64 in 120 to 127; a UUID is told apart, of one that is not attached by few."""
    for digits in (about[104:120], about[120:128]):
        if any(digits):
            return f"eui.{digits.hex()}"
    try:
        _result, descriptors = nvme.send(host, controller.admin, nvme.identify(nvme.CNS_DESCRIPTORS, nsid))
    except nvme.CommandFailed:
        return ""
    uuids = (uuid.UUID(bytes=value) for kind, value in _parsed(descriptors) if kind == DESCRIPTOR_UUID)
    return next((f"uuid.{one}" for one in uuids), "")


def _parsed(descriptors: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and value of each: one byte of type, one of length, two reserved; a length of 0 ends them."""
    at = 0
    while at + 4 <= len(descriptors) and descriptors[at + 1]:
        kind, length = descriptors[at], descriptors[at + 1]
        yield kind, descriptors[at + 4 : at + 4 + length]
        at += 4 + length
