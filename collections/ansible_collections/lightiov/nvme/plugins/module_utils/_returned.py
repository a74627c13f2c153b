# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a result goes back to the machine that runs Ansible, which keeps what is registered for each host until the
run ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# From -vvv on a run is one to look at, and all is returned.
VERBOSE = 3


def option(*values: str) -> dict[str, Any]:
    """The option `returns` of a module that can leave these values out, as the doc fragment `returned` describes it."""
    return {"type": "list", "elements": "str", "choices": list(values)}


def chosen(module: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """Those that the task asks for, by the option `returns`; all of them if it does not say."""
    names = module.params.get("returns")
    asked = values if names is None or module._verbosity >= VERBOSE else names
    return {name: value for name, value in values.items() if name in asked}


def parameters(module: Any) -> dict[str, Any]:
    """In place of those that Ansible adds: nobody looks at them, and definitions and lists of VMs are long."""
    return {"invocation": {}} if module._verbosity < VERBOSE else {}
