# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a fleet is planned, said once."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  strategy:
    description: V(pack) fills one host before the next; V(spread) takes the host with the least load.
    type: str
    choices: [pack, spread]
    default: pack
  reserve:
    description: How many hosts stay empty. The plan warns if the VMs of a host that is lost do not fit then.
    type: int
    default: 0
  moves_for:
    description: VMs that do not fit, for which moves of others are sought.
    type: list
    elements: str
    default: []
  moves_from:
    description: Hosts that are to be emptied by moves.
    type: list
    elements: str
    default: []
"""
