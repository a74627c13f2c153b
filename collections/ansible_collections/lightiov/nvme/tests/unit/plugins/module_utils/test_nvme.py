# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bytes that reach the character device: those of the specification's tables, and those of nvme-cli."""

from __future__ import annotations

import ctypes
import struct
from dataclasses import dataclass, field
from typing import Any

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils import _nvme as nvme
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host

# struct nvme_passthru_cmd of linux/nvme_ioctl.h: offset and format of each field.
FIELDS = {
    "opcode": (0, "<B"),
    "flags": (1, "<B"),
    "rsvd1": (2, "<H"),
    "nsid": (4, "<I"),
    "cdw2": (8, "<I"),
    "cdw3": (12, "<I"),
    "metadata": (16, "<Q"),
    "metadata_len": (32, "<I"),
    "data_len": (36, "<I"),
    "cdw10": (40, "<I"),
    "cdw11": (44, "<I"),
    "cdw12": (48, "<I"),
    "cdw13": (52, "<I"),
    "cdw14": (56, "<I"),
    "cdw15": (60, "<I"),
    "timeout_ms": (64, "<I"),
}
ADDRESS, RESULT = 24, 68


@dataclass(frozen=True)
class Device(Host):
    """A character device that notes what reaches it, and answers so."""

    status: int = 0
    result: int = 0
    answer: bytes = b""
    seen: list[dict[str, Any]] = field(default_factory=list)

    def ioctl(self, absolute: str, request: int, argument: bytearray) -> int:
        told: dict[str, Any] = {name: struct.unpack_from(form, argument, at)[0] for name, (at, form) in FIELDS.items()}
        (address,) = struct.unpack_from("<Q", argument, ADDRESS)
        told["data"] = ctypes.string_at(address, told["data_len"]) if address else b""
        self.seen.append({"node": absolute, "request": request, "size": len(argument), **told})
        ctypes.memmove(address, self.answer, len(self.answer))
        struct.pack_into("<I", argument, RESULT, self.result)
        return self.status


def sent(command: nvme.Command) -> dict[str, Any]:
    device = Device()
    nvme.send(device, "/dev/lightiov0", command)
    [seen] = device.seen
    return seen


def bytes_set(data: bytes) -> dict[int, int]:
    return {at: byte for at, byte in enumerate(data) if byte}


# What nvme-cli 2.3 with libnvme 1.3 gave to the ioctl, but for the timeout, which is the caller's to choose. What is
# not here was 0. The data is what is not 0 of it, by offset.
NVME_CLI = {
    "create-ns -s 0x1234567 -c 0x1234567 -f 1": (
        nvme.create(0x1234567, 1),
        {"opcode": 0x0D, "data_len": 4096},
        {0: 0x67, 1: 0x45, 2: 0x23, 3: 0x01, 8: 0x67, 9: 0x45, 10: 0x23, 11: 0x01, 26: 0x01},
    ),
    "create-ns -s 100 -c 100 -b 4096": (
        nvme.create(100, 1),
        {"opcode": 0x0D, "data_len": 4096},
        {0: 0x64, 8: 0x64, 26: 0x01},
    ),
    "delete-ns -n 5": (nvme.delete(5), {"opcode": 0x0D, "nsid": 5, "cdw10": 1}, {}),
    "attach-ns -n 5 -c 7": (
        nvme.attach(5, 7),
        {"opcode": 0x15, "nsid": 5, "data_len": 4096},
        {0: 1, 2: 7},
    ),
    "detach-ns -n 5 -c 7": (
        nvme.detach(5, 7),
        {"opcode": 0x15, "nsid": 5, "cdw10": 1, "data_len": 4096},
        {0: 1, 2: 7},
    ),
    "format -n 5 -l 1 -s 1": (nvme.format_nvm(5, 1), {"opcode": 0x80, "nsid": 5, "cdw10": 0x201}, {}),
    "list-ns -a": (nvme.identify(0x10), {"opcode": 0x06, "cdw10": 0x10, "data_len": 4096}, {}),
    "id-ns -n 5 -f": (nvme.identify(0x11, 5), {"opcode": 0x06, "nsid": 5, "cdw10": 0x11, "data_len": 4096}, {}),
    "ns-descs -n 5": (nvme.identify(0x03, 5), {"opcode": 0x06, "nsid": 5, "cdw10": 0x03, "data_len": 4096}, {}),
    "list-ctrl -n 5": (nvme.identify(0x12, 5), {"opcode": 0x06, "nsid": 5, "cdw10": 0x12, "data_len": 4096}, {}),
    "id-ctrl": (nvme.identify(0x01), {"opcode": 0x06, "cdw10": 0x01, "data_len": 4096}, {}),
}


