# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter lightiov.nvme.vm_macs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.lightiov.nvme.plugins.module_utils import _macs
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError

DOCUMENTATION = r"""
name: vm_macs
short_description: MAC addresses of VMs
version_added: 0.2.0
author:
  - LightIOV contributors (@lightiov)
description:
  - Gives each VM of a list its MAC address. It is the VM's C(mac) or, without one, a locally administered address
    with 44 bits of a digest of the VM's name.
  - The same name always gives the same address, on whichever hypervisor. Two VMs of one address are refused, so the
    VMs of the whole fleet given as one list are checked.
options:
  _input:
    description: VMs, as the role C(lightiov.nvme.devices) describes them.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the MAC address of vm1
  ansible.builtin.debug:
    msg: "{{ (lightiov_vms | lightiov.nvme.vm_macs)['vm1'] }}"
"""

RETURN = r"""
_value:
  description: MAC address of each VM by its name.
  type: dict
"""


def vm_macs(vms: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    try:
        return _macs.vm_macs(vms)
    except LightiovError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., dict[str, str]]]:
        return {"vm_macs": vm_macs}
