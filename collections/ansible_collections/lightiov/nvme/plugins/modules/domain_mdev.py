#!/usr/bin/python
# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: domain_mdev
short_description: Manage the mediated devices of libvirt domains
version_added: 0.1.0
description:
  - Makes the LightIOV mediated devices (mdevs) of each listed domain exactly those listed, in its persistent
    definition and, while it runs, by hot plug in the live domain.
  - Only the host devices of LightIOV mdevs are compared and changed, by UUID and against the inactive XML. All other
    elements of a domain, mdevs of other drivers and PCI host devices included, are left alone. A host device is
    LightIOV's when its alias starts with C(ua-lightiov-), which the module gives to each that it adds, or when
    mdevctl or sysfs says that its type starts with C(lightiov-).
  - Domains that are not listed are not changed, but for the mdevs in O(absent), and host devices with the alias whose
    mdev is neither there nor defined any more, because the domain cannot start with them.
  - An mdev is detached from a running domain when its guest has let it go. A guest that still plugs it in is asked
    again.
  - A running domain with mdevs of the version before, one for each disk, keeps them until it is off. Its persistent
    definition gets those that take their place.
  - A live domain must have a free hot-plug port (C(pcie-root-port) on the C(q35) machine) for each mdev that it gets.
  - All domains are checked before the first is changed.
author:
  - LightIOV contributors (@lightiov)
extends_documentation_fragment:
  - lightiov.nvme.applied
  - lightiov.nvme.attributes
  - lightiov.nvme.libvirt
  - lightiov.nvme.returned
options:
  domains:
    description:
      - The domains to look after.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description:
          - Name of the domain.
        type: str
        required: true
      mdevs:
        description:
          - UUIDs of the LightIOV mdevs that the domain has, and no others. An empty list detaches all.
        type: list
        elements: str
        required: true
  absent:
    description:
      - UUIDs of LightIOV mdevs that no domain of the host may have, listed or not.
    type: list
    elements: str
    default: []
  returns:
    choices: [actions, domains, unmet]
seealso:
  - module: lightiov.nvme.domain
  - module: lightiov.nvme.mdev
notes:
  - In check mode a domain or mdev that is not there is taken as one that a preceding task would have made.
"""

EXAMPLES = r"""
- name: Give vm1 its disks and take those of vm2 away
  lightiov.nvme.domain_mdev:
    domains:
      - name: vm1
        mdevs:
          - "{{ 'S5XANA0R700001' | lightiov.nvme.mdev_uuid('vm1') }}"
      - name: vm2
        mdevs: []

- name: Take an mdev away from whichever domain has it
  lightiov.nvme.domain_mdev:
    absent:
      - "{{ 'S5XANA0R700001' | lightiov.nvme.mdev_uuid('vm3') }}"
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
      description: C(attach) or C(detach).
      type: str
      sample: attach
    object:
      description: UUID of the mdev.
      type: str
      sample: 8d1a5f9e-96c4-5fd1-bb5e-0c0a2e6c8a55
    domain:
      description: Name of the domain.
      type: str
      sample: vm1
    scope:
      description: C(live) for the running domain, C(config) for its persistent definition.
      type: str
      sample: config
actions_total:
  description: How many actions that were.
  returned: always
  type: int
  sample: 1
domains:
  description: >-
    The listed domains, and others that lose an mdev, after the run or, in check mode, as they would be.
  returned: unless O(returns) leaves it out
  type: list
  elements: dict
  contains:
    name:
      description: Name of the domain.
      type: str
      sample: vm1
    active:
      description: Whether it runs.
      type: bool
      sample: true
    mdevs:
      description: UUIDs of the LightIOV mdevs in its persistent definition.
      type: list
      elements: str
      sample: [8d1a5f9e-96c4-5fd1-bb5e-0c0a2e6c8a55]
    live:
      description: UUIDs of the LightIOV mdevs in the running domain.
      type: list
      elements: str
      sample: [8d1a5f9e-96c4-5fd1-bb5e-0c0a2e6c8a55]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.lightiov.nvme.plugins.module_utils import _domain, _returned
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._plan import execute
from ansible_collections.lightiov.nvme.plugins.module_utils._uuids import canonical


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "domains": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "name": {"type": "str", "required": True},
                    "mdevs": {"type": "list", "elements": "str", "required": True},
                },
            },
            "absent": {"type": "list", "elements": "str", "default": []},
            "uri": {"type": "str", "default": "qemu:///system"},
            "timeout": {"type": "int", "default": 60},
            "generation": {"type": "int"},
            "returns": _returned.option("actions", "domains", "unmet"),
        },
        supports_check_mode=True,
    )
    host = Host(note=module.log)
    execute(
        module,
        host,
        lambda: _domain.plan(
            host,
            uri=module.params["uri"],
            wanted=[_domain.Wanted.parse(options) for options in module.params["domains"]],
            absent=[canonical(uuid) for uuid in module.params["absent"]],
            timeout=module.params["timeout"],
            predict=module.check_mode,
        ),
        module.params["generation"],
    )


if __name__ == "__main__":
    main()