@pytest.mark.parametrize("line", NVME_CLI)
def test_what_nvme_cli_sends(line: str) -> None:
    command, fields, data = NVME_CLI[line]
    seen = sent(command)
    assert (seen["node"], seen["request"], seen["size"]) == ("/dev/lightiov0", 0xC0484E41, 72)
    told = {name: seen[name] for name in FIELDS if name != "timeout_ms" and seen[name]}
    assert told == fields
    assert bytes_set(seen["data"]) == data


@pytest.mark.parametrize(("index", "flbas"), [(0, 0x00), (1, 0x01), (15, 0x0F), (16, 0x20), (17, 0x21), (63, 0x6F)])
def test_create_by_the_tables(index: int, flbas: int) -> None:
    """Base 2.0, 5.23, and NVM Command Set 1.0, 4.1.5: the upper bits of a format are in 6:5 of FLBAS."""
    seen = sent(nvme.create(0x0123456789ABCDEF, index))
    assert (seen["opcode"], seen["nsid"], seen["cdw10"] & 0xF, seen["cdw11"] >> 24) == (0x0D, 0, 0, 0)
    nsze, ncap = struct.unpack_from("<QQ", seen["data"])
    assert nsze == ncap == 0x0123456789ABCDEF
    assert seen["data"][26] == flbas
    # Of DPS, NMIC, ANAGRPID, NVMSETID, ENDGID and LBSTM none is asked for, and what is reserved is 0.
    assert not any(seen["data"][16:26] + seen["data"][27:])
    assert len(seen["data"]) == 4096


@pytest.mark.parametrize(("index", "lbaf"), [(0, 0x0000), (1, 0x0001), (15, 0x000F), (16, 0x1000), (63, 0x300F)])
def test_format_by_the_table(index: int, lbaf: int) -> None:
    """Base 2.0, 5.14: LBAFL 3:0, MSET 4, PI 7:5, PIL 8, SES 11:9 (user data erase), LBAFU 13:12."""
    seen = sent(nvme.format_nvm(5, index))
    assert seen["cdw10"] == lbaf | 1 << 9
    assert seen["timeout_ms"] == 3_600_000


def test_commands_log_by_the_table() -> None:
    """Base 2.0, 5.16: LID 7:0, NUMDL 31:16, 0's based."""
    seen = sent(nvme.commands_log())
    assert (seen["opcode"], seen["nsid"], seen["cdw10"], seen["cdw11"]) == (0x02, 0xFFFFFFFF, 0x03FF0005, 0)
    assert seen["data_len"] == 4096


def test_what_comes_back() -> None:
    answer = bytes(range(256)) * 16
    assert nvme.send(Device(result=5, answer=answer), "/dev/nvme0", nvme.identify(0x01)) == (5, answer)
    assert nvme.send(Device(result=5), "/dev/nvme0", nvme.create(1, 0)) == (5, b"")


@pytest.mark.parametrize("answer", [0x115, 0x4115, 0x6115])
def test_status_without_the_bits_for_the_host(answer: int) -> None:
    with pytest.raises(nvme.CommandFailed) as failed:
        nvme.send(Device(status=answer), "/dev/nvme0", nvme.delete(1))
    assert failed.value.status == 0x115
