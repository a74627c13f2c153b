# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module of the collection promises, said once."""

from __future__ import annotations


class ModuleDocFragment:
    # Modules that change the host.
    DOCUMENTATION = r"""
attributes:
  check_mode:
    description: Computes the same plan as a normal run and returns it without acting on it.
    support: full
  diff_mode:
    description: Shows the state before and after the plan.
    support: full
  platform:
    description: Target systems that the module was made for.
    platforms: linux
    support: full
"""

    # Modules that only look.
    INFO = r"""
attributes:
  check_mode:
    description: Changes nothing, so check mode and a normal run do the same.
    support: full
  diff_mode:
    description: Changes nothing, so there is no difference to show.
    support: none
  platform:
    description: Target systems that the module was made for.
    platforms: linux
    support: full
"""
