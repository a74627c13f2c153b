#!/usr/bin/python
# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: host_info
short_description: List what a host has for VMs
version_added: 0.2.0
description:
  - Returns what a plan needs to know of a host, which is its memory, its CPUs, the controllers that are LightIOV's, and
    which VMs have what of them.
author:
  - LightIOV contributors (@lightiov)
extends_documentation_fragment:
  - lightiov.nvme.attributes.info
options:
  placements:
    description: Whether to return the placements that the host has accepted, for who has lost their file.
    type: bool
    default: false
  network:
    description: Network of libvirt whose addresses are to be returned, for who gives VMs addresses of a pool.
    type: str
  uri:
    description: Connection to libvirt, which is asked only with O(network).
    type: str
    default: qemu:///system
seealso:
  - module: lightiov.nvme.controller_info
  - plugin: lightiov.nvme.partition
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Look at what the host has
  lightiov.nvme.host_info:
  register: found
"""

RETURN = r"""
generation:
  description: How often the placements of the host have changed.
  returned: success
  type: int
  sample: 7
digest:
  description: Digest of the placements that were applied last, empty before the first.
  returned: success
  type: str
  sample: 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
placements:
  description: The placements that the host has accepted last, C(null) before the first.
  returned: with O(placements)
  type: list
  elements: dict
  sample: [{"name": "vm1", "tenant": "blue", "memory_mib": 4096, "vcpus": 2, "disks": []}]
network:
  description:
    - As C(addresses) those of the host itself in the network, and as C(leases) which address it leases to which VM.
      Both are empty where libvirt does not have the network yet.
  returned: with O(network)
  type: dict
  sample: {"addresses": ["192.168.122.1"], "leases": {"192.168.122.11": "db1"}}
memory_mib:
  description: Memory of the host in MiB.
  returned: success
  type: int
  sample: 515851
vcpus:
  description: CPUs that are online.
  returned: success
  type: int
  sample: 128
nodes:
  description: Memory and CPUs of each NUMA node by its number, empty when there is but one.
  returned: success
  type: dict
  sample: {"0": {"memory_mib": 257925, "vcpus": 64, "cpus": "0-63"}}
controllers:
  description: Controllers that are LightIOV's.
  returned: success
  type: list
  elements: dict
  contains:
    serial:
      description: Serial number.
      type: str
      sample: S5XANA0R700001
    model:
      description: Model.
      type: str
      sample: QEMU NVMe Ctrl
    tenant:
      description: Tenant that has the controller now, empty when nobody has.
      type: str
      sample: blue
    queue_pairs:
      description: I/O queue pairs, those in use included.
      type: int
      sample: 128
    vectors:
      description: Interrupt vectors for I/O.
      type: int
      sample: 128
    windows:
      description:
        - Bytes of I/O virtual addresses that VMs with disks on it share. Each takes as much as its memory reaches to,
          rounded up to a power of two, 1 GiB at least.
      type: int
      sample: 547607019520
    numa_node:
      description: NUMA node.
      type: int
      sample: 0
    namespaces:
      description:
        - Namespaces with their number, their identity, their size in bytes, as C(granularity) the bytes of which sizes
          of disks are multiples, and of those that M(lightiov.nvme.namespace) has made, their name on its list.
      type: list
      elements: dict
      sample: [{"nsid": 1, "id": "eui.0011223344556677", "bytes": 1099511627776, "granularity": 4096, "listed": "db"}]
placed:
  description: VMs with the disks that they have, each with its place in bytes; a whole namespace has none.
  returned: success
  type: list
  elements: dict
  sample:
    - vm: db1
      tenant: shop
      disks:
        - {name: data, controller: S5XANA0R700001, namespace: "1", first: 0, bytes: 1048576, read_only: false}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.lightiov.nvme.plugins.module_utils import _network
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError, sentence
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._host_resources import describe


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "placements": {"type": "bool", "default": False},
            "network": {"type": "str"},
            "uri": {"type": "str", "default": "qemu:///system"},
        },
        supports_check_mode=True,
    )
    network, uri = module.params["network"], module.params["uri"]
    try:
        found = describe(Host(), module.params["placements"])
        if network:
            found["network"] = _network.addresses(uri, network)
        module.exit_json(**found)
    except (LightiovError, OSError) as error:
        module.fail_json(msg=sentence(error))


if __name__ == "__main__":
    main()
