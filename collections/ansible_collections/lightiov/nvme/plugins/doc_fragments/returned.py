# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option of modules whose results are long where a host has many VMs."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  returns:
    description:
      - Which of the return values to return, beside those that always are. Without it, and with C(-vvv), all.
      - Ansible keeps what a task registers for each host until the run ends, so a playbook for many asks for what it
        uses.
    type: list
    elements: str
"""
