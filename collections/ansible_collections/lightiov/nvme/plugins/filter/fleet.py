# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters over all hosts of a run; each is documented in the file of its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils import _fleet, _outcome


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "fleet_guests": _fleet.guests,
            "fleet_refusals": _fleet.refusals,
            "first_error": _outcome.first_error,
            "disk_rows": _outcome.disk_rows,
            "queue_faults": _outcome.queue_faults,
            "outcome": _outcome.outcome,
        }
