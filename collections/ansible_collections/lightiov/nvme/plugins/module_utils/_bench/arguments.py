# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that modules which measure have in common, as the documentation fragment `bench` describes them."""

from __future__ import annotations

from typing import Any

MIB = 1 << 20
DRIVE: dict[str, dict[str, Any]] = {
    "serial": {"type": "str", "required": True},
    "namespace": {"type": "int", "default": 1},
}
# Of those that run on the host; the module that calls them has defaults of its own.
ON_HOST: dict[str, dict[str, Any]] = {
    **DRIVE,
    "size_mib": {"type": "int", "default": 65536},
    "seconds": {"type": "float", "default": 10},
}
VM: dict[str, dict[str, Any]] = {
    "vcpus": {"type": "int", "default": 2},
    "memory_mib": {"type": "int", "default": 512},
    "kernel_arguments": {"type": "str", "default": ""},
    "packages": {"type": "path"},
    "version": {"type": "str", "default": ""},
}
