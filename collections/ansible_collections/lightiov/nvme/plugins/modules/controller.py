#!/usr/bin/python
# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: controller
short_description: Choose the NVMe controllers that belong to LightIOV
version_added: 0.1.0
description:
  - Binds exactly the listed NVMe controllers of the host to the LightIOV driver, now and at every boot,
    and hands every other controller that LightIOV holds back to the kernel's own C(nvme) driver.
  - The list is the whole wish for the host; an empty list gives every controller back.
  - Nothing is chosen by inference. A controller is named by its serial number, its model or its PCI address.
  - A controller in use is never taken. That is one with a namespace that is mounted, serves as swap space, is
    part of an active device-mapper or MD device, or is held open by a process. A controller with mdevs is never
    given back.
  - Who LightIOV's controllers are is written down in C(/etc/lightiov/controllers.json). So a controller that moved to
    another slot is followed by its serial number, with a warning, and check mode knows it while no driver has it.
  - A controller that LightIOV holds without a driver is bound to LightIOV first, which shows it to nobody, when its
    serial number or model matters; then it is kept or given back to C(nvme).
  - All selectors are resolved and all checks are made before the first change, so an error leaves the host as it was.
requirements:
  - driverctl
  - kmod
author:
  - LightIOV contributors (@lightiov)
extends_documentation_fragment:
  - lightiov.nvme.attributes
options:
  controllers:
    description:
      - The controllers that belong to LightIOV, and no others.
    type: list
    elements: dict
    required: true
    suboptions:
      serial:
        description:
          - Serial number; quote one of digits only, or YAML drops its leading zeros. It is as C(nvme list) and
            RV(lightiov.nvme.controller_info#module:controllers[].serial) show it.
          - Exactly one of O(controllers[].serial), O(controllers[].model) and O(controllers[].address) is required.
        type: str
      model:
        description:
          - Model, compared as a whole. Selects every controller of that model.
        type: str
      address:
        description:
          - PCI address with domain, such as V(0000:01:00.0).
        type: str
  take_volumes:
    description:
      - Also take a controller with a namespace that carries an inactive LVM physical volume, RAID member,
        ZFS member or encrypted volume. One that is written down as LightIOV's needs no such consent.
      - What is in use now is refused even so.
    type: bool
    default: false
seealso:
  - module: lightiov.nvme.controller_info
  - module: lightiov.nvme.mdev
"""

EXAMPLES = r"""
- name: Give two SSDs to LightIOV
  lightiov.nvme.controller:
    controllers:
      - serial: S5XANA0R700001
      - address: "0000:c1:00.0"

- name: Hand every controller back to the stock driver
  lightiov.nvme.controller:
    controllers: []
"""

RETURN = r"""
unmet:
  description: What a run would refuse, unless an earlier task makes it possible before.
  returned: in check mode
  type: list
  elements: dict
  contains:
    sentence:
      description: The refusal.
      type: str
      sample: "Controller S5XANA0R700001 (0000:01:00.0) cannot be bound, because the driver lightiov is not loaded: ..."
    until:
      description:
        - Who may make it possible, C(packages), C(reboot) or a module such as C(dkms_module).
      type: str
      sample: dkms_module
actions:
  description: What was done, or would be done in check mode, in order.
  returned: always
  type: list
  elements: dict
  contains:
    action:
      description:
        - C(bind), C(release), C(persist) or C(forget), of which the latter two change only what happens at boot,
          or C(record) for what is written down.
      type: str
      sample: bind
    object:
      description: PCI address of the controller, or path of the record.
      type: str
      sample: "0000:01:00.0"
    serial:
      description: Serial number of the controller, if a driver reports it.
      type: str
      sample: S5XANA0R700001
actions_total:
  description: How many actions that were.
  returned: always
  type: int
  sample: 1
controllers:
  description: All NVMe controllers of the host after the run, or as they would be after it in check mode.
  returned: always
  type: list
  elements: dict
  contains:
    address:
      description: PCI address.
      type: str
      sample: "0000:01:00.0"
    serial:
      description: Serial number, empty when no driver reports it.
      type: str
      sample: S5XANA0R700001
    model:
      description: Model, empty when no driver reports it.
      type: str
      sample: QEMU NVMe Ctrl
    driver:
      description: Bound PCI driver, empty when there is none.
      type: str
      sample: lightiov
    override:
      description: Driver that driverctl binds at boot, empty when there is none.
      type: str
      sample: lightiov
    recorded:
      description: Whether serial and model are what was written down, because no driver has the controller.
      type: bool
      sample: false
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.lightiov.nvme.plugins.module_utils import _controller as controller
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._plan import execute


def main() -> None:
    one = ["serial", "model", "address"]
    module = AnsibleModule(
        argument_spec={
            "controllers": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {name: {"type": "str"} for name in one},
                "mutually_exclusive": [one],
                "required_one_of": [one],
            },
            "take_volumes": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    host = Host(note=module.log)
    execute(
        module,
        host,
        lambda: controller.plan(
            host,
            selectors=[controller.Selector.parse(options) for options in module.params["controllers"]],
            take_volumes=module.params["take_volumes"],
            predict=module.check_mode,
        ),
    )


if __name__ == "__main__":
    main()
