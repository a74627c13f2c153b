#!/usr/bin/python
# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: domain
short_description: Manage the VMs of a host with their LightIOV mediated devices
version_added: 0.2.0
description:
  - Makes each listed libvirt domain run, be stopped or be absent, with the LightIOV mediated devices (mdevs) listed
    for it.
  - A domain that does not exist is defined from O(domains[].xml), with its mdevs and a root disk of its own, an
    overlay of an image. Of one that exists the definition stays as it is, but for its mdevs, its memory and vCPUs
    where they are given, and whether it starts with its host.
  - What M(lightiov.nvme.domain_mdev) says of mdevs holds here too.
  - A VM is asked to shut down; one that does not is an error, it is never switched off.
  - All VMs are checked before the first is changed.
requirements:
  - qemu-img
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
      - The VMs to look after. Others only lose host devices of LightIOV mdevs that are no more, because they cannot
        start with them.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description:
          - Name of the domain.
        type: str
        required: true
      state:
        description:
          - V(running). It is there, runs, and starts with its host. One that is paused goes on; one that sleeps may
            sleep.
          - V(stopped). It is there, is off, and does not start with its host.
          - >-
            V(absent). It is shut down and its definition removed, with its NVRAM, saved memory and records of
            snapshots. Its root disk O(domains[].root.path) is renamed to C(PATH.removed-UUID), with the UUID of the
            domain, and has its name back if the VM is wanted again before the domain is gone. Its other disks stay as
            they are.
        type: str
        choices: [running, stopped, absent]
        default: running
      xml:
        description:
          - Definition of the domain if it does not exist yet, without its mdevs. Without it, one to be V(stopped) is
            left not existing.
        type: str
      mdevs:
        description:
          - UUIDs of the LightIOV mdevs that the domain has, and no others. Without this list they stay as they are.
        type: list
        elements: str
      memory_mib:
        description:
          - Memory in MiB that the domain starts with, without what is plugged in later. Without it, what
            O(domains[].xml) says or, of a domain that exists, what it has.
          - When it changes, the definition is changed. A domain that is off has it at once. One that runs goes on with
            what it has until it is started the next time, and RV(waiting) says so. Limits in C(memtune) that leave room
            for the memory leave the same room.
          - A domain with NUMA cells of its own, which divide its memory and vCPUs, is refused others.
        type: int
      vcpus:
        description:
          - vCPUs that the domain starts with, which change as O(domains[].memory_mib) does. The CPUs of the host that
            they are restricted to stay.
          - A domain with a topology of its CPUs is refused a number that is not the topology's.
        type: int
      address:
        description:
          - Address that O(network) leases to the domain's first interface there. An existing domain keeps its MAC
            address.
          - If it changes, the former lease is taken away. A running VM uses the former address until it asks for one
            anew.
        type: str
      root:
        description:
          - Root disk, if the module is to make it. The definition comes first, and is marked until the root disk is
            whole. So a run that is cut short is completed by the next one.
          - It is a file, O(domains[].root.path), or a LightIOV disk of the domain, O(domains[].root.mdev) and
            O(domains[].root.disk).
        type: dict
        suboptions:
          path:
            description:
              - File. It is made under another name, readable for root alone, and renamed when it is whole.
              - One that exists while the domain does not is refused, because it may hold a former VM's data.
            type: path
          mdev:
            description:
              - UUID of an mdev of the domain, one of whose disks is the root disk. That is filled from the image,
                which must be raw, before the domain starts for the first time. One that is not blank is refused,
                because it may hold a former VM's data.
            type: str
          disk:
            description:
              - Name of that disk.
            type: str
          boot:
            description:
              - What the host boots the domain with, when it is defined. Needed for a root disk on LightIOV, which no
                firmware can read.
            type: dict
            suboptions:
              kernel:
                description:
                  - File with the kernel.
                type: path
                required: true
              initrd:
                description:
                  - File with the initramfs, which must have the guest driver.
                type: path
                required: true
              arguments:
                description:
                  - Command line of the kernel, which must name the root file system by what is on it.
                type: str
                required: true
          image:
            description:
              - File or disk that it is an overlay of, or filled from.
            type: path
          format:
            description:
              - Format of the image.
            type: str
            choices: [raw, qcow2]
            default: raw
          size_gib:
            description:
              - Size in GiB. Without it, that of the image.
            type: int
          keep:
            description:
              - Whether a root disk that exists already, or what is on the LightIOV disk, is used as it is.
            type: bool
            default: false
  network:
    description:
      - Network of libvirt that leases the VMs their addresses. It is started, and starts with its host, when a domain
        is defined or has an address.
      - Empty for none.
    type: str
    default: default
  shutdown_timeout:
    description:
      - Seconds that a VM may take to shut down.
    type: int
    default: 120
  unplugged:
    description:
      - UUIDs of mdevs that an earlier task of the deployment takes from domains, as the one that gives them other queue
        pairs does. In check mode they are taken as gone, so that it says who gets them back. Without check mode the
        domains are as they are.
    type: list
    elements: str
    default: []
  returns:
    choices: [actions, domains, domains_total, ran, unmet, waiting]
seealso:
  - module: lightiov.nvme.domain_mdev
  - module: lightiov.nvme.mdev
notes:
  - A q35 domain with mdevs and with ACPI's hot-plug of PCI devices is named in a warning, because it gives no device
    back once it has slept (S3).
  - In check mode a domain, network or mdev that is not there is taken as one that a preceding task would have made.
