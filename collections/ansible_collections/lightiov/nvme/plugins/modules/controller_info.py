#!/usr/bin/python
# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: controller_info
short_description: List the NVMe controllers of the host
version_added: 0.1.0
description:
  - Returns every NVMe controller of the host, whichever driver it is bound to, and what uses it.
author:
  - LightIOV contributors (@lightiov)
extends_documentation_fragment:
  - lightiov.nvme.attributes.info
options: {}
seealso:
  - module: lightiov.nvme.controller
"""

EXAMPLES = r"""
- name: Look at the controllers
  lightiov.nvme.controller_info:
  register: nvme

- name: Show the free queue pairs of each
  ansible.builtin.debug:
    msg: "{{ nvme.controllers | items2dict(key_name='serial', value_name='queue_pairs_free') }}"
"""

RETURN = r"""
controllers:
  description: All NVMe controllers of the host, by PCI address.
  returned: always
  type: list
  elements: dict
  contains:
    address:
      description: PCI address.
      type: str
      sample: "0000:01:00.0"
    serial:
      description: Serial number, empty when neither a driver nor the record has it.
      type: str
      sample: S5XANA0R700001
    model:
      description: Model, empty when no driver reports it.
      type: str
      sample: QEMU NVMe Ctrl
    firmware:
      description: Firmware revision, empty when no driver reports it.
      type: str
      sample: 8.2.0
    driver:
      description: Bound PCI driver, empty when there is none.
      type: str
      sample: lightiov
    override:
      description: Driver that driverctl binds at boot, empty when there is none.
      type: str
      sample: lightiov
    held:
      description: Whether LightIOV has the controller, even if its driver is not loaded.
      type: bool
      sample: true
    recorded:
      description: Whether serial, model and firmware are what was written down, because no driver has the controller.
      type: bool
      sample: false
    iommu_group:
      description: IOMMU group, C(null) when the host's IOMMU does not translate the controller.
      type: int
      sample: 12
    numa_node:
      description: NUMA node, C(null) when the host does not say.
      type: int
      sample: 0
    state:
      description: State of the controller as its driver reports it, empty when it does not.
      type: str
      sample: live
    queue_pairs:
      description: I/O queue pairs that LightIOV was granted, C(null) when bound to another driver.
      type: int
      sample: 64
    queue_pairs_free:
      description: Those of them that no mdev has, C(null) when bound to another driver.
      type: int
      sample: 62
    vectors:
      description: Interrupt vectors for I/O, C(null) when bound to another driver.
      type: int
      sample: 64
    windows:
      description: Bytes of I/O virtual addresses for VMs' memory, C(null) when bound to another driver.
      type: int
      sample: 547607019520
    tenant:
      description: Tenant that has the controller, empty when nobody has.
      type: str
      sample: blue
    admin:
      description: Path of the character device for NVMe admin commands, empty when there is none.
      type: str
      sample: /dev/lightiov0
    namespaces:
      description: Active namespaces.
      type: list
      elements: dict
      contains:
        nsid:
          description: Namespace ID.
          type: int
          sample: 1
        lba_size:
          description: Bytes of one LBA.
          type: int
          sample: 4096
        lba_count:
          description: Number of LBAs.
          type: int
          sample: 262144
        device:
          description: Path of the block device when bound to C(nvme), else empty.
          type: str
          sample: /dev/nvme0n1
        owner:
          description: UUID of the mdev that has it, or such as C(2mdevs) when several have parts, empty when none has.
          type: str
          sample: 8d1a5f9e-96c4-5fd1-bb5e-0c0a2e6c8a55
        id:
          description:
            - C(eui.) and NGUID or, where it has none, EUI-64.
            - Empty when the namespace has neither, C(null) when the driver does not tell.
          type: str
          sample: eui.0011223344556677
        granularity:
          description: Bytes of which parts of the namespace are multiples, C(null) when the driver does not tell.
          type: int
          sample: 4096
    mdevs:
      description: UUIDs of the mdevs that exist on the controller.
      type: list
      elements: str
      sample: [8d1a5f9e-96c4-5fd1-bb5e-0c0a2e6c8a55]
    in_use:
      description: One sentence for each present use of the controller.
      type: list
      elements: str
      sample: [/dev/nvme0n1p1 is mounted on /srv]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError, sentence
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._sysfs import controllers
from ansible_collections.lightiov.nvme.plugins.module_utils._usage import in_use


def main() -> None:
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    host = Host()
    try:
        module.exit_json(
            controllers=[{**one.to_dict(), "in_use": in_use(host, one)} for one in controllers(host)],
        )
    except (LightiovError, OSError) as error:
        module.fail_json(msg=sentence(error))


if __name__ == "__main__":
    main()
