# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters over the list of a host's VMs; each is documented in the file of its name."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.lightiov.nvme.plugins.module_utils import _vms
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError

Filter = Callable[..., "list[dict[str, Any]]"]


def _as_filter(function: Filter) -> Filter:
    @wraps(function)
    def run(listed: object, *options: Any, **named: Any) -> list[dict[str, Any]]:
        try:
            return function(listed, *options, **named)
        except LightiovError as error:
            raise AnsibleFilterError(str(error)) from error

    return run


class FilterModule:
    def filters(self) -> dict[str, Filter]:
        return {
            function.__name__: _as_filter(function)
            for function in (_vms.vms, _vms.vm_disks, _vms.vm_mdevs, _vms.vm_domains, _vms.vm_images)
        }