"""

EXAMPLES = r"""
- name: Have vm1 run with its disk, and vm2 no more
  lightiov.nvme.domain:
    domains:
      - name: vm1
        xml: "{{ lookup('ansible.builtin.template', 'domain.xml.j2') }}"
        address: 192.168.122.11
        root:
          path: /var/lib/libvirt/images/vm1-root.qcow2
          image: /var/lib/libvirt/images/debian-13.qcow2
          format: qcow2
        mdevs:
          - "{{ 'S5XANA0R700001' | lightiov.nvme.mdev_uuid('vm1') }}"
      - name: vm2
        state: absent
        root:
          path: /var/lib/libvirt/images/vm2-root.qcow2
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
      description: >-
        C(release) or C(lease) an address, C(stop), C(set_aside), C(put_back) or C(make_root) of a root disk,
        C(delete) of what is half made of one, C(undefine), C(define), C(resize), C(detach) or C(attach) of an mdev,
        C(autostart), C(no_autostart), C(start), C(resume).
      type: str
      sample: start
    object:
      description: >-
        Name of the domain or network, address, path of the root disk, or which disk of which mdev it is, or UUID of the
        mdev.
      type: str
      sample: vm1
    domain:
      description: Name of the domain, when the object is something of it.
      type: str
      sample: vm1
    network:
      description: Name of the network, when it is what is started.
      type: str
      sample: default
    memory_mib:
      description: What a domain has from its next start on, where that changes.
      type: int
      sample: 4096
    vcpus:
      description: What a domain has from its next start on, where that changes.
      type: int
      sample: 4
    scope:
      description: >-
        C(live) for the mdevs of the running domain, C(config) for those of its persistent definition.
      type: str
      sample: config
    to:
      description: Where a root disk is set aside.
      type: str
      sample: /var/lib/libvirt/images/vm2-root.qcow2.removed-dabd54c3-9dd5-402a-aafa-091f58dcdd6f
actions_total:
  description: How many actions that were.
  returned: always
  type: int
  sample: 1
domains:
  description: >-
    The domains after the run or, in check mode, as they would be; of those that are not listed, only what loses an
    mdev.
  returned: unless O(returns) leaves it out
  type: list
  elements: dict
  contains:
    name:
      description: Name of the domain.
      type: str
      sample: vm1
    state:
      description: C(running), C(stopped), or how libvirt sees it otherwise.
      type: str
      sample: running
    autostart:
      description: Whether it starts with its host.
      type: bool
      sample: true
    address:
      description: What the network leases to it.
      type: str
      sample: 192.168.122.11
    memory_mib:
      description: Memory in its persistent definition.
      type: int
      sample: 4096
    vcpus:
      description: vCPUs in its persistent definition.
      type: int
      sample: 4
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
    root:
      description: The root disk, when it was made.
      type: str
      sample: /var/lib/libvirt/images/vm1-root.qcow2
domains_total:
  description: How many domains were listed.
  returned: unless O(returns) leaves it out
  type: int
  sample: 2
ran:
  description: Names of the listed domains that ran before.
  returned: unless O(returns) leaves it out
  type: list
  elements: str
  sample: [vm1]
waiting:
  description: >-
    A sentence for each listed domain that runs with other memory or vCPUs than it has from its next start on.
  returned: unless O(returns) leaves it out
  type: list
  elements: str
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.lightiov.nvme.plugins.module_utils import _returned, _vm
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._plan import execute


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "domains": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "state": {"type": "str", "choices": ["running", "stopped", "absent"], "default": "running"},
                    "xml": {"type": "str"},
                    "mdevs": {"type": "list", "elements": "str"},
                    "memory_mib": {"type": "int"},
                    "vcpus": {"type": "int"},
                    "address": {"type": "str"},
                    "root": {
                        "type": "dict",
                        "required_one_of": [("path", "mdev")],
                        "mutually_exclusive": [("path", "mdev"), ("path", "boot"), ("size_gib", "mdev")],
                        "required_together": [("mdev", "disk")],
                        "options": {
                            "path": {"type": "path"},
                            "mdev": {"type": "str"},
                            "disk": {"type": "str"},
                            "boot": {
                                "type": "dict",
                                "options": {
                                    "kernel": {"type": "path", "required": True},
                                    "initrd": {"type": "path", "required": True},
                                    "arguments": {"type": "str", "required": True},
                                },
                            },
                            "image": {"type": "path"},
                            "format": {"type": "str", "choices": ["raw", "qcow2"], "default": "raw"},
                            "size_gib": {"type": "int"},
                            "keep": {"type": "bool", "default": False},
                        },
                    },
                },
            },
            "network": {"type": "str", "default": "default"},
            "uri": {"type": "str", "default": "qemu:///system"},
            "timeout": {"type": "int", "default": 60},
            "shutdown_timeout": {"type": "int", "default": 120},
            "unplugged": {"type": "list", "elements": "str", "default": []},
            "generation": {"type": "int"},
            "returns": _returned.option("actions", "domains", "domains_total", "ran", "unmet", "waiting"),
        },
        supports_check_mode=True,
    )
    host = Host(note=module.log)
    execute(
        module,
        host,
        lambda: _vm.plan(
            host,
            uri=module.params["uri"],
            network=module.params["network"],
            wanted=[_vm.Wanted.parse(options) for options in module.params["domains"]],
            timeout=module.params["timeout"],
            shutdown_timeout=module.params["shutdown_timeout"],
            predict=module.check_mode,
            unplugged=module.params["unplugged"],
        ),
        module.params["generation"],
    )


if __name__ == "__main__":
    main()
