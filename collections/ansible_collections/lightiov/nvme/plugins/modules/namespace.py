#!/usr/bin/python
# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: namespace
short_description: Manage the NVMe namespaces of LightIOV's controllers
version_added: 0.2.0
description:
  - Creates, attaches, detaches, formats, fills and deletes namespaces of the host's controllers that belong to
    LightIOV, so that they are as listed. An empty list leaves all of them alone.
  - A namespace is known by its NGUID, EUI-64 or UUID and by its size, never by its number. A controller chooses the
    identity of a namespace that it creates, so C(/etc/lightiov/namespaces.json) keeps which ones were made, by the
    names of the list.
  - Data is protected. A namespace that is in use is never deleted, formatted or detached. One that is not blank, which
    is read, or that something else has made is only deleted or formatted when O(destroy) names it.
  - Few drives create namespaces, consumer drives do not. There, disks of VMs are parts of a namespace
    (RV(lightiov.nvme.mdev#module:mdevs[].disks)).
  - The whole list is checked before the first change, so an error leaves the host as it was. A run that was cut short
    at any point is completed by the next one.
  - While a namespace is read or filled, the host's journal says every ten seconds how far that is.
requirements:
  - mdevctl and liov (role P(lightiov.nvme.native#role) installs it), when a namespace is read or filled
author:
  - LightIOV contributors (@lightiov)
extends_documentation_fragment:
  - lightiov.nvme.attributes
options:
  namespaces:
    description:
      - The namespaces of the host that are LightIOV's to manage. One that LightIOV made and that is missing is
        deleted, see O(remove). One that something else made and that is missing is left alone.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description:
          - Name, unique on its controller. By it a namespace that LightIOV made is known again.
          - It begins with a letter and has letters, digits, underscores and hyphens, 64 at most.
        type: str
        required: true
      controller:
        description:
          - Controller, by serial number or by PCI address with domain.
        type: str
        required: true
      namespace:
        description:
          - Identity of a namespace that something else has made, C(eui.) and the hexadecimal digits of its NGUID or
            EUI-64, or C(uuid.) and its UUID.
          - Without it, the namespace is made unless it was before.
        type: str
      size:
        description:
          - Size such as C(200 GiB), in MiB, GiB or TiB. Needed for one that is to be made. No namespace changes its
            size.
        type: str
      block_size:
        description:
          - Bytes of a logical block. By default the largest that the controller has, up to 4096, when the namespace is
            made, and whatever it has after that.
          - A namespace with other blocks is formatted, which needs that it is blank, or that O(destroy) names it.
        type: int
        choices: [512, 4096]
      state:
        description:
          - V(attached). It is there, and the controller shows it.
          - V(detached). It is there with its data, and the controller does not show it.
          - V(absent). It is deleted.
        type: str
        choices: [attached, detached, absent]
        default: attached
      image:
        description:
          - Raw image or block device on the host that the namespace is filled from, by C(liov copy-in), when it is
            made. After that it is not looked at again.
        type: path
  destroy:
    description:
      - Identities of namespaces of which all data may be lost. It deletes nothing by itself.
    type: list
    elements: str
    default: []
  remove:
    description:
      - Consent to delete namespaces that LightIOV has made and that are not in O(namespaces). Without it they are
        named and the task is refused, since they may be missing by mistake.
    type: bool
    default: false
  removals_max:
    description:
      - How many of these one call may delete. Without it, any number.
    type: int
  phase:
    description:
      - V(all) does all in one call.
      - V(grow) leaves what goes and is still in use, so that M(lightiov.nvme.mdev) can take disks away after it.
      - V(shrink) only deletes what goes, after that.
    type: str
    choices: [all, grow, shrink]
    default: all
seealso:
  - module: lightiov.nvme.controller
  - module: lightiov.nvme.mdev
"""

EXAMPLES = r"""
- name: Make a namespace, and another one with an image on it
  lightiov.nvme.namespace:
    namespaces:
      - name: data
        controller: S5XANA0R700001
        size: 200 GiB
      - name: golden
        controller: S5XANA0R700001
        size: 10 GiB
        block_size: 512
        image: /var/lib/libvirt/images/debian-13.raw

- name: Delete a namespace that something else has made, with all that is on it
  lightiov.nvme.namespace:
    namespaces:
      - name: former
        controller: S5XANA0R700001
        namespace: eui.0123456789abcdef0025385b01400c1d
        state: absent
    destroy:
      - eui.0123456789abcdef0025385b01400c1d
"""

RETURN = r"""
unmet:
  description:
    - What a run would refuse, unless an earlier task makes it possible before. Each has a C(sentence), and in C(until)
      who may make it possible, such as C(controller).
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
      description:
        - C(create), C(attach), C(fill), C(format), C(check_blank), C(detach), C(delete); C(record) for what is written
          down of a run that was cut short, or C(stop) of an mdev that it left.
      type: str
      sample: create
    object:
      description: Identity of the namespace, its name before it has one, path of the record, or UUID of the mdev.
      type: str
      sample: data
    controller:
      description: Serial number of the controller.
      type: str
      sample: S5XANA0R700001
    name:
      description: Name of the namespace.
      type: str
      sample: data
actions_total:
  description: How many actions that were.
  returned: always
  type: int
  sample: 1
namespaces:
  description:
    - All namespaces of the controllers that are listed, or on which LightIOV has made any, after the run, or as they
      would be after it in check mode.
  returned: always
  type: list
  elements: dict
  contains:
    controller:
      description: Serial number of the controller.
      type: str
      sample: S5XANA0R700001
    name:
      description: Name, empty for one that is not listed.
      type: str
      sample: data
    nsid:
      description: Namespace ID, C(null) for one that check mode would make.
      type: int
      sample: 3
    identity:
      description: What names it as a disk's namespace, empty when it has none or would only be made.
      type: str
      sample: eui.0123456789abcdef0025385b01400c1d
    size:
      description: Bytes.
      type: int
      sample: 214748364800
    block_size:
      description: Bytes of a logical block.
      type: int
      sample: 4096
    attached:
      description: Whether it is attached to the controller.
      type: bool
      sample: true
    made:
      description: Whether LightIOV has made it.
      type: bool
      sample: true
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._namespace import BLOCK_SIZES, Wanted, parse_identity
from ansible_collections.lightiov.nvme.plugins.module_utils._namespace_plan import Request, plan
from ansible_collections.lightiov.nvme.plugins.module_utils._plan import execute


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "namespaces": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "controller": {"type": "str", "required": True},
                    "namespace": {"type": "str"},
                    "size": {"type": "str"},
                    "block_size": {"type": "int", "choices": list(BLOCK_SIZES)},
                    "state": {"type": "str", "choices": ["attached", "detached", "absent"], "default": "attached"},
                    "image": {"type": "path"},
                },
            },
            "destroy": {"type": "list", "elements": "str", "default": []},
            "remove": {"type": "bool", "default": False},
            "removals_max": {"type": "int"},
            "phase": {"type": "str", "choices": ["all", "grow", "shrink"], "default": "all"},
        },
        supports_check_mode=True,
    )
    params = module.params
    host = Host(note=module.log)
    execute(
        module,
        host,
        lambda: plan(
            host,
            Request(
                wanted=[Wanted.parse(options) for options in params["namespaces"]],
                destroy=frozenset(parse_identity(text, "Option destroy") for text in params["destroy"]),
                remove=params["remove"],
                removals_max=params["removals_max"],
                phase=params["phase"],
            ),
            predict=module.check_mode,
        ),
    )


if __name__ == "__main__":
    main()
