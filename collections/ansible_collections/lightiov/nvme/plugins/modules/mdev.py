#!/usr/bin/python
# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: mdev
short_description: Manage all LightIOV mediated devices of a host
version_added: 0.1.0
description:
  - Makes the LightIOV mediated devices (mdevs) of the host exactly those listed, now and at every boot.
    Listed ones are defined, started and set up; unlisted ones are stopped and undefined.
  - Mdevs of other drivers are never touched.
  - On a host with systemd, libvirt waits at boot until the listed mdevs are there, 90 seconds at most.
  - An mdev whose attributes differ is stopped, defined anew and started, which needs that no VM has it open.
  - The whole list is checked against itself and against the controllers before the first change, so an error leaves
    the host as it was.
  - In check mode a controller that is still bound to another driver is taken as one that a preceding
    M(lightiov.nvme.controller) would have bound.
requirements:
  - mdevctl
author:
  - LightIOV contributors (@lightiov)
extends_documentation_fragment:
  - lightiov.nvme.attributes
options:
  mdevs:
    description:
      - The LightIOV mdevs of the host, all of them. An empty list removes all.
    type: list
    elements: dict
    required: true
    suboptions:
      uuid:
        description:
          - UUID of the mdev. P(lightiov.nvme.mdev_uuid#filter) makes one that stays the same.
        type: str
        required: true
      parent:
        description:
          - Controller, by serial number or by PCI address with domain.
        type: str
        required: true
      type:
        description:
          - Type of the mdev.
        type: str
        choices: [lightiov-passthrough]
        default: lightiov-passthrough
      tenant:
        description:
          - Tenant, that is the set of VMs that trust each other. All mdevs of one controller have the same.
          - 1 to 64 letters, digits, dots, underscores and hyphens.
        type: str
        required: true
      queue_pairs:
        description:
          - Hardware I/O queue pairs to reserve, 1 to 128.
        type: int
        default: 1
      namespaces:
        description:
          - NSIDs that the mdev gets, each for itself alone.
        type: list
        elements: int
        required: true
  force:
    description:
      - Also stop an mdev that a VM has open. The kernel asks the VM to give it up, and the module waits
        for that up to O(timeout) seconds.
    type: bool
    default: false
  timeout:
    description:
      - Seconds to wait for a VM to give up an mdev with O(force=true).
    type: int
    default: 30
seealso:
  - module: lightiov.nvme.controller
  - module: lightiov.nvme.domain_mdev
  - module: lightiov.nvme.mdev_info
"""

EXAMPLES = r"""
- name: Give each of two VMs two queue pairs and one namespace
  lightiov.nvme.mdev:
    mdevs:
      - uuid: "{{ 'S5XANA0R700001' | lightiov.nvme.mdev_uuid('vm1', 'data') }}"
        parent: S5XANA0R700001
        tenant: blue
        queue_pairs: 2
        namespaces: [1]
      - uuid: "{{ 'S5XANA0R700001' | lightiov.nvme.mdev_uuid('vm2', 'data') }}"
        parent: S5XANA0R700001
        tenant: blue
        queue_pairs: 2
        namespaces: [2]

- name: Remove all LightIOV mdevs
  lightiov.nvme.mdev:
    mdevs: []
"""

RETURN = r"""
unmet:
  description:
    - What a run would refuse, unless an earlier task makes it possible before. Each has a C(sentence), and in C(until)
      who may make it possible, such as C(packages) or a module.
  returned: in check mode
  type: list
  elements: dict
actions:
  description: What was done, or would be done in check mode, in order.
  returned: always
  type: list
  elements: dict
  contains:
    action:
      description: C(stop), C(undefine), C(define), C(start), C(boot_rule) or C(boot_order).
      type: str
      sample: start
    object:
      description: UUID of the mdev, or path of the udev rule or systemd unit.
      type: str
      sample: 8d1a5f9e-96c4-5fd1-bb5e-0c0a2e6c8a55
    address:
      description: PCI address of the controller.
      type: str
      sample: "0000:01:00.0"
mdevs:
  description: The LightIOV mdevs of the host after the run, or as they would be after it in check mode.
  returned: always
  type: list
  elements: dict
  contains:
    uuid:
      description: UUID.
      type: str
      sample: 8d1a5f9e-96c4-5fd1-bb5e-0c0a2e6c8a55
    parent:
      description: Serial number of the controller, or its PCI address when no driver reports one.
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
    tenant:
      description: Tenant.
      type: str
      sample: blue
    queue_pairs:
      description: Reserved hardware I/O queue pairs.
      type: int
      sample: 2
    namespaces:
      description: NSIDs.
      type: list
      elements: int
      sample: [1]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.lightiov.nvme.plugins.module_utils import _mdev as mdev
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._plan import execute


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "mdevs": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "uuid": {"type": "str", "required": True},
                    "parent": {"type": "str", "required": True},
                    "type": {"type": "str", "choices": ["lightiov-passthrough"], "default": "lightiov-passthrough"},
                    "tenant": {"type": "str", "required": True},
                    "queue_pairs": {"type": "int", "default": 1},
                    "namespaces": {"type": "list", "elements": "int", "required": True},
                },
            },
            "force": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
    )
    execute(
        module,
        lambda: mdev.plan(
            Host(),
            wanted=[mdev.Wanted.parse(options) for options in module.params["mdevs"]],
            force=module.params["force"],
            timeout=module.params["timeout"],
            predict=module.check_mode,
        ),
    )


if __name__ == "__main__":
    main()
