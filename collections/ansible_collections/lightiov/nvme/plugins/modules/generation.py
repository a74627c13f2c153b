#!/usr/bin/python
# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: generation
short_description: Accept a host's placements unless they are stale
version_added: 0.2.0
description:
  - Every host counts how often its placements have changed. A plan says which number it was made from.
  - When others have been applied since, the plan is refused, so that two operators never allot anything twice.
  - The same placements again change nothing.
  - The host keeps the placements, so that M(lightiov.nvme.host_info) can tell them to who has lost their file.
author:
  - LightIOV contributors (@lightiov)
extends_documentation_fragment:
  - lightiov.nvme.attributes
options:
  name:
    description: Name of the host, for messages.
    type: str
    required: true
  expected:
    description: The number that the plan was made from, C(lightiov_generation) of the file of placements.
    type: int
    required: true
  digest:
    description: A digest of the placements.
    type: str
    required: true
  placements:
    description: The placements, which the host keeps.
    type: list
    elements: dict
seealso:
  - module: lightiov.nvme.placements
"""

EXAMPLES = r"""
- name: Accept the placements
  lightiov.nvme.generation:
    name: "{{ inventory_hostname }}"
    expected: "{{ lightiov_generation }}"
    digest: "{{ lightiov_vms | to_json(sort_keys=true) | hash('sha256') }}"
    placements: "{{ lightiov_vms }}"
"""

RETURN = r"""
generation:
  description: The number that the host is at.
  returned: success
  type: int
  sample: 7
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError, sentence
from ansible_collections.lightiov.nvme.plugins.module_utils._generation import accept
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._returned import parameters


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "expected": {"type": "int", "required": True},
            "digest": {"type": "str", "required": True},
            "placements": {"type": "list", "elements": "dict"},
        },
        supports_check_mode=True,
    )
    options = module.params
    try:
        before, after = accept(
            Host(note=module.log),
            options["name"],
            options["expected"],
            options["digest"],
            vms=options["placements"],
            act=not module.check_mode,
        )
    except (LightiovError, OSError) as error:
        module.fail_json(msg=sentence(error))
    module.exit_json(
        changed=before != after,
        generation=after.number,
        diff={"before": f"generation {before.number}\n", "after": f"generation {after.number}\n"},
        **parameters(module),
    )


if __name__ == "__main__":
    main()
