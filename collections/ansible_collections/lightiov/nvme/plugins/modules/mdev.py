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
  - An mdev is what one VM has of one controller, that is queue pairs and a list of disks. A disk is a whole namespace
    or, with a size, a part of one. The module chooses where parts are, and the definitions keep it.
  - Each definition names its controller by serial number and its namespaces by NGUID or EUI-64 where they have one, and
    the host module starts it on no other. When a drive has moved to another PCI address, its definitions follow it.
  - Mdevs of other drivers are never touched, nor are LightIOV mdevs and definitions that this module has not made,
    unless O(mdevs) or O(absent) names them. It knows its own by a label. Those it leaves alone it warns of.
  - What another tenant had last (F(/etc/lightiov/tenants.json) tells) is given to the next one only when it was read
    and is blank, see O(erase). So is a part of a namespace that another disk had, of whatever tenant. Within a tenant,
    a whole namespace passes with its data.
  - On a host with systemd, libvirt waits at boot until the listed mdevs are there, 90 seconds at most.
  - An mdev of which only disks differ is changed while its VM runs. Disks come and grow at once. One that goes is
    asked for, and taken when the guest has let it go; see O(force).
  - An mdev of which more differs is stopped, defined anew and started, which needs that no VM has it open.
  - The whole list is checked against itself and against the controllers before the first change, so an error leaves
    the host as it was.
  - The version before made an mdev of each disk. Their definitions are replaced by that of the VM's mdev, in which each
    keeps its namespace. Those that a VM has open are left until all of the VM's are closed.
  - In check mode a controller that is still bound to another driver is taken as one that a preceding
    M(lightiov.nvme.controller) would have bound.
