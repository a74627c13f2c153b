# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls of module mdev, shared by its tests."""

from __future__ import annotations

from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._mdev import Wanted
from ansible_collections.lightiov.nvme.plugins.module_utils._mdev_difference import Request
from ansible_collections.lightiov.nvme.plugins.module_utils._mdev_plan import plan
from ansible_collections.lightiov.nvme.plugins.module_utils._plan import Plan
from ansible_collections.lightiov.nvme.plugins.module_utils._tenants import RECORD
from fake_host import FakeHost

A, B = "0000:01:00.0", "0000:02:00.0"
U1 = "11111111-96c4-5fd1-bb5e-0c0a2e6c8a55"
U2 = "22222222-96c4-5fd1-bb5e-0c0a2e6c8a55"
FOREIGN = "ffffffff-96c4-5fd1-bb5e-0c0a2e6c8a55"


def disk(namespace: str = "1", name: str = "data", **changes: Any) -> dict[str, Any]:
    return {"name": name, "namespace": namespace, **changes}


def one(uuid: str = U1, **changes: Any) -> dict[str, Any]:
    """An element of the list."""
    return {
        "uuid": uuid,
        "parent": "S1",
        "type": "lightiov-passthrough",
        "label": "vm1",
        "tenant": "blue",
        "queue_pairs": 2,
        "disks": [disk("1")],
        **changes,
    }


def make(host: Host, *wanted: dict[str, Any], predict: bool = False, **options: Any) -> Plan:
    """As if every removal were consented to: what is refused without consent has tests of its own."""
    request = Request([Wanted.parse(options) for options in wanted], **{"remove": True, **options})
    return plan(host, request, predict=predict)


def run(made: Plan) -> list[tuple[str, str]]:
    for step in made.steps:
        step.run()
    return [(step.action, step.object) for step in made.steps]


def act(host: Host, *wanted: dict[str, Any], **options: Any) -> list[tuple[str, str]]:
    """What was done, but for the record of tenants."""
    return [(action, name) for action, name in run(make(host, *wanted, **options)) if name != RECORD]


def extents(fake: FakeHost, uuid: str, address: str = A) -> list[str]:
    """Of a definition, as mdevctl would write them, without their IDs."""
    pairs = [pair for one in fake.definition(address, uuid)["attrs"] for pair in one.items()]
    return [value.partition(",")[2] for name, value in pairs if name == "extent"]


def definition(fake: FakeHost, uuid: str, address: str = A) -> dict[str, str]:
    """The attributes that mdevctl would write."""
    return {name: value for pair in fake.definition(address, uuid)["attrs"] for name, value in pair.items()}
