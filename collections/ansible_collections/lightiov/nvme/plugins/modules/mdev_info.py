#!/usr/bin/python
# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: mdev_info
short_description: List the LightIOV mediated devices of a host
version_added: 0.1.0
description:
  - Returns every LightIOV mediated device (mdev) that exists or is defined on the host, with its attributes, state,
    hardware queues, window and statistics.
author:
  - LightIOV contributors (@lightiov)
extends_documentation_fragment:
  - lightiov.nvme.attributes.info
  - lightiov.nvme.returned
options:
  returns:
    choices: [disks, marked, mdevs, states]
seealso:
  - module: lightiov.nvme.mdev
"""

EXAMPLES = r"""
- name: Look at the mdevs
  lightiov.nvme.mdev_info:
  register: lightiov

- name: Show the hardware queue IDs of each
  ansible.builtin.debug:
    msg: "{{ item.uuid }} has {{ item.queues | map(attribute='hw_qid') | join(' ') }}"
  loop: "{{ lightiov.mdevs }}"
  loop_control:
    label: "{{ item.uuid }}"
"""

RETURN = r"""
disks:
  description:
    - ID and NSID of the disks of each mdev, by the UUID of the mdev and the name of the disk. Empty for an mdev that is
      only defined.
  returned: unless O(returns) leaves it out
  type: dict
  sample: {"8d1a5f9e-96c4-5fd1-bb5e-0c0a2e6c8a55": {"data": {"id": "5a0b7f3e-4dd6-5b3c-9a55-0d4f0e4c5f11", "nsid": 1}}}
marked:
  description:
    - UUIDs of the mdevs that M(lightiov.nvme.mdev) has made, as the mark in their labels says. It removes others only
      when their UUIDs are listed.
  returned: unless O(returns) leaves it out
  type: list
  elements: str
  sample: [8d1a5f9e-96c4-5fd1-bb5e-0c0a2e6c8a55]
states:
  description:
    - What tells whether each mdev that exists works, by UUID. C(used) of its queues C(hw_qids) its VM has created.
  returned: unless O(returns) leaves it out
  type: dict
  sample:
    8d1a5f9e-96c4-5fd1-bb5e-0c0a2e6c8a55:
      state: ready
      hw_qids: [5, 6]
      used: 2
      window: 0x10000000000 + 0x40000000
      interrupts: 512
mdevs:
  description: LightIOV mdevs that exist or are defined, by UUID.
  returned: unless O(returns) leaves it out
  type: list
  elements: dict
  contains:
    uuid:
      description: UUID.
      type: str
      sample: 8d1a5f9e-96c4-5fd1-bb5e-0c0a2e6c8a55
    parent:
      description: Serial number of the controller, as a definition says it or its driver. Empty when neither does.
      type: str
      sample: S5XANA0R700001
    address:
      description: PCI address of the controller.
      type: str
      sample: "0000:01:00.0"
    type:
      description: Type of the mdev.
      type: str
      sample: lightiov-passthrough
    active:
      description: Whether it exists now.
      type: bool
      sample: true
    defined:
      description: Whether mdevctl has a definition of it.
      type: bool
      sample: true
    autostart:
      description: Whether the definition is started at boot.
      type: bool
      sample: true
    label:
      description: What it is for, empty if nothing is said.
      type: str
      sample: vm1
    marked:
      description: Whether M(lightiov.nvme.mdev) has made it.
      type: bool
      sample: true
    tenant:
      description: Tenant.
      type: str
      sample: blue
    queue_pairs:
      description: Reserved hardware I/O queue pairs.
      type: int
      sample: 2
    disks:
      description: Its disks.
      type: list
      elements: dict
      contains:
        id:
          description: Identity of the disk, empty for one that the version before has made.
          type: str
          sample: 5a0b7f3e-4dd6-5b3c-9a55-0d4f0e4c5f11
        name:
          description: Name, empty where nobody told it.
          type: str
          sample: data
        nsid:
          description: NSID of its namespace.
          type: int
          sample: 1
        identity:
          description: NGUID or EUI-64 of its namespace, empty for one without or of which nobody noted it.
          type: str
          sample: eui.0123456789abcdef0025385b01400c1d
        first:
          description: First LBA, C(null) for a whole namespace.
          type: int
          sample: 0
        count:
          description: Number of LBAs, C(null) for a whole namespace.
          type: int
          sample: 52428800
        read_only:
          description: Whether it can only be read.
          type: bool
          sample: false
        size:
          description: Bytes, C(null) where no driver tells.
          type: int
          sample: 214748364800
        asked:
          description: Whether the guest is asked to let it go.
          type: bool
          sample: false
        gone:
          description: Whether its namespace is gone.
          type: bool
          sample: false
    state:
      description: C(closed), C(open), C(ready), C(quarantined) or C(lost), empty when it does not exist now.
      type: str
      sample: ready
    queues:
      description: Its queue pairs, empty when it does not exist now.
      type: list
      elements: dict
      contains:
        index:
          description: Number of the queue pair in the mdev.
          type: int
          sample: 0
        hw_qid:
          description: Queue ID on the controller.
          type: int
          sample: 5
        vector:
          description:
            - Interrupt vector of the controller, C(null) while the VM has not created the queue pair, or polls it.
          type: int
          sample: 5
        entries:
          description: Entries of each ring, C(null) while the VM has not created it.
          type: int
          sample: 1024
    window:
      description: Window of I/O virtual addresses, C(null) while the VM has not opened it.
      type: dict
      contains:
        base:
          description: First address, in hexadecimal.
          type: str
          sample: "0x10000000000"
        size:
          description: Bytes, in hexadecimal.
          type: str
          sample: "0x40000000"
    statistics:
      description: Counters since the mdev was created, empty when it does not exist now.
      type: dict
      sample:
        commands: 9
        doorbell_faults: 1
        interrupts: 512
        iommu_mappings: 256
        mmio: 88
        pinned_bytes: 536870912
        queue_resets: 0
        queues_created: 2
        resets: 1
        revocations: 0
"""

from collections.abc import Sequence
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.lightiov.nvme.plugins.module_utils import _returned
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._mdev_difference import disks_told
from ansible_collections.lightiov.nvme.plugins.module_utils._mdev_state import MdevState, mdev_states


def values(found: Sequence[MdevState]) -> dict[str, Any]:
    mdevs = [one.to_dict() for one in found]
    states = {one.uuid: one.in_short() for one in found if one.active}
    marked = [one.uuid for one in found if one.marked]
    return {"mdevs": mdevs, "disks": disks_told(mdevs), "marked": marked, "states": states}


def main() -> None:
    module = AnsibleModule(
        argument_spec={"returns": _returned.option("disks", "marked", "mdevs", "states")},
        supports_check_mode=True,
    )
    try:
        found = mdev_states(Host())
    except LightiovError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**_returned.chosen(module, values(found)))


if __name__ == "__main__":
    main()
