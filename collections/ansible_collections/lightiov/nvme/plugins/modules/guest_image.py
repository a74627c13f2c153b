#!/usr/bin/python
# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: guest_image
short_description: Make copies of guest images with the LightIOV guest driver in
version_added: 0.2.0
description:
  - Makes, once for each image and version of the guest driver, a raw copy of the image in which the driver's package
    is installed and the initramfs written, so that VMs whose root disks are overlays of the copy boot with the driver.
  - The image stays as it is. A copy is made under another name, readable for root alone, and renamed when it is whole.
  - The package is installed in a container (C(systemd-nspawn)) without network. Its file system is mounted by the
    host's kernel, and its programs run as root in the container, so take no image from anyone you do not trust.
  - The driver has to be there for each kernel in C(/boot) of the image.
  - Copies of earlier versions stay, because root disks are overlays of them.
requirements:
  - qemu-img
  - systemd-nspawn
  - In the image, dpkg and initramfs-tools, and a partition that systemd finds its root file system by.
author:
  - LightIOV contributors (@lightiov)
extends_documentation_fragment:
  - lightiov.nvme.attributes
options:
  images:
    description:
      - Images to make copies of.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description:
          - File or disk.
        type: path
        required: true
      format:
        description:
          - Its format.
        type: str
        choices: [raw, qcow2]
        default: raw
      boot:
        description:
          - Whether what the image boots is taken out of the copy, for VMs that the host boots. That is the newest
            kernel in C(/boot), its initramfs, and the arguments that GRUB gives the first kernel of its menu.
        type: bool
        default: false
  version:
    description:
      - Version of the packages of the guest driver.
    type: str
    required: true
  packages:
    description:
      - Directory on the host with these packages, one for each kernel, named
        C(lightiov-guest-KERNEL_VERSION_amd64.deb).
    type: path
    required: true
  directory:
    description:
      - Directory that the copies are made in.
    type: path
    required: true
seealso:
  - module: lightiov.nvme.domain
"""

EXAMPLES = r"""
- name: Make a copy of the image with the guest driver in
  lightiov.nvme.guest_image:
    images:
      - path: /var/lib/libvirt/images/debian-13.qcow2
        format: qcow2
    version: 0.2.0+0123456789ab
    packages: /usr/local/src/lightiov
    directory: /var/lib/libvirt/images
"""

RETURN = r"""
unmet:
  description:
    - What a run would refuse, unless an earlier task makes it possible before. Each has a C(sentence), and in C(until)
      who may make it possible, such as C(packages) or a module.
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
      description: C(make_image), C(extract_boot).
      type: str
      sample: make_image
    object:
      description: Path of the copy, or of the directory with what it boots.
      type: str
      sample: /var/lib/libvirt/images/lightiov-debian-13-1f0c2d3e4b5a-0.2.0+0123456789ab.raw
    image:
      description: What it is a copy of.
      type: str
      sample: /var/lib/libvirt/images/debian-13.qcow2
actions_total:
  description: How many actions that were.
  returned: always
  type: int
  sample: 1
images:
  description: >-
    C(path) and C(format) of each image's copy, by the path of the image; and C(boot) with C(kernel), C(initrd) and
    C(arguments), if asked for, unless check mode finds that they are yet to be taken out.
  returned: always
  type: dict
  sample:
    /var/lib/libvirt/images/debian-13.qcow2:
      path: /var/lib/libvirt/images/lightiov-debian-13-1f0c2d3e4b5a-0.2.0+0123456789ab.raw
      format: raw
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.lightiov.nvme.plugins.module_utils import _guest_image
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._plan import execute


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "images": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "path": {"type": "path", "required": True},
                    "format": {"type": "str", "choices": ["raw", "qcow2"], "default": "raw"},
                    "boot": {"type": "bool", "default": False},
                },
            },
            "version": {"type": "str", "required": True},
            "packages": {"type": "path", "required": True},
            "directory": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    host = Host(note=module.log)
    execute(
        module,
        host,
        lambda: _guest_image.plan(
            host,
            images=[_guest_image.GuestImage.parse(options) for options in module.params["images"]],
            driver=_guest_image.Driver(module.params["version"], module.params["packages"]),
            directory=module.params["directory"],
            predict=module.check_mode,
        ),
    )


if __name__ == "__main__":
    main()
