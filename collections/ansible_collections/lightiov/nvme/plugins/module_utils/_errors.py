# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one exception for what an operator can put right."""

from __future__ import annotations


class LightiovError(Exception):
    """One sentence that names the object, the cause and the remedy."""
