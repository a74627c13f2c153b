#!/usr/bin/python
# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: bench_crowd
short_description: Measure what many clients cost on one NVMe drive
version_added: 0.2.0
description:
  - Takes a spare controller, makes as many mediated devices on it as there are to be clients, opens them by C(liov),
    has all do I/O at once, and gives the controller back to the stock driver.
  - M(lightiov.nvme.bench) calls it.
author:
  - LightIOV contributors (@lightiov)
extends_documentation_fragment:
  - lightiov.nvme.bench
options:
  size_mib:
    description: How much of the namespace is used at most, in MiB.
    type: int
    default: 65536
  clients:
    description: How many, each with a queue pair.
    type: int
    required: true
  seconds:
    description: How long they do I/O at least.
    type: float
    default: 10
attributes:
  check_mode:
    description: Does nothing.
    support: full
seealso:
  - module: lightiov.nvme.bench
"""

EXAMPLES = r"""
- name: Measure what 200 clients cost
  lightiov.nvme.bench_crowd:
    serial: S5XANA0R700001
    clients: 200
"""

RETURN = r"""
visit:
  description: What was measured.
  returned: success, but not in check mode
  type: dict
refused:
  description: Whether the drive itself was refused.
  returned: failure
  type: bool
  sample: false
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.answer import answer
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.arguments import MIB, ON_HOST
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.crowd import Order, crowd
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **ON_HOST,
            "clients": {"type": "int", "required": True},
        },
        supports_check_mode=True,
    )
    given = module.params
    order = Order(
        serial=given["serial"].strip(),
        nsid=given["namespace"],
        size=given["size_mib"] * MIB,
        clients=given["clients"],
        seconds=given["seconds"],
    )
    answer(module, lambda: crowd(Host(), order))


if __name__ == "__main__":
    main()
