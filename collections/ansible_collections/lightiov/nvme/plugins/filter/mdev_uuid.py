# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter lightiov.nvme.mdev_uuid."""

from __future__ import annotations

from collections.abc import Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._uuids import mdev_uuid as make_uuid

DOCUMENTATION = r"""
name: mdev_uuid
short_description: UUID of the mdev that a VM has of a controller
version_added: 0.1.0
author:
  - LightIOV contributors (@lightiov)
description:
  - Makes the UUID of a mediated device (mdev) from the controller's serial number and the VM's name.
  - With the name of a disk, it is the ID of that disk where it is a whole namespace. The version before made an mdev
    with that UUID of each disk.
  - It is a UUIDv5, so the same names always give the same UUID, on every host and however PCI addresses are numbered.
positional: vm, disk
options:
  _input:
    description: Serial number of the controller.
    type: str
    required: true
  vm:
    description: Name of the VM.
    type: str
    required: true
  disk:
    description: Name of the disk.
    type: str
"""

EXAMPLES = r"""
- name: Show the UUID of what vm1 has of a controller
  ansible.builtin.debug:
    msg: "{{ 'S5XANA0R700001' | lightiov.nvme.mdev_uuid('vm1') }}"
"""

RETURN = r"""
_value:
  description: UUID in lower case with hyphens.
  type: str
"""


def mdev_uuid(serial: str, vm: str, disk: str | None = None) -> str:
    try:
        return make_uuid(serial, vm, disk)
    except LightiovError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., str]]:
        return {"mdev_uuid": mdev_uuid}
