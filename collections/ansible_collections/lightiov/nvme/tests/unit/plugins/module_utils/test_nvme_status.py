# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import os

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils import _nvme as nvme
from ansible_collections.lightiov.nvme.plugins.module_utils._nvme_status import refused

# Base 2.0, the command specific statuses of Format NVM (5.14.1), Namespace Attachment (5.22.1) and Namespace Management
# (5.23.1); and what 4.2.3.1 has for any command that may be given at the wrong time.
NAMED = {
    nvme.MANAGEMENT: (0x10A, 0x115, 0x116, 0x11B, 0x124, 0x129),
    nvme.ATTACHMENT: (0x118, 0x119, 0x11A, 0x11C, 0x124, 0x125, 0x127, 0x129, 0x12A, 0x12B),
    nvme.FORMAT: (0x10A,),
}
ANY = (0x001, 0x002, 0x006, 0x00B, 0x00C, 0x01D, 0x020, 0x023, 0x082, 0x083, 0x084)


@pytest.mark.parametrize(
    ("opcode", "status"), [(opcode, status) for opcode, own in NAMED.items() for status in (*own, *ANY)]
)
def test_each_status_is_a_sentence(opcode: int, status: int) -> None:
    said = str(refused("Namespace data of controller S1 was not made", opcode, nvme.CommandFailed(status)))
    assert said.startswith("Namespace data of controller S1 was not made, because ")
    assert "status code" not in said
    cause, remedy = said.split(", because ", 1)[1].split(": ", 1)
    assert cause
    assert remedy


def test_sentence() -> None:
    said = str(refused("Namespace data was not made", nvme.MANAGEMENT, nvme.CommandFailed(0x115)))
    assert said == (
        "Namespace data was not made, because the controller has not enough unallocated capacity: "
        "choose a smaller size in lightiov_namespaces, or let a namespace go with state: absent"
    )


def test_code_means_what_it_means_for_its_command() -> None:
    said = str(refused("Namespace data was not formatted", nvme.FORMAT, nvme.CommandFailed(0x115)))
    assert "status code type 1h, code 15h" in said


@pytest.mark.parametrize("number", [errno.EBUSY, errno.EPERM, errno.EACCES, errno.ENODEV, errno.ETIMEDOUT, errno.EIO])
def test_kernel_refusals(number: int) -> None:
    said = str(refused("Namespace data was not deleted", nvme.MANAGEMENT, OSError(number, os.strerror(number))))
    assert said.startswith("Namespace data was not deleted, because ")
    assert ("the system says" in said) == (number == errno.EIO)
