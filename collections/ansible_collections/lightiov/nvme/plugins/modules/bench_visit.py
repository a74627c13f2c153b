#!/usr/bin/python
# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: bench_visit
short_description: Measure one way to give a VM an NVMe drive
version_added: 0.2.0
description:
  - Takes a spare controller to the driver that the contender needs, starts a VM, runs workloads in it, counts what they
    cost, and gives the controller back to the stock driver.
  - The VM is made of the host's own kernel and programs. It needs no image and no network.
  - M(lightiov.nvme.bench) calls it for each contender in each round.
author:
  - LightIOV contributors (@lightiov)
extends_documentation_fragment:
  - lightiov.nvme.bench
  - lightiov.nvme.bench.vm
options:
  size_mib:
    description: How much of the namespace is used at most, in MiB.
    type: int
    default: 65536
  contender:
    description: What to measure.
    type: str
    required: true
    choices:
      - host
      - vfio
      - lightiov
      - virtio-blk
      - virtio-nvme
      - vhost-user
      - vfio-polled
      - lightiov-polled
      - virtio-polled
  workloads:
    description: Names of the workloads, in their order.
    type: list
    elements: str
    required: true
  seconds:
    description: How long each is counted.
    type: float
    default: 10
  vms:
    description: How many VMs have their shares of the namespace, all at once. With 0 one VM has all of it.
    type: int
    default: 0
attributes:
  check_mode:
    description: Does nothing.
    support: full
seealso:
  - module: lightiov.nvme.bench
"""

EXAMPLES = r"""
- name: Measure the whole device in a VM
  lightiov.nvme.bench_visit:
    serial: S5XANA0R700001
    contender: vfio
    workloads: [randread-qd1, randread-qd32]
"""

RETURN = r"""
visit:
  description: What was measured, with the configuration of the contender.
  returned: success, but not in check mode
  type: dict
refused:
  description: Whether the drive itself was refused, so that no other contender can be measured either.
  returned: failure
  type: bool
  sample: false
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.answer import answer
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.arguments import MIB, ON_HOST, VM
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.contenders import CONTENDERS
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.machine import Shape
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.order import Order
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.visit import visit
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.workloads import WORKLOADS
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **ON_HOST,
            **VM,
            "contender": {"type": "str", "required": True, "choices": list(CONTENDERS)},
            "workloads": {"type": "list", "elements": "str", "required": True},
            "vms": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    given = module.params
    unknown = [name for name in given["workloads"] if name not in WORKLOADS]
    if unknown:
        module.fail_json(msg=f"There is no workload {unknown[0]!r}: choose from {', '.join(WORKLOADS)}", refused=True)
    order = Order(
        serial=given["serial"].strip(),
        nsid=given["namespace"],
        size=given["size_mib"] * MIB,
        contender=given["contender"],
        workloads=tuple(given["workloads"]),
        seconds=given["seconds"],
        shape=Shape(given["vcpus"], given["memory_mib"], given["kernel_arguments"]),
        packages=given["packages"] or "",
        version=given["version"],
        vms=given["vms"],
    )
    answer(module, lambda: visit(Host(), order))


if __name__ == "__main__":
    main()