requirements:
  - mdevctl
  - liov (role P(lightiov.nvme.native#role) installs it), when a namespace goes to another tenant
author:
  - LightIOV contributors (@lightiov)
extends_documentation_fragment:
  - lightiov.nvme.applied
  - lightiov.nvme.attributes
  - lightiov.nvme.returned
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
      disks:
        description:
          - Disks that the VM has of the controller, 32 at most.
        type: list
        elements: dict
        required: true
        suboptions:
          name:
            description:
              - Name, unique in the mdev. By it a disk is known again, and so keeps its place and its identity.
            type: str
            required: true
          namespace:
            description:
              - Namespace that it is on, by number (NSID), or by C(eui.) and the 32 hexadecimal digits of the NGUID or,
                where a namespace has none, the 16 of its EUI-64.
              - Or by its name in the list of M(lightiov.nvme.namespace), if that module made it.
              - One named by number must still be the one that the mdev was given under that number.
            type: str
            required: true
          size:
            description:
              - Size such as C(200 GiB), in MiB, GiB or TiB. The disk is a part of the namespace of that size. It may
                grow if what is behind it is free, and never shrinks.
              - Without it, the disk is the whole namespace.
            type: str
          read_only:
            description:
              - Whether it can only be read. Disks that can only be read may be on one namespace, whole, in several
                mdevs.
            type: bool
            default: false
      label:
        description:
          - The VM that it is for, shown in messages. Characters that a label cannot have become underscores.
          - The identities of new disks follow from it, without it from O(mdevs[].uuid).
        type: str
        default: ""
  absent:
    description:
      - UUIDs of mdevs, and IDs of disks, that are to go. They are removed without O(remove), mdevs by whomever they
        were made.
    type: list
    elements: str
    default: []
  remove:
    description:
      - Consent to remove mdevs, and disks of mdevs, that are neither in O(mdevs) nor in O(absent). Without it they are
        named and the task is refused, since they may be missing by mistake. What changes is not removed.
    type: bool
    default: false
  removals_max:
    description:
      - How many of these one call may remove. Without it, any number.
    type: int
  erase:
    description:
      - Consent to erase what another tenant or another disk has left, by writing zeroes, which are read back.
        Without it that is read, and the task is refused unless it is blank.
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
        for that up to O(timeout) seconds.
      - Also take a disk away that the guest does not let go of within O(timeout) seconds. What it has not yet written
        is lost.
      - It is no consent to anything else.
    type: bool
    default: false
  timeout:
    description:
      - Seconds to wait for a guest to let go of a disk, and with O(force=true) for a VM to give up an mdev.
    type: int
    default: 30
  returns:
    choices: [actions, disks, mdevs, released, unmet]
seealso:
  - module: lightiov.nvme.controller
  - module: lightiov.nvme.domain_mdev
  - module: lightiov.nvme.mdev_info
"""

EXAMPLES = r"""
- name: Give each of two VMs two queue pairs, the one a whole namespace, the other two parts of one
  lightiov.nvme.mdev:
    mdevs:
      - uuid: "{{ 'S5XANA0R700001' | lightiov.nvme.mdev_uuid('vm1') }}"
        label: vm1
        parent: S5XANA0R700001
        tenant: blue
        queue_pairs: 2
        disks:
          - name: data
            namespace: 1
      - uuid: "{{ 'S5XANA0R700001' | lightiov.nvme.mdev_uuid('vm2') }}"
        label: vm2
        parent: S5XANA0R700001
        tenant: blue
        queue_pairs: 2
        disks:
          - name: data
            namespace: 2
            size: 200 GiB
          - name: log
            namespace: 2
            size: 20 GiB

- name: Name the namespace by its NGUID
  lightiov.nvme.mdev:
    mdevs:
      - uuid: "{{ 'S5XANA0R700001' | lightiov.nvme.mdev_uuid('vm1') }}"
        label: vm1
        parent: S5XANA0R700001
        tenant: blue
        disks:
          - name: data
            namespace: eui.0123456789abcdef0025385b01400c1d

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
  returned: in check mode, unless O(returns) leaves it out
  type: list
  elements: dict
actions:
  description: What was done, or would be done in check mode, in order.
  returned: unless O(returns) leaves it out
  type: list
  elements: dict
  contains:
    action:
      description: >-
        C(check_blank), C(record), C(stop), C(release), C(undefine), C(boot_rule), C(boot_order), C(erase), C(define),
        C(start), C(add), C(grow), C(keep), which takes back that a disk is asked for, or C(convert), which undefines
        what the version before made.
      type: str
      sample: start
    object:
      description: >-
        UUID of the mdev; NSID and identity of the namespace that is read or erased, and first LBA of a part; or path of
        the record of tenants, udev rule or systemd unit.
      type: str
      sample: 8d1a5f9e-96c4-5fd1-bb5e-0c0a2e6c8a55
    address:
      description: PCI address of the controller.
      type: str
      sample: "0000:01:00.0"
    disk:
      description: Name of the disk that comes, grows or goes.
      type: str
      sample: data
actions_total:
  description: How many actions that were.
  returned: always
  type: int
  sample: 1
disks:
  description:
    - ID and NSID of the disks of each mdev after the run or, in check mode, as they would be, by the UUID of the mdev
      and the name of the disk. Empty for an mdev that is only defined.
  returned: unless O(returns) leaves it out
  type: dict
  sample: {"8d1a5f9e-96c4-5fd1-bb5e-0c0a2e6c8a55": {"data": {"id": "5a0b7f3e-4dd6-5b3c-9a55-0d4f0e4c5f11", "nsid": 1}}}
released:
  description:
    - The disks that VMs lose in the run, or would lose in check mode, and where their data is, which nobody erases
      before another disk gets its place. Listed again by its name, a disk comes back there, unless another has been
      given it.
  returned: unless O(returns) leaves it out
  type: list
  elements: dict
  contains:
    vm:
      description: The VM that had it, by the label of the mdev, or the UUID of an mdev without one.
      type: str
      sample: vm1
    disk:
      description: Its name.
      type: str
      sample: data
    controller:
      description: Serial number of the controller.
      type: str
      sample: S5XANA0R700001
    namespace:
      description: The namespace, by NGUID or EUI-64 if it has one, else by its number.
      type: str
      sample: eui.0123456789abcdef0025385b01400c1d
    first:
      description: First byte in the namespace, C(null) when no driver tells the size of its LBAs.
      type: int
      sample: 1048576
    bytes:
      description: Size in bytes, C(null) when no driver tells it.
      type: int
      sample: 214748364800
mdevs:
  description: The LightIOV mdevs of the host after the run, or as they would be after it in check mode.
  returned: unless O(returns) leaves it out
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
      sample: vm1
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
from ansible_collections.lightiov.nvme.plugins.module_utils import _returned
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
                    "disks": {
                        "type": "list",
                        "elements": "dict",
                        "required": True,
                        "options": {
                            "name": {"type": "str", "required": True},
                            "namespace": {"type": "str", "required": True},
                            "size": {"type": "str"},
                            "read_only": {"type": "bool", "default": False},
                        },
                    },
                },
            },
            "absent": {"type": "list", "elements": "str", "default": []},
            "remove": {"type": "bool", "default": False},
            "removals_max": {"type": "int"},
            "erase": {"type": "bool", "default": False},
            "phase": {"type": "str", "choices": ["all", "shrink", "grow"], "default": "all"},
            "force": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 30},
            "generation": {"type": "int"},
            "returns": _returned.option("actions", "disks", "mdevs", "released", "unmet"),
        },
        supports_check_mode=True,
    )
    host = Host(note=module.log)
    execute(
        module,
        host,
        lambda: plan(host, request(module.params), predict=module.check_mode),
        module.params["generation"],
    )


if __name__ == "__main__":
    main()
