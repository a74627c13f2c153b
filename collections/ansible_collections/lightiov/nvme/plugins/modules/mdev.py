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
  - Each definition names its controller by serial number and its namespaces by NGUID or EUI-64 where they have one, and
    the host module starts it on no other. When a drive has moved to another PCI address, its definitions follow it.
  - Mdevs of other drivers are never touched, nor are LightIOV mdevs and definitions that this module has not made,
    unless O(mdevs) or O(absent) names them. It knows its own by a label. Those it leaves alone it warns of.
  - A namespace that another tenant had last (F(/etc/lightiov/tenants.json) tells) is given to the next one only when
    it was read and is blank, see O(erase).
  - On a host with systemd, libvirt waits at boot until the listed mdevs are there, 90 seconds at most.
  - An mdev whose attributes differ is stopped, defined anew and started, which needs that no VM has it open.
  - The whole list is checked against itself and against the controllers before the first change, so an error leaves
    the host as it was.
  - An mdev that runs and lacks nothing but these identities, because it was started by the version before, is left
    until it is closed.
  - In check mode a controller that is still bound to another driver is taken as one that a preceding
    M(lightiov.nvme.controller) would have bound.
requirements:
  - mdevctl
  - liov (role P(lightiov.nvme.native#role) installs it), when a namespace goes to another tenant
author:
  - LightIOV contributors (@lightiov)
extends_documentation_fragment:
  - lightiov.nvme.attributes
options:
  mdevs:
    description:
      - The LightIOV mdevs of the host, all of them. What is missing is removed, see O(remove) and O(absent).
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
          - Namespaces that the mdev gets, each for itself alone, by number (NSID), or by C(eui.) and the 32 hexadecimal
            digits of the NGUID or, where a namespace has none, the 16 of its EUI-64.
          - One named by number must still be the one that the mdev was given under that number.
        type: list
        elements: str
        required: true
      label:
        description:
          - What it is for, shown in messages. Characters that a label cannot have become underscores.
        type: str
        default: ""
  absent:
    description:
      - UUIDs of mdevs that are to go. They are removed without O(remove), and by whomever they were made.
    type: list
    elements: str
    default: []
  remove:
    description:
      - Consent to remove mdevs that are neither in O(mdevs) nor in O(absent). Without it they are named and the task is
        refused, since they may be missing by mistake. An mdev that changes is not removed.
    type: bool
    default: false
  removals_max:
    description:
      - How many of these one call may remove. Without it, any number.
    type: int
  erase:
    description:
      - Consent to erase what another tenant has left on a namespace, by writing zeroes, which are read back.
        Without it the namespace is read, and the task is refused unless it is blank.
    type: bool
    default: false
  phase:
    description:
      - V(all) does all in one call.
      - V(shrink) only stops and undefines what goes or leaves its controller, so that M(lightiov.nvme.controller) can
        take controllers out of use.
      - V(grow) does the rest after that. It differs from V(all) only in check mode, where it takes the other as done.
    type: str
    choices: [all, shrink, grow]
    default: all
  force:
    description:
      - Also stop an mdev that a VM has open. The kernel asks the VM to give it up, and the module waits
        for that up to O(timeout) seconds. It is no consent to anything else.
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

- name: Name the namespace by its NGUID
  lightiov.nvme.mdev:
    mdevs:
      - uuid: "{{ 'S5XANA0R700001' | lightiov.nvme.mdev_uuid('vm1', 'data') }}"
        label: vm1/data
        parent: S5XANA0R700001
        tenant: blue
        namespaces: [eui.0123456789abcdef0025385b01400c1d]

- name: Remove all LightIOV mdevs
  lightiov.nvme.mdev:
    mdevs: []
    remove: true
"""

RETURN = r"""
unmet:
  description:
    - What a run would refuse, unless an earlier task makes it possible before. Each has a C(sentence), and in C(until)
      who may make it possible, such as C(packages) or a module. What it is about is in C(object), where that matters.
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
      description: >-
        C(check_blank), C(record), C(stop), C(undefine), C(boot_rule), C(boot_order), C(erase), C(define) or C(start).
      type: str
      sample: start
    object:
      description: >-
        UUID of the mdev; NSID and identity of the namespace that is read or erased; or path of the record of tenants,
        udev rule or systemd unit.
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
    label:
      description: What it is for, empty if nothing is said.
      type: str
      sample: vm1/data
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
    identities:
      description: NGUID or EUI-64 of each of these namespaces, empty for one without or of which nobody noted it.
      type: list
      elements: str
      sample: [eui.0123456789abcdef0025385b01400c1d]
    active:
      description: Whether it exists.
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
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._mdev import Wanted
from ansible_collections.lightiov.nvme.plugins.module_utils._mdev_difference import Request
from ansible_collections.lightiov.nvme.plugins.module_utils._mdev_plan import plan
from ansible_collections.lightiov.nvme.plugins.module_utils._plan import execute
from ansible_collections.lightiov.nvme.plugins.module_utils._uuids import canonical


def request(params: dict[str, Any]) -> Request:
    return Request(
        wanted=[Wanted.parse(options) for options in params["mdevs"]],
        absent=frozenset(map(canonical, params["absent"])),
        remove=params["remove"],
        removals_max=params["removals_max"],
        erase=params["erase"],
        force=params["force"],
        timeout=params["timeout"],
        phase=params["phase"],
    )


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
                    "label": {"type": "str", "default": ""},
                    "tenant": {"type": "str", "required": True},
                    "queue_pairs": {"type": "int", "default": 1},
                    "namespaces": {"type": "list", "elements": "str", "required": True},
                },
            },
            "absent": {"type": "list", "elements": "str", "default": []},
            "remove": {"type": "bool", "default": False},
            "removals_max": {"type": "int"},
            "erase": {"type": "bool", "default": False},
            "phase": {"type": "str", "choices": ["all", "shrink", "grow"], "default": "all"},
            "force": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
    )
    execute(module, lambda: plan(Host(), request(module.params), predict=module.check_mode))


if __name__ == "__main__":
    main()
