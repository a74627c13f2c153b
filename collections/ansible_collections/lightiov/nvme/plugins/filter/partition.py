# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter lightiov.nvme.partition."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._partition import fleet

DOCUMENTATION = r"""
name: partition
short_description: Decide which host, controller and namespace each VM of the fleet gets
version_added: 0.2.0
author:
  - LightIOV contributors (@lightiov)
description:
  - Takes what the operator wants, what the hosts have and what is placed, and gives placements.
  - The same input gives the same placements, whatever its order. What is placed stays. Planned again, nothing changes.
  - Changes nothing by itself. The playbooks C(lightiov.nvme.plan) and C(lightiov.nvme.deploy) write what it returns.
requirements:
  - netaddr, where a host has an C(address_pool)
extends_documentation_fragment:
  - lightiov.nvme.planning
positional: strategy, reserve
options:
  _input:
    description:
      - The hosts by name. Each has its list of VMs as C(vms), what M(lightiov.nvme.host_info) returned as C(found) or
        nothing when the host did not answer, C(asked) as false when that is no surprise, C(placed) of it alone when
        the host gets nothing new, its C(lightiov_resources) as C(settings), its C(lightiov_address_pool) as
        C(address_pool), the names of its groups as C(groups), and the content of its file of placements as
        C(placements).
      - C(found) with C(network) says which addresses of the pool are leased.
      - A VM that may be on a host of which neither C(found) nor C(placed) nor C(placements) is there is not placed.
      - A host without a file, whose list is its own and names controller and namespace of every disk, keeps that list.
    type: dict
    required: true
seealso:
  - module: lightiov.nvme.host_info
  - module: lightiov.nvme.placements
"""

EXAMPLES = r"""
- name: Show why VMs do not fit
  ansible.builtin.debug:
    msg: "{{ (fleet | lightiov.nvme.partition(strategy='spread')).unplaced | map(attribute='sentence') }}"

- name: Show the VMs of each host
  ansible.builtin.debug:
    msg: "{{ (fleet | lightiov.nvme.partition).placements | community.general.json_query('*[].name') }}"
"""

RETURN = r"""
_value:
  description:
    - C(placements), the VMs of each host as its C(lightiov_vms). C(files), the same as text, for hosts that
      answered and do not keep a list of their own.
    - C(unplaced), with C(vm), C(sentence), C(funnel), C(conflict) and C(remedy) for each VM that does not fit.
    - C(refused), C(cautions) and C(leaving), sentences. C(moves), as asked for.
  type: dict
"""


def partition(
    hosts: Mapping[str, Mapping[str, Any]],
    strategy: str = "pack",
    reserve: int = 0,
    moves_for: Sequence[str] = (),
    moves_from: Sequence[str] = (),
) -> dict[str, Any]:
    try:
        return fleet.partition(hosts, fleet.Policy(strategy, reserve, moves_for, moves_from))
    except LightiovError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        return {"partition": partition}
