# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the statuses mean that the specification names for commands about namespaces: a cause and a remedy each.

NVM Express Base Specification 2.0, 4.2.3 (generic), 5.14.1, 5.22.1 and 5.23.1 (of Format NVM, Namespace Attachment and
Namespace Management), with what NVM Command Set 1.0 adds. A status is its type and code, 0xTCC.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping

from ansible_collections.lightiov.nvme.plugins.module_utils import _nvme as nvme
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError

EXTENTS = "leave it off lightiov_namespaces, and give disks a size: they are parts of a namespace then (docs/disks.md)"
FIRMWARE = "see whether the drive's maker has a later firmware"
SIBLING = "use another controller of the drive, or detach it there with nvme detach-ns"

GENERIC: Mapping[int, tuple[str, str]] = {
    0x001: ("the controller does not know the command", EXTENTS),
    0x002: ("the controller does not take a value in the command", FIRMWARE),
    0x006: ("the controller had an internal error", "see the drive's error log with nvme error-log"),
    0x00B: ("the namespace is not there, or cannot have that format", "deploy again, which reads its state first"),
    0x00C: ("the controller does not take the command now", "deploy again"),
    0x00D: (
        "the controller may not do that with the others of its subsystem as they are",
        "see the drive's manual for namespaces that several controllers share",
    ),
    0x01D: ("the drive is sanitizing itself", "wait until nvme sanitize-log says that it has ended"),
    0x020: ("the namespace is write-protected", "lift its protection with nvme set-feature -f 0x84"),
    0x023: ("command lockdown prohibits it", "lift the lockdown with nvme lockdown, by whoever has set it"),
    0x082: ("the namespace is not ready", "wait a minute and deploy again"),
    0x083: ("another host has reserved the namespace", "release the reservation there with nvme resv-release"),
    0x084: ("a namespace of the drive is being formatted", "wait until that has ended and deploy again"),
}
SELF_TEST = {0x11D: ("the drive is testing itself", "wait until nvme self-test-log says that it has ended")}
COMMAND_SETS = {
    0x129: ("the controller does not support the NVM command set for it", EXTENTS),
    0x12A: ("the controller has the NVM command set switched off", "switch it on with nvme set-feature -f 0x19"),
    0x12B: (
        "the controller does not take the NVM command set beside those of its other namespaces",
        "detach namespaces of other command sets with nvme detach-ns",
    ),
}
MANAGEMENT = {
    **COMMAND_SETS,
    **SELF_TEST,
    0x10A: ("the controller does not have that block size", "choose another block_size in lightiov_namespaces"),
    0x115: (
        "the controller has not enough unallocated capacity",
        "choose a smaller size in lightiov_namespaces, or let a namespace go with state: absent",
    ),
    0x116: ("the controller has as many namespaces as it can", "let one go with state: absent in lightiov_namespaces"),
    0x11B: ("the controller allocates no less than a namespace's size", FIRMWARE),
    0x124: ("the controller wants an ANA group named, which is for arrays with several paths", EXTENTS),
    0x125: ("the controller's ANA group does not allow it", "see the state of its paths with nvme ana-log"),
}
ATTACHMENT = {
    **COMMAND_SETS,
    **SELF_TEST,
    0x118: ("it is attached to the controller already", "deploy again, which reads its state first"),
    0x119: ("it is private and attached to another controller", SIBLING),
    0x11A: ("it is not attached to the controller", "deploy again, which reads its state first"),
    0x11C: ("the controller does not take the list of controllers", FIRMWARE),
    0x11F: ("the controller's ID is not one of the drive's", "deploy again, which reads its state first"),
    0x124: ("the namespace's ANA group is none of the controller's", SIBLING),
    0x125: ("the controller's ANA group does not allow it", "see the state of its paths with nvme ana-log"),
    0x127: (
        "the controller has as many namespaces attached as it can",
        "detach one with state: detached in lightiov_namespaces",
    ),
}
FORMAT = {
    **SELF_TEST,
    0x10A: ("the controller does not have that block size", "choose another block_size in lightiov_namespaces"),
}
SPECIFIC: Mapping[int, Mapping[int, tuple[str, str]]] = {
    nvme.MANAGEMENT: MANAGEMENT,
    nvme.ATTACHMENT: ATTACHMENT,
    nvme.FORMAT: FORMAT,
}
KERNEL: Mapping[int, tuple[str, str]] = {
    errno.EBUSY: (
        "a mediated device has it, or a VM has one of the controller's open",
        "take the disk off lightiov_vms, or for a format shut the controller's VMs down; the kernel log names the "
        "device",
    ),
    errno.EPERM: ("the host module does not let the command through", "see the kernel log"),
    errno.EACCES: ("this user may not give the command", "run the task as root with become"),
    errno.ENODEV: ("the controller is gone", "see the kernel log"),
    errno.ETIMEDOUT: (
        "the controller did not answer in time, and may have done it all the same",
        "deploy again, which reads its state first",
    ),
}


def refused(what: str, opcode: int, error: nvme.CommandFailed | OSError) -> LightiovError:
    """`what` is a clause: which namespace of which controller was not made, attached, and so on."""
    if isinstance(error, OSError):
        known = KERNEL.get(error.errno or 0)
        unknown = f"the system says {error.strerror or error}"
    else:
        known = SPECIFIC.get(opcode, {}).get(error.status) or GENERIC.get(error.status)
        kind, code = divmod(error.status, 0x100)
        unknown = f"the controller answers with status code type {kind:x}h, code {code:02x}h"
    cause, remedy = known or (unknown, "see the kernel log, and the drive's error log with nvme error-log")
    return LightiovError(f"{what}, because {cause}: {remedy}")
