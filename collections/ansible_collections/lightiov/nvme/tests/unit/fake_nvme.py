# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a controller makes of the admin commands that reach its character device, byte by byte.

Written from the tables of the NVM Express Base Specification 2.0, and from nothing of the collection.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import struct
from dataclasses import dataclass
from typing import Any

from fake_host import FakeHost

ADMIN_CMD = 0xC0484E41
PAGE = 4096
CONTROLLER_ID = 7
CAPACITY = 16 << 30
# Log2 of the block size, and bytes of metadata, of each format.
FORMATS = ((9, 0), (12, 8), (12, 0))


class Failed(Exception):
    """A status, 0xTCC."""


@dataclass
class FakeNvme:
    fake: FakeHost
    address: str

    @classmethod
    def behind(cls, fake: FakeHost, node: str) -> FakeNvme:
        index = "".join(filter(str.isdigit, node))
        for address, traits in fake.hardware.items():
            driver = {"lightiov": "lightiov", "nvme": "nvme"}.get(fake.driver(address), "")
            if traits["instance"] == f"nvme{index}" and node == f"/dev/{driver}{index}":
                return cls(fake, address)
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), node)

    @property
    def traits(self) -> dict[str, Any]:
        return self.fake.hardware[self.address]

    @property
    def allocated(self) -> list[int]:
        return sorted(self.traits["namespaces"] + self.traits["detached"])

    @property
    def unallocated(self) -> int:
        return CAPACITY - sum(self.bytes(nsid) for nsid in self.allocated)

    def bytes(self, nsid: int) -> int:
        blocks, size = self.fake.shape(self.traits, str(nsid))
        return blocks * size

    def answer(self, request: int, argument: bytearray) -> int:
        assert request == ADMIN_CMD
        assert len(argument) == 72
        opcode, flags, _id, nsid, cdw2, cdw3, metadata, address, metadata_len, length = struct.unpack_from(
            "<BBHIIIQQII", argument
        )
        cdw10, *others = struct.unpack_from("<6I", argument, 40)
        assert (flags, cdw2, cdw3, metadata, metadata_len, others) == (0, 0, 0, 0, 0, [0] * 5)
        data = ctypes.string_at(address, length) if opcode & 1 and length else b""
        self.fake.note(f"admin {opcode:02x} {nsid} {cdw10:x}")
        if status := self.traits.get("answers", {}).get(f"{opcode:02x}"):
            return int(status)
        try:
            received, result = self._command(opcode, nsid, cdw10, data)
        except Failed as failed:
            # With Do Not Retry, as controllers set it.
            return 0x4000 | int(failed.args[0])
        ctypes.memmove(address, received, len(received))
        struct.pack_into("<I", argument, 68, result)
        return 0

    def _command(self, opcode: int, nsid: int, cdw10: int, data: bytes) -> tuple[bytes, int]:
        if opcode == 0x06:
            return self._identify(cdw10 & 0xFF, nsid).ljust(PAGE, b"\0"), 0
        if opcode == 0x02:
            return self._commands().ljust(PAGE, b"\0"), 0
        if opcode == 0x0D and not self.traits.get("fixed"):
            return b"", self._create(data) if cdw10 == 0 else self._delete(nsid)
        if opcode == 0x15:
            self._attach(nsid, data) if cdw10 == 0 else self._detach(nsid, data)
            return b"", 0
        if opcode == 0x80:
            self._format(nsid, cdw10)
            return b"", 0
        raise Failed(0x001)

    def _identify(self, cns: int, nsid: int) -> bytes:
        if cns == 0x01:
            return self._about_controller()
        if cns in (0x02, 0x10):
            listed = self.traits["namespaces"] if cns == 0x02 else self.allocated
            return b"".join(struct.pack("<I", one) for one in sorted(listed) if one > nsid)
        if cns == 0x00 and nsid == 0xFFFFFFFF and not self.traits.get("fixed"):
            return self._about_namespace(0)
        if nsid not in self.allocated:
            raise Failed(0x00B)
        if cns == 0x12:
            own = [CONTROLLER_ID] if nsid in self.traits["namespaces"] else []
            ids = [*own, *self.traits.get("siblings", {}).get(str(nsid), [])]
            return struct.pack(f"<H{len(ids)}H", len(ids), *ids)
        if cns == 0x03:
            return bytes.fromhex(self.traits.get("descriptors", {}).get(str(nsid), ""))
        # What is not attached has zeroes under CNS 00h.
        return self._about_namespace(nsid) if cns == 0x11 or nsid in self.traits["namespaces"] else b""

    def _about_controller(self) -> bytes:
        about = bytearray(PAGE)
        struct.pack_into("<H", about, 78, CONTROLLER_ID)
        struct.pack_into("<H", about, 256, 0x02 if self.traits.get("unmanaged") else 0x0A)
        about[261] = 0x02
        about[524] = self.traits.get("fna", 0)
        about[280:296] = CAPACITY.to_bytes(16, "little")
        about[296:312] = self.unallocated.to_bytes(16, "little")
        return bytes(about)

    def _about_namespace(self, nsid: int) -> bytes:
        about = bytearray(PAGE)
        if nsid:
            blocks, size = self.fake.shape(self.traits, str(nsid))
            struct.pack_into("<QQ", about, 0, blocks, blocks)
            about[26] = next(
                index for index, (shift, metadata) in enumerate(FORMATS) if (1 << shift, 0) == (size, metadata)
            )
            identity = bytes.fromhex(self.traits["ids"].get(str(nsid), "").partition(".")[2])
            at = 104 if len(identity) == 16 else 120
            about[at : at + len(identity)] = identity
        about[25] = len(FORMATS) - 1
        for index, (shift, metadata) in enumerate(FORMATS):
            struct.pack_into("<HBB", about, 128 + 4 * index, metadata, shift, 0)
        return bytes(about)

    def _commands(self) -> bytes:
        log = bytearray(PAGE)
        for opcode in (0x02, 0x06, 0x15, 0x80, *(() if self.traits.get("fixed") else (0x0D,))):
            log[4 * opcode] = 1
        return bytes(log)

    def _create(self, data: bytes) -> int:
        traits = self.traits
        blocks, capacity, flbas = struct.unpack_from("<QQ10xB", data)
        assert blocks == capacity
        assert not any(data[27:])
        shift, metadata = FORMATS[flbas]
        assert not metadata
        if blocks << shift > self.unallocated:
            raise Failed(0x115)
        # The lowest that is free, as drives do.
        nsid = next(one for one in range(1, 100) if one not in self.allocated)
        made = traits.get("made", 0) + 1
        identity = hashlib.sha256(f"{traits['serial']}/{made}".encode()).hexdigest()[:32]
        ids = {**traits["ids"], str(nsid): "" if traits.get("nameless") else f"eui.{identity}"}
        self._change(
            made=made,
            ids={key: one for key, one in ids.items() if one},
            shapes={**traits["shapes"], str(nsid): [blocks, 1 << shift]},
            detached=[*traits["detached"], nsid],
        )
        return nsid

    def _delete(self, nsid: int) -> int:
        self._require_unused(nsid)
        traits, key = self.traits, str(nsid)
        self._change(
            ids={other: one for other, one in traits["ids"].items() if other != key},
            shapes={other: one for other, one in traits["shapes"].items() if other != key},
            namespaces=[one for one in traits["namespaces"] if one != nsid],
            detached=[one for one in traits["detached"] if one != nsid],
            data=self._data_but(nsid),
        )
        return 0

    def _data_but(self, nsid: int) -> dict[str, str]:
        return {place: what for place, what in self.traits["data"].items() if not place.startswith(f"{nsid}@")}

    def _require_unused(self, nsid: int) -> None:
        """What the host module refuses."""
        if nsid not in self.allocated:
            raise Failed(0x00B)
        for mdev in self.fake.mdevs(self.address):
            if any(int(extent["nsid"]) == nsid for extent in self.fake.extents(mdev)):
                raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    def _attach(self, nsid: int, data: bytes) -> None:
        traits = self.traits
        assert struct.unpack_from("<HH", data) == (1, CONTROLLER_ID)
        if nsid in traits["namespaces"]:
            raise Failed(0x118)
        if nsid not in traits["detached"]:
            raise Failed(0x00B)
        self._change(
            namespaces=sorted([*traits["namespaces"], nsid]),
            detached=[one for one in traits["detached"] if one != nsid],
        )

    def _detach(self, nsid: int, data: bytes) -> None:
        traits = self.traits
        assert struct.unpack_from("<HH", data) == (1, CONTROLLER_ID)
        if nsid not in traits["namespaces"]:
            raise Failed(0x11A)
        self._require_unused(nsid)
        self._change(
            namespaces=[one for one in traits["namespaces"] if one != nsid], detached=[*traits["detached"], nsid]
        )

    def _format(self, nsid: int, cdw10: int) -> None:
        self._require_unused(nsid)
        assert cdw10 >> 9 & 0x7 == 1
        shift, metadata = FORMATS[cdw10 & 0xF]
        assert not metadata
        shape = [self.bytes(nsid) >> shift, 1 << shift]
        self._change(shapes={**self.traits["shapes"], str(nsid): shape}, data=self._data_but(nsid))

    def _change(self, **traits: Any) -> None:
        self.fake.change_hardware(self.address, **traits)
