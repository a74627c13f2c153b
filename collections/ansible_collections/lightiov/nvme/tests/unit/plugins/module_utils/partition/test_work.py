# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a fleet's plan looks at is as much as the fleet has, and not as much for each pair of its hosts and VMs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils._partition import files, fleet
from fleets import described, host, vm

Host = dict[str, Any]


def placed(vms: list[Any], hosts: int) -> dict[str, Host]:
    """A fleet that has accepted its plan, and has not made anything of it yet."""
    fleet_of = described({f"hv{number}": host(f"hv{number}", pairs=64) for number in range(hosts)}, vms)
    for name, of in fleet.partition(fleet_of, fleet.Policy())["placements"].items():
        fleet_of[name]["placements"] = {"lightiov_vms": of}
        fleet_of[name]["found"] = {**fleet_of[name]["found"], "digest": files.digest(of), "generation": 1}
    return fleet_of


def counted(patch: pytest.MonkeyPatch, *names: str) -> list[str]:
    """Calls of these functions of the fleet's."""
    calls: list[str] = []

    def counting(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *arguments: (calls.append(name), function(*arguments))[1]

    for name in names:
        patch.setattr(fleet, name, counting(name, getattr(fleet, name)))
    return calls


def test_lists_of_hosts_are_read_as_often_for_many_vms_that_go_as_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    vms = [vm(f"vm{number}", gib=1, pairs=1) for number in range(20)]
    hosts = placed(vms, 3)
    calls = counted(monkeypatch, "_written", "_told")
    numbers = []
    for going in (1, 20):
        listed = [{**one, "state": "absent"} if number < going else one for number, one in enumerate(vms)]
        result = fleet.partition({name: {**one, "vms": listed} for name, one in hosts.items()}, fleet.Policy())
        entries = [entry for of in result["placements"].values() for entry in of]
        assert len([entry for entry in entries if entry.get("state") == "absent"]) == going
        numbers.append(len(calls))
        calls.clear()
    assert numbers[0] == numbers[1]


class Once(dict[str, Any]):
    """Counts how often all of it is gone through."""

    times = 0

    def __iter__(self) -> Iterator[str]:
        self.times += 1
        return super().__iter__()

    def keys(self) -> Any:
        self.times += 1
        return super().keys()

    def items(self) -> Any:
        self.times += 1
        return super().items()


def test_list_of_all_vms_is_gone_through_as_often_for_many_hosts_as_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    parse = fleet.intent.parse
    seen: list[Once] = []

    def noting(*arguments: Any) -> Any:
        parsed = parse(*arguments)
        seen.append(Once(parsed.options))
        return replace(parsed, options=seen[-1])

    monkeypatch.setattr(fleet.intent, "parse", noting)
    numbers = []
    for size in (1, 20):
        result = fleet.partition(placed([vm("vm1", gib=1, pairs=1)], size), fleet.Policy())
        assert any("which it has accepted" in one for one in result["cautions"])
        numbers.append(seen[-1].times)
    assert numbers[0] == numbers[1]
