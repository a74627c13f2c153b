# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._mdev_state import mdev_states, parse_queues, parse_window
from fake_host import FakeHost

A = "0000:01:00.0"
ID = "11111111-4dd6-5b3c-9a55-0d4f0e4c5f11"
OTHER = "22222222-4dd6-5b3c-9a55-0d4f0e4c5f11"
UUID = "8d1a5f9e-96c4-5fd1-bb5e-0c0a2e6c8a55"


def test_active_one(host: Host, fake: FakeHost) -> None:
    fake.add_controller(A, "S1", driver="lightiov")
    names = {"serial": "S1", "label": "lightiov.nvme:vm1", "tenant": "blue"}
    fake.add_mdev(
        A,
        UUID,
        **names,
        queue_pairs="2",
        extents=" ".join(
            [
                f"id={ID},nsid=1,eui=0025385b01400c1e,name=data",
                f"id={OTHER},nsid=3,first=256,count=512,read_only,name=log",
            ]
        ),
        state="ready",
    )
    device = f"{fake.device(A)}/{UUID}"
    fake.write(f"{device}/queues", "0 5 5 1024\n1 6 6 -\n")
    fake.write(f"{device}/window", "0x10000000000 0x40000000\n")
    fake.write(f"{device}/statistics/mmio", "88\n")
    fake.write(f"{device}/statistics/commands", "9\n")
    fake.hold_disk(UUID, OTHER)
    fake.told(f"/sys/bus/mdev/devices/{UUID}/release", OTHER)
    (state,) = mdev_states(host)
    assert state.to_dict() == {
        "uuid": UUID,
        "parent": "S1",
        "address": A,
        "type": "lightiov-passthrough",
        "active": True,
        "defined": False,
        "autostart": False,
        "label": "vm1",
        "marked": True,
        "tenant": "blue",
        "queue_pairs": 2,
        "disks": [
            {
                "id": ID,
                "name": "data",
                "nsid": 1,
                "identity": "eui.0025385b01400c1e",
                "first": None,
                "count": None,
                "read_only": False,
                "size": 1 << 30,
                "asked": False,
                "gone": False,
            },
            {
                "id": OTHER,
                "name": "log",
                "nsid": 3,
                "identity": "",
                "first": 256,
                "count": 512,
                "read_only": True,
                "size": 2 << 20,
                "asked": True,
                "gone": False,
            },
        ],
        "state": "ready",
        "queues": [
            {"index": 0, "hw_qid": 5, "vector": 5, "entries": 1024},
            {"index": 1, "hw_qid": 6, "vector": 6, "entries": None},
        ],
        "window": {"base": "0x10000000000", "size": "0x40000000"},
        "statistics": {"commands": 9, "mmio": 88},
    }
    assert state.in_short() == {
        "state": "ready",
        "hw_qids": [5, 6],
        "used": 1,
        "window": "0x10000000000 + 0x40000000",
        "interrupts": 0,
    }


def test_one_that_is_only_defined_on_a_controller_that_is_gone(host: Host, fake: FakeHost) -> None:
    attributes = '[{"tenant": "blue"}, {"queue_pairs": "2"}, {"namespaces": "1 3"}]'
    fake.write(
        f"/etc/mdevctl.d/{A}/{UUID}",
        f'{{"mdev_type": "lightiov-passthrough", "start": "auto", "attrs": {attributes}}}',
    )
    (state,) = mdev_states(host)
    assert (state.parent, state.active, state.defined, state.autostart) == ("", False, True, True)
    assert (state.tenant, state.queue_pairs, [one["nsid"] for one in state.disks]) == ("blue", 2, [1, 3])
    assert {(one["id"], one["size"]) for one in state.disks} == {("", None)}
    assert (state.state, state.queues, state.window, state.statistics) == ("", [], None, {})
    assert state.in_short() == {"state": "", "hw_qids": [], "used": 0, "window": None, "interrupts": 0}


def test_a_definition_says_whose_it_is(host: Host, fake: FakeHost) -> None:
    fake.add_controller(A, "S2", driver="lightiov")
    attributes = [{"serial": "S1"}, {"label": "mine"}]
    fake.write_json(f"/etc/mdevctl.d/{A}/{UUID}", {"mdev_type": "lightiov-passthrough", "attrs": attributes})
    (state,) = mdev_states(host)
    assert (state.parent, state.label, state.marked, state.autostart) == ("S1", "mine", False, False)


def test_mdevs_of_other_drivers_are_not_listed(host: Host, fake: FakeHost) -> None:
    fake.add_controller(A, "S1", driver="lightiov")
    fake.add_mdev(A, UUID, "nvidia-35")
    assert mdev_states(host) == []


def test_empty_attributes() -> None:
    assert parse_queues("") == []
    assert parse_window("-") is None
