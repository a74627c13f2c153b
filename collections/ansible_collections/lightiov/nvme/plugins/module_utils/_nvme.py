# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NVMe admin commands about namespaces, as the bytes that the kernel's admin passthrough takes (linux/nvme_ioctl.h).

Sections are those of the NVM Express Base Specification 2.0 and the NVM Command Set Specification 1.0.
"""

from __future__ import annotations

import ctypes
import struct
from dataclasses import dataclass

from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host

# NVME_IOCTL_ADMIN_CMD, and its struct nvme_passthru_cmd.
ADMIN_CMD = 0xC0484E41
PASSTHRU = struct.Struct("<BBHIIIQQ10I")
RESULT = PASSTHRU.size - 4

PAGE = 4096
ALL_NAMESPACES = 0xFFFFFFFF
GET_LOG_PAGE, IDENTIFY, MANAGEMENT, ATTACHMENT, FORMAT = 0x02, 0x06, 0x0D, 0x15, 0x80

# CNS, 5.17.1.
CNS_NAMESPACE, CNS_CONTROLLER, CNS_ACTIVE, CNS_DESCRIPTORS = 0x00, 0x01, 0x02, 0x03
CNS_ALLOCATED, CNS_ALLOCATED_NAMESPACE, CNS_ATTACHED_TO = 0x10, 0x11, 0x12

COMMANDS_LOG = 0x05
# A drive may take minutes to allocate, and an hour to format, which is the most that the host module waits.
MANAGEMENT_MS = 120_000
FORMAT_MS = 3_600_000
ERASE_USER_DATA = 1


class CommandFailed(Exception):
    """The controller's answer: `status` is status code type and status code, 0xTCC."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status 0x{status:03x}")
        self.status = status


@dataclass(frozen=True)
class Command:
    """One admin command. `data` goes to the controller, `receives` bytes come from it; never both."""

    opcode: int
    nsid: int = 0
    cdw10: int = 0
    data: bytes = b""
    receives: int = 0
    timeout_ms: int = 0


def identify(cns: int, nsid: int = 0) -> Command:
    """5.17."""
    return Command(IDENTIFY, nsid=nsid, cdw10=cns, receives=PAGE)


def commands_log() -> Command:
    """Commands Supported and Effects, 5.16.1.6: NUMD, 0's based in dwords, above LID."""
    return Command(GET_LOG_PAGE, nsid=ALL_NAMESPACES, cdw10=(PAGE // 4 - 1) << 16 | COMMANDS_LOG, receives=PAGE)


def create(blocks: int, lba_format: int) -> Command:
    """Namespace Management, SEL 0 (5.23): all of it is allocated, it is private and has no protection information.

    NSZE, NCAP, then FLBAS in byte 26 (NVM Command Set 4.1.5.1), which has the format's upper two bits in 6:5.
    """
    flbas = (lba_format & 0xF) | (lba_format >> 4) << 5
    data = struct.pack("<QQ10xB", blocks, blocks, flbas).ljust(PAGE, b"\0")
    return Command(MANAGEMENT, cdw10=0, data=data, timeout_ms=MANAGEMENT_MS)


def delete(nsid: int) -> Command:
    """Namespace Management, SEL 1."""
    return Command(MANAGEMENT, nsid=nsid, cdw10=1, timeout_ms=MANAGEMENT_MS)


def attach(nsid: int, controller_id: int) -> Command:
    """Namespace Attachment, SEL 0 (5.22), to one controller."""
    return Command(ATTACHMENT, nsid=nsid, cdw10=0, data=_controller_list(controller_id))


def detach(nsid: int, controller_id: int) -> Command:
    """Namespace Attachment, SEL 1."""
    return Command(ATTACHMENT, nsid=nsid, cdw10=1, data=_controller_list(controller_id))


def format_nvm(nsid: int, lba_format: int) -> Command:
    """Format NVM (5.14): LBAF in 3:0 and 13:12; no metadata; SES in 11:9, which has what was there erased."""
    cdw10 = (lba_format & 0xF) | ERASE_USER_DATA << 9 | (lba_format >> 4) << 12
    return Command(FORMAT, nsid=nsid, cdw10=cdw10, timeout_ms=FORMAT_MS)


def _controller_list(controller_id: int) -> bytes:
    """4.4.1: how many, and their IDs."""
    return struct.pack("<HH", 1, controller_id).ljust(PAGE, b"\0")


def send(host: Host, node: str, command: Command) -> tuple[int, bytes]:
    """Dword 0 of the completion and the data received, from the controller behind a character device.

    Raises CommandFailed for an answer of the controller, OSError for one of the kernel.
    """
    size = command.receives or len(command.data)
    buffer = ctypes.create_string_buffer(command.data, size) if size else None
    request = bytearray(
        PASSTHRU.pack(
            command.opcode, 0, 0, command.nsid, 0, 0,
            0, ctypes.addressof(buffer) if buffer else 0, 0, size,
            command.cdw10, 0, 0, 0, 0, 0, command.timeout_ms, 0,
        )
    )  # fmt: skip
    # Above the type are bits for the host, such as Do Not Retry.
    status = host.ioctl(node, ADMIN_CMD, request) & 0x7FF
    if status:
        raise CommandFailed(status)
    (result,) = struct.unpack_from("<I", request, RESULT)
    return result, buffer.raw if buffer and command.receives else b""
