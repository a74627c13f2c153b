#!/usr/bin/python
# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: bench
short_description: Measure LightIOV beside what else gives a VM an NVMe drive
version_added: 0.2.0
description:
  - Measures contenders on a spare controller in alternating rounds, by M(lightiov.nvme.bench_visit), and keeps each
    result as a file on the machine that runs Ansible.
  - A run that was interrupted goes on where it was. What was measured with other settings is refused, not mixed.
  - A contender that fails twice in a row is left out, and the others go on. The report says why.
author:
  - LightIOV contributors (@lightiov)
extends_documentation_fragment:
  - lightiov.nvme.bench
  - lightiov.nvme.bench.vm
options:
  directory:
    description: Where results are kept, on the machine that runs Ansible.
    type: path
    required: true
  quick:
    description: Whether what is not said is chosen for a first look, and not for figures that others rely on.
    type: bool
    default: false
  contenders:
    description: What to measure. The default are all, or with O(quick) five of them, none polled.
    type: list
    elements: str
  workloads:
    description: Names of workloads. The default are all, or with O(quick) random reads.
    type: list
    elements: str
  rounds:
    description: How often each contender has its turn. The default is 10, or with O(quick) 3.
    type: int
  seconds:
    description: How long a workload is counted in a round. The default is 10, or with O(quick) 3.
    type: float
  size_mib:
    description: How much of the namespace is used at most, in MiB. The default is 65536, or with O(quick) 256.
    type: int
  minutes:
    description: No other round than the first begins that would not end within this time. With 0 all rounds are made.
    type: float
    default: 0
  vms:
    description:
      - Numbers of VMs that have their shares of the drive at once, for contenders by which it can be shared, in the
        first three rounds.
      - The default are five numbers from 1 to 16, or with O(quick) none.
    type: list
    elements: int
  shared_workloads:
    description: What these VMs do. The default is C(randread-qd1).
    type: list
    elements: str
  clients:
    description:
      - Numbers of clients for which M(lightiov.nvme.bench_crowd) measures what one costs, in the first three rounds.
      - The default are five numbers from 50 to 500, or with O(quick) none.
    type: list
    elements: int
  crowd_serial:
    description: Serial number of another spare controller for these, with more queue pairs. The default is O(serial).
    type: str
attributes:
  check_mode:
    description: Says how much would be measured, and measures nothing.
    support: full
  action:
    description: Runs on the machine that runs Ansible.
    support: full
seealso:
  - module: lightiov.nvme.bench_visit
  - module: lightiov.nvme.bench_crowd
  - module: lightiov.nvme.bench_report
"""

EXAMPLES = r"""
- name: Have a first look
  lightiov.nvme.bench:
    serial: S5XANA0R700001
    directory: /tmp/bench/hv1
    quick: true
  register: bench
"""

RETURN = r"""
measured:
  description: How many visits were made.
  returned: success, but not in check mode
  type: int
  sample: 15
left:
  description: How many are to be made yet.
  returned: success
  type: int
  sample: 0
broken:
  description: Contenders that failed, each with a sentence.
  returned: success
  type: dict
  sample: {}
"""
