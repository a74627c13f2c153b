# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option of modules that do what accepted placements say."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  generation:
    description:
      - Generation of the host's placements, as M(lightiov.nvme.generation) returned it, of which this call is a part.
      - Such calls wait for each other, and are refused once other placements have been accepted. Without it neither.
    type: int
"""
