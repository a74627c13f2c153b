# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls of module namespace, shared by its tests."""

from __future__ import annotations

from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._namespace import Wanted
from ansible_collections.lightiov.nvme.plugins.module_utils._namespace_plan import Request, plan
from ansible_collections.lightiov.nvme.plugins.module_utils._plan import Plan

A, B = "0000:01:00.0", "0000:02:00.0"
OTHERS = "eui.00000000000000000025385b01400c1d"


def one(name: str = "data", size: str | None = "2 GiB", **changes: Any) -> dict[str, Any]:
    """An element of the list."""
    return {"name": name, "controller": "S1", "size": size, "state": "attached", **changes}


def former(**changes: Any) -> dict[str, Any]:
    """One that something else has made, as the list has it."""
    return one(**{"name": "former", "size": None, "namespace": OTHERS, **changes})


def make(host: Host, *wanted: dict[str, Any], predict: bool = False, **options: Any) -> Plan:
    return plan(host, Request([Wanted.parse(options) for options in wanted], **options), predict=predict)


def act(host: Host, *wanted: dict[str, Any], **options: Any) -> list[str]:
    made = make(host, *wanted, **options)
    for step in made.steps:
        step.run()
    return [step.action for step in made.steps]
