#!/usr/bin/python
# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: placements
short_description: Plan the fleet and write where its VMs are
version_added: 0.2.0
description:
  - Plans as P(lightiov.nvme.partition#filter) does, and writes one file a host, on the machine that runs Ansible.
  - A file is written only when it says something new, and only for hosts that have answered. Its
    C(lightiov_generation) is that of the host which the plan was made from.
author:
  - LightIOV contributors (@lightiov)
requirements:
  - netaddr where Ansible runs, if a host has an C(address_pool)
extends_documentation_fragment:
  - lightiov.nvme.planning
options:
  hosts:
    description: The hosts by name, as the input of P(lightiov.nvme.partition#filter) without C(placements).
    type: dict
  directory:
    description: Where the files are, each C(HOST.yml). Required with O(hosts).
    type: path
  unplaced:
    description:
      - What an earlier call returned. Unless it is empty, the run ends with Ansible's exit code 4, so that scripts tell
        it from what fails.
      - Exactly one of it and O(hosts) is required.
    type: list
    elements: dict
  memory_mib:
    description: Memory in MiB of VMs that say nothing else.
    type: int
    default: 512
  vcpus:
    description: Virtual CPUs of VMs that say nothing else.
    type: int
    default: 2
attributes:
  check_mode:
    description: Plans, and writes only to a directory that ends with the run.
    support: full
  diff_mode:
    description: Shows the files before and after.
    support: full
  action:
    description: Runs on the machine that runs Ansible.
    support: full
  platform:
    description: Target systems that the module was made for.
    platforms: linux
    support: full
seealso:
  - plugin: lightiov.nvme.partition
    plugin_type: filter
  - module: lightiov.nvme.generation
"""

EXAMPLES = r"""
- name: Plan the fleet
  lightiov.nvme.placements:
    hosts: "{{ fleet }}"
    directory: "{{ inventory_dir }}/placements"
  register: plan
  run_once: true

- name: End with exit code 4 when a VM does not fit
  lightiov.nvme.placements:
    unplaced: "{{ plan.unplaced }}"
  run_once: true
"""

RETURN = r"""
hosts:
  description: Hosts whose placements have changed.
  returned: success
  type: list
  elements: str
directory:
  description:
    - Where the files of these hosts are. In check mode that is a directory of the run, which ends with it, and has them
      as they would be.
  returned: success
  type: str
  sample: /home/admin/inventory/placements
unplaced:
  description: VMs that do not fit, each with a sentence, a funnel, the wishes in conflict and the nearest remedy.
  returned: success
  type: list
  elements: dict
refused:
  description: One sentence for each wish that placed VMs do not get where they are.
  returned: success
  type: list
  elements: str
cautions:
  description: One sentence for each thing that is not as it should be.
  returned: success
  type: list
  elements: str
leaving:
  description: What is still on hosts, controllers and namespaces that are to be empty.
  returned: success
  type: list
  elements: str
moves:
  description: Moves, as they were asked for.
  returned: success
  type: list
  elements: dict
"""
