#!/usr/bin/python
# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: dkms_module
short_description: Build, install, load and configure one DKMS kernel module
version_added: 0.1.0
description:
  - Brings one DKMS package to the wished version and content, built and installed for the running kernel as well as
    for the one that boots next, and loads its kernel module with the wished parameters now and at every boot.
  - A version of the package is O(version) and what names the content of the source, so that a changed source is another
    version. It is built beside the installed one, then takes its place, and the former one is removed last.
    What does not build changes nothing, and when a module does not load the former one is put back.
    An older version is deployed like a newer one.
  - When the loaded kernel module is not the installed one, or its parameters differ, it is reloaded.
    The module refuses that before it changes anything when the kernel module is in use.
  - When the kernel that boots next lacks its headers, the running one is seen to all the same, and RV(waiting) says so.
  - In check mode neither dkms nor the kernel headers need to be there.
requirements:
  - dkms
  - kmod
  - headers of each kernel
author:
  - LightIOV contributors (@lightiov)
extends_documentation_fragment:
  - lightiov.nvme.attributes
options:
  name:
    description:
      - Name of the DKMS package. Files of the module in C(/etc/modules-load.d) and C(/etc/modprobe.d) have it too.
    type: str
    required: true
  version:
    description:
      - Version of the DKMS package, to which what names the content of the source is added. Other versions are removed.
      - Required if O(state=present).
    type: str
  state:
    description:
      - V(absent) unloads the kernel module and removes all versions of the package, its source and its configuration.
    type: str
    choices: [present, absent]
    default: present
  src:
    description:
      - Directory on the target with the source. It is copied to C(/usr/src).
      - Required if O(state=present).
    type: path
  conf:
    description:
      - File in O(src) that becomes C(dkms.conf). Its version is C(PACKAGE_VERSION="#MODULE_VERSION#").
    type: str
    default: dkms.conf
  exclude:
    description:
      - Names or patterns of files and directories in O(src) that are not copied, so that a change of them does not
        lead to a build. What a kernel build leaves behind is never copied.
    type: list
    elements: str
    default: []
  module:
    description:
      - Name of the kernel module. The default is O(name) with underscores for hyphens.
    type: str
  parameters:
    description:
      - Parameters of the kernel module, all of them. Others fall back to their defaults.
    type: dict
    default: {}
  load:
    description:
      - Whether the kernel module is loaded now and at boot. With V(false) it is neither loaded nor unloaded.
    type: bool
    default: true
  reload:
    description:
      - Whether to reload a kernel module that is not the installed one or has other parameters. V(always) refuses to
        change anything while it is in use. V(unused) leaves it as it is then, and V(never) in any case; both return
        RV(reload_needed), in later calls too, until it is loaded anew.
    type: str
    choices: [always, unused, never]
    default: always
  kernels:
    description:
      - Kernel releases to build for. The default is the running one and the newest installed one, which boots next.
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: Build and load the host module
  lightiov.nvme.dkms_module:
    name: lightiov-host
    version: 0.1.0
    src: /usr/local/src/lightiov
    conf: dkms/host.conf
    module: lightiov_host
    parameters:
      max_vectors: 64

- name: Remove it
  lightiov.nvme.dkms_module:
    name: lightiov-host
    module: lightiov_host
    state: absent
"""

RETURN = r"""
unmet:
  description:
    - What a run would refuse, unless an earlier task makes it possible before. Each has a C(sentence), and in C(until)
      who may make it possible, such as C(packages) or a module. What it is about is in C(object), where that matters.
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
      description: >-
        C(remove), C(copy), C(add), C(build), C(install), C(write), C(delete), C(unload) or C(load).
      type: str
      sample: build
    object:
      description: DKMS package, file or kernel module.
      type: str
      sample: lightiov-host/0.1.0+3f2a9c41d07b
    kernel:
      description: Kernel release, for C(build) and C(install).
      type: str
      sample: 6.12.57+deb13-amd64
actions_total:
  description: How many actions that were.
  returned: always
  type: int
  sample: 1
version:
  description: Version of the DKMS package, with what names the content of the source.
  returned: when O(state=present)
  type: str
  sample: 0.1.0+3f2a9c41d07b
kernels:
  description: Kernel releases that the package is built for.
  returned: when O(state=present)
  type: list
  elements: str
  sample: [6.12.57+deb13-amd64]
states:
  description: By kernel release, what the kernel has of the module, or would have in check mode.
  returned: when O(state=present)
  type: dict
  contains:
    built:
      description: Whether dkms has built the package for it.
      type: bool
    installed:
      description: Whether that is the module that the kernel loads.
      type: bool
    signed:
      description: Whether the module that the kernel loads has a signature.
      type: bool
    loaded:
      description: Whether the module is loaded, or for a kernel that does not run, whether it will be.
      type: bool
    current:
      description: Whether the loaded module, or for a kernel that does not run, the installed one, is the wished one.
      type: bool
  sample:
    6.12.57+deb13-amd64: {built: true, installed: true, signed: false, loaded: true, current: true}
loaded:
  description: Whether the kernel module is loaded, or would be in check mode.
  returned: always
  type: bool
  sample: true
reload_needed:
  description: Whether the loaded kernel module is not the installed one or has other parameters.
  returned: always
  type: bool
  sample: false
waiting:
  description: Sentences on what the kernel that boots next will lack, each with what to do before.
  returned: when O(state=present)
  type: list
  elements: str
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.lightiov.nvme.plugins.module_utils import _dkms as dkms
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._plan import execute


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "version": {"type": "str"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "src": {"type": "path"},
            "conf": {"type": "str", "default": "dkms.conf"},
            "exclude": {"type": "list", "elements": "str", "default": []},
            "module": {"type": "str"},
            "parameters": {"type": "dict", "default": {}},
            "load": {"type": "bool", "default": True},
            "reload": {"type": "str", "choices": ["always", "unused", "never"], "default": "always"},
            "kernels": {"type": "list", "elements": "str"},
        },
        required_if=[("state", "present", ("version", "src"))],
        supports_check_mode=True,
    )
    host = Host(note=module.log)
    execute(module, host, lambda: dkms.plan(host, dkms.Wanted.parse(module.params), predict=module.check_mode))


if __name__ == "__main__":
    main()
