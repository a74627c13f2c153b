#!/usr/bin/python
# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: bench_report
short_description: Write the report of what M(lightiov.nvme.bench) has measured
version_added: 0.2.0
description:
  - Writes C(summary.json), C(figures.md), and plots as PNG and SVG if Ansible's Python has matplotlib.
author:
  - LightIOV contributors (@lightiov)
options:
  directory:
    description: Where results are kept, on the machine that runs Ansible.
    type: path
    required: true
attributes:
  check_mode:
    description: Writes nothing.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
  action:
    description: Runs on the machine that runs Ansible.
    support: full
  platform:
    description: Target systems that the module was made for.
    platforms: linux
    support: full
seealso:
  - module: lightiov.nvme.bench
"""

EXAMPLES = r"""
- name: Write the report
  lightiov.nvme.bench_report:
    directory: /tmp/bench/hv1
  register: report
"""

RETURN = r"""
goals:
  description: What was promised, and whether it was reached.
  returned: success
  type: list
  elements: dict
  sample: [{"number": "3b", "text": "No exit for a doorbell", "verdict": "reached", "found": "0.001 per I/O"}]
lines:
  description: The same as lines of text.
  returned: success
  type: list
  elements: str
"""
