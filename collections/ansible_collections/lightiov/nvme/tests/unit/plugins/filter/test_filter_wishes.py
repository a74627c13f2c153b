# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.lightiov.nvme.plugins.filter import wishes as plugin

by_hand, wanted_vms = (plugin.FilterModule().filters()[name] for name in ("by_hand", "wanted_vms"))

PLACED = {"name": "data", "controller": "S1", "namespace": 1, "size": "1 GiB", "queue_pairs": 2}


def vm(**options: Any) -> dict[str, Any]:
    return {"name": "vm1", "tenant": "blue", "disks": [PLACED], **options}


@pytest.mark.parametrize(
    "options",
    [
        {"disks": [PLACED, {"name": "log", "size": "1 GiB"}]},
        {"disks": [{"name": "log", "controller": "S1", "size": "1 GiB"}]},
        {"name": "web[1:3]"},
        {"queue_pairs": 4},
        {"apart": {"from": "vm2"}},
        {"address": "pool"},
    ],
)
def test_wish(options: dict[str, Any]) -> None:
    assert by_hand([vm(**options), vm(name="vm2")]) == [vm(name="vm2")]
    assert wanted_vms({"hv1": [vm(name="vm2")], "hv2": [vm(**{"name": "vm3", **options})]})


@pytest.mark.parametrize("options", [{}, {"disks": []}, {"disks": None, "state": "absent"}, {"address": "192.0.2.1"}])
def test_vm_with_its_place(options: dict[str, Any]) -> None:
    assert by_hand([vm(**options)]) == [vm(**options)]
    assert wanted_vms({"hv1": [vm(**options)], "hv2": []}) == []


def test_wishes_are_checked_with_all_that_is_listed() -> None:
    lists = {"hv1": [vm(), vm(name="web[1:2]", disks=[])], "hv2": []}
    assert wanted_vms(lists) == ["vm1", "web1", "web2"]
    lists["hv2"] = [vm(name="vm3", tenant=None)]
    with pytest.raises(AnsibleFilterError, match=r"^VM vm3 has no tenant: "):
        wanted_vms(lists)


@pytest.mark.parametrize("listed", [None, "vm1", [1], ["vm1"]])
def test_what_is_no_list_of_vms_is_left_to_those_who_read_it(listed: Any) -> None:
    assert by_hand(listed) == listed
    assert wanted_vms({"hv1": listed}) == []
