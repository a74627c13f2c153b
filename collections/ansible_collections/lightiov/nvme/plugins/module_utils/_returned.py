# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a result goes back to the machine that runs Ansible, which keeps what is registered for each host until the
run ends."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any


def chosen(values: Mapping[str, Any], names: Collection[str] | None) -> dict[str, Any]:
    """Those that the caller asks for, by the option `returns`; all of them if it does not say."""
    return {name: value for name, value in values.items() if names is None or name in names}


def parameters(module: Any) -> dict[str, Any]:
    """In place of those that Ansible adds: nobody looks at them, and definitions and lists of VMs are long."""
    return {"invocation": {}} if module._verbosity < 3 else {}
