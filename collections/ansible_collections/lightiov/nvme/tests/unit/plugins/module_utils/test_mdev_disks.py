# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks of an mdev: where they are, and how they come, grow and go while a VM has it open."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._mdevctl import MDEV_DEVICES
from ansible_collections.lightiov.nvme.plugins.module_utils._record import RECORD as IDENTITIES
from ansible_collections.lightiov.nvme.plugins.module_utils._tenants import RECORD
from ansible_collections.lightiov.nvme.plugins.module_utils._uuids import named
from fake_host import LBAS, FakeHost
from mdev_calls import FOREIGN, U1, U2, A, act, disk, make, one, run

MIB = 256  # LBAs
DATA = disk("1")


def part(name: str, size: str = "100 MiB", **changes: Any) -> dict[str, Any]:
    return disk("2", name, size=size, **changes)


# All of the namespace but for 100 MiB.
REST = part("b", "924 MiB")


def vm(*disks: dict[str, Any], uuid: str = U1, **changes: Any) -> dict[str, Any]:
    return one(uuid, disks=list(disks), **changes)


@pytest.fixture
def used(fake: FakeHost) -> FakeHost:
    fake.add_controller(A, "S1", driver="lightiov")
    return fake


@pytest.fixture(params=["closed", "ready"])
def running(request: pytest.FixtureRequest, host: Host, used: FakeHost) -> FakeHost:
    """An mdev with two disks, which a VM has open or not."""
    act(host, vm(DATA, part("a")))
    used.write(f"{used.device(A)}/{U1}/state", f"{request.param}\n")
    return used


def places(fake: FakeHost, uuid: str = U1) -> dict[str, tuple[int, int]]:
    """In MiB."""
    return {
        extent["name"]: (int(extent["first"]) // MIB, int(extent["count"]) // MIB)
        for extent in fake.extents(uuid)
        if "count" in extent
    }


class TestPlacement:
    def test_parts_lie_side_by_side_in_the_order_of_the_list(self, host: Host, used: FakeHost) -> None:
        wanted = (vm(part("a"), part("b", "30 MiB")), vm(part("a"), uuid=U2))
        act(host, *wanted)
        assert (places(used), places(used, U2)) == ({"a": (0, 100), "b": (100, 30)}, {"a": (130, 100)})
        assert make(host, *wanted).steps == []

    def test_ids_follow_from_serial_vm_disk_namespace_and_place(self, host: Host, used: FakeHost) -> None:
        act(host, vm(DATA, part("a"), part("b")))
        assert [extent["id"] for extent in used.extents(U1)] == [
            named("S1", "vm1", "data"),
            named("S1", "vm1", "a", "2", 0),
            named("S1", "vm1", "b", "2", 100 * MIB),
        ]

    def test_what_is_placed_stays_and_gaps_are_filled(self, host: Host, used: FakeHost) -> None:
        act(host, vm(part("a"), part("b"), part("c", "764 MiB")))
        act(host, vm(part("a"), part("c", "764 MiB")))
        assert places(used) == {"a": (0, 100), "c": (200, 764)}
        act(host, vm(part("c", "764 MiB"), part("d", "60 MiB"), part("e", "60 MiB"), part("a")))
        assert places(used) == {"a": (0, 100), "c": (200, 764), "d": (964, 60), "e": (100, 60)}

    def test_space_never_used_is_preferred(self, host: Host, used: FakeHost) -> None:
        act(host, vm(part("a"), part("b")))
        used.write_data(A, 2, "a's")
        act(host, vm(part("b")))
        assert act(host, vm(part("b"), part("c", "50 MiB"))) == [("define", U1), ("add", U1)]
        assert places(used) == {"b": (100, 100), "c": (200, 50)}

    def test_one_that_comes_back_finds_its_place_and_its_data(self, host: Host, used: FakeHost) -> None:
        act(host, vm(part("a"), part("b")))
        before = used.extents(U1)[1]
        used.write_data(A, 2, "b's", 100 * MIB)
        act(host, vm(part("a", "50 MiB") | {"size": "100 MiB"}))
        act(host)
        act(host, vm(part("b")))
        assert used.extents(U1) == [before]

    def test_one_that_comes_back_is_before_new_ones(self, host: Host, used: FakeHost) -> None:
        act(host, vm(part("b")))
        used.write_data(A, 2, "b's")
        act(host, vm())
        act(host, vm(part("a"), part("b")), erase=True)
        assert places(used) == {"a": (100, 100), "b": (0, 100)}
        assert used.data(A, 2) == "b's"

    def test_strangers_are_gone_round(self, host: Host, used: FakeHost) -> None:
        text = f"id={FOREIGN},nsid=2,first=0,count={10 * MIB},name=x"
        used.add_mdev(A, FOREIGN, serial="S1", label="x", tenant="blue", queue_pairs="1", extents=text)
        act(host, vm(part("a")))
        assert places(used) == {"a": (10, 100)}

    def test_a_golden_image_has_many_readers(self, host: Host, used: FakeHost) -> None:
        golden = disk("3", "golden", read_only=True)
        wanted = (vm(DATA, golden), vm(golden, uuid=U2))
        act(host, *wanted)
        assert ["read_only" in extent for uuid in (U1, U2) for extent in used.extents(uuid)] == [False, True, True]
        assert make(host, *wanted).steps == []

    @pytest.mark.parametrize(
        ("wanted", "message"),
        [
            (vm(part("a", "1 TiB")), r"wants 1 TiB of namespace 2 .* no more than 1 GiB are free in one piece"),
            (vm(part("a", "600 MiB"), part("b", "500 MiB")), "no more than 424 MiB are free in one piece"),
            (vm(disk("2"), part("a")), "Disk a .* wants 100 MiB of namespace 2 .* no more than 0 MiB"),
            (vm(part("a", "5 GB")), "the size '5 GB', because drives and systems do not agree on decimal units"),
            (vm(part("a", "0 MiB")), "the size '0 MiB': write a whole number"),
            (vm(part("a", "1.5 GiB")), "the size '1.5 GiB': write a whole number"),
        ],
    )
    def test_refusals(self, host: Host, used: FakeHost, wanted: dict[str, Any], message: str) -> None:
        with pytest.raises(LightiovError, match=message):
            make(host, wanted)

    def test_units_of_the_namespace_are_kept_to(self, host: Host, used: FakeHost) -> None:
        table = f"{used.device(A)}/lightiov/namespaces"
        used.write(table, f"2 4096 {LBAS} - - {3 * 16384}\n")
        with pytest.raises(LightiovError, match="in units of 49152 bytes: choose 102 MiB"):
            make(host, vm(part("a")))
        [planned] = make(host, vm(part("a", "3 MiB"))).returned["mdevs"]
        assert planned["disks"][0]["first"] == 0

    def test_before_the_controller_is_bound(self, host: Host, used: FakeHost) -> None:
        used.bind(A, "nvme")
        [planned] = make(host, vm(part("a"), part("b")), predict=True).returned["mdevs"]
        assert [one["first"] for one in planned["disks"]] == [0, 100 * MIB]

    def test_what_is_placed_waits_for_a_driver_that_tells_the_size_of_lbas(self, host: Host, fake: FakeHost) -> None:
        fake.add_controller(A, "S1", driver="lightiov", lba_bytes=512)
        act(host, vm(part("a")))
        fake.write_json(IDENTITIES, {A: {"serial": "S1", "model": "", "firmware": ""}})
        fake.bind(A, "")
        assert make(host, vm(part("a")), phase="shrink").steps == []
        [planned] = make(host, vm(part("a")), predict=True).returned["mdevs"]
        assert planned["disks"][0]["count"] == 100 * 2048
        fake.bind(A, "lightiov")
        act(host, vm(part("a", "200 MiB")))
        assert fake.extents(U1)[0]["count"] == str(200 * 2048)


class TestLive:
    def test_disks_come(self, host: Host, running: FakeHost) -> None:
        wanted = vm(DATA, part("a"), part("b"), disk("3", "whole"))
        assert act(host, wanted) == [("define", U1), ("add", U1), ("add", U1)]
        assert places(running) == {"a": (0, 100), "b": (100, 100)}
        assert act(host, wanted) == []

    def test_they_grow(self, host: Host, running: FakeHost) -> None:
        id_ = running.extents(U1)[1]["id"]
        made = make(host, vm(DATA, part("a", "300 MiB")))
        assert [(step.action, step.details.get("disk")) for step in made.steps][-1] == ("grow", "a")
        run(made)
        assert (places(running), running.extents(U1)[1]["id"]) == ({"a": (0, 300)}, id_)
        assert act(host, vm(DATA, part("a", "300 MiB"))) == []

    def test_growth_comes_before_a_former_place(self, host: Host, running: FakeHost) -> None:
        act(host, vm(DATA, part("a"), part("b")))
        act(host, vm(DATA, part("a")))
        act(host, vm(DATA, part("b"), part("a", "150 MiB")))
        assert places(running) == {"a": (0, 150), "b": (200, 100)}

    @pytest.mark.parametrize(
        ("size", "message"),
        [
            ("200 MiB", f"cannot grow from 100 MiB to 200 MiB, because disk b of mdev {U1} is behind it .*100 MiB at"),
            ("50 MiB", "has 100 MiB and cannot shrink to 50 MiB"),
        ],
    )
    def test_what_cannot_be(self, host: Host, running: FakeHost, size: str, message: str) -> None:
        act(host, vm(DATA, part("a"), part("b")))
        before = running.snapshot()
        with pytest.raises(LightiovError, match=message):
            make(host, vm(DATA, part("a", size), part("b")))
        assert running.snapshot() == before

    def test_they_do_not_grow_beyond_the_namespace(self, host: Host, running: FakeHost) -> None:
        with pytest.raises(LightiovError, match=r"because the namespace ends there .* give it 1 GiB at most"):
            make(host, vm(DATA, part("a", "2 GiB")))

    def test_a_part_does_not_become_the_whole(self, host: Host, running: FakeHost) -> None:
        with pytest.raises(LightiovError, match=r"is a part of namespace 2 .* say its size"):
            make(host, vm(DATA, disk("2", "a")))

    def test_they_go_with_consent(self, host: Host, running: FakeHost) -> None:
        with pytest.raises(LightiovError, match=rf"removed, 1 of them: disk a of {U1} \(vm1\)"):
            make(host, vm(DATA), remove=False)
        with pytest.raises(LightiovError, match="more than the 0 that one run may remove"):
            make(host, vm(DATA), removals_max=0)
        used = running.extents(U1)[1]["id"]
        assert make(host, vm(DATA), remove=False, absent=frozenset({used})).steps != []
        running.write_data(A, 2, "a's")
        assert act(host, vm(DATA)) == [("release", U1), ("define", U1)]
        assert (places(running), running.data(A, 2)) == ({}, "a's")
        assert act(host, vm(DATA)) == []

    def test_all_may_go(self, host: Host, running: FakeHost) -> None:
        act(host, vm())
        assert (running.extents(U1), act(host, vm())) == ([], [])

    def test_one_that_the_guest_uses_is_refused_and_left(self, host: Host, running: FakeHost) -> None:
        running.hold_disk(U1, running.extents(U1)[1]["id"])
        before = running.snapshot()
        with pytest.raises(
            LightiovError, match=f"Disk a of mdev {U1} is still in use in its VM after 0 seconds: unmount it .* detach"
        ):
            act(host, vm(DATA), timeout=0)
        assert running.snapshot() == before

    @pytest.mark.parametrize("released", [False, True])
    def test_one_that_a_killed_run_asked_for_is_kept(self, host: Host, running: FakeHost, released: bool) -> None:
        before = running.extents(U1)
        running.hold_disk(U1, before[1]["id"])
        host.write_attribute(f"{MDEV_DEVICES}/{U1}/release", before[1]["id"])
        assert "asked" in running.extents(U1)[1]
        made = make(host, vm(DATA, part("a")))
        if released:
            running.hold_disk(U1)
            host.write_attribute(f"{MDEV_DEVICES}/{U1}/release", before[1]["id"])
        assert run(made) == [("keep", U1)]
        assert running.extents(U1) == before
        assert act(host, vm(DATA, part("a"))) == []

    def test_by_consent_it_is_taken_all_the_same(self, host: Host, running: FakeHost) -> None:
        running.hold_disk(U1, running.extents(U1)[1]["id"])
        assert act(host, vm(DATA), timeout=0, force=True) == [("release", U1), ("define", U1)]
        assert places(running) == {}

    def test_one_goes_and_another_takes_its_place(self, host: Host, running: FakeHost) -> None:
        assert act(host, vm(DATA, disk("3", "a"))) == [("release", U1), ("define", U1), ("add", U1)]
        assert act(host, vm(DATA, disk("3", "a"))) == []

    def test_no_boot_finds_it_defined_twice(self, host: Host, running: FakeHost) -> None:
        """What one mdev loses and another, which is listed first, gets."""
        act(host, vm(DATA, part("a"), disk("3", "whole")), vm(disk("4"), uuid=U2, label="vm2"))
        wanted = vm(DATA, part("a")), vm(disk("4"), disk("3", "whole"), uuid=U2, label="vm2")
        assert [one for one in act(host, *reversed(wanted)) if one[0] == "define"] == [("define", U1), ("define", U2)]

    def test_a_change_is_no_removal(self, host: Host, running: FakeHost) -> None:
        act(host, vm(DATA, disk("3", "a")), remove=False)

    def test_a_refusal_of_the_driver_is_told(self, host: Host, running: FakeHost) -> None:
        *before, add = make(host, vm(DATA, part("a"), part("b"))).steps
        for step in before:
            step.run()
        text = f"id={FOREIGN},nsid=2,first={100 * MIB},count=256"
        running.add_mdev(A, FOREIGN, serial="S1", label="x", tenant="blue", queue_pairs="1", extents=text)
        with pytest.raises(LightiovError, match=rf"Disk b of mdev {U1} is refused: see the kernel log .*busy"):
            add.run()

    def test_cut_short_anywhere_it_is_completed(self, host: Host, running: FakeHost) -> None:
        wanted = vm(DATA, part("b"), part("c"))
        steps = len(make(host, wanted).steps)
        for number in range(steps + 1):
            for step in make(host, wanted).steps[:1]:
                step.run()
            if number % 2:
                running.boot()
        made = make(host, wanted)
        assert [step.action for step in made.steps] == []
        assert places(running) == {"b": (100, 100), "c": (200, 100)}

    def test_what_leaves_is_taken_where_there_is_nothing_else(self, host: Host, running: FakeHost) -> None:
        with pytest.raises(LightiovError, match=r"was used for another disk, .* in use: end that use in a run before"):
            make(host, vm(DATA, part("b", "1 GiB")))
        actions = act(host, vm(DATA, part("b", "1 GiB")), erase=True)
        assert [action for action, _name in actions] == ["release", "erase", "define", "add"]


class TestBlankRule:
    """A part that passes to another disk is blank, of whatever tenant that is."""

    @pytest.fixture
    def left(self, host: Host, used: FakeHost) -> FakeHost:
        """All of the namespace has been used."""
        act(host, vm(part("a"), REST))
        used.write_data(A, 2, "a's")
        act(host, vm(REST))
        return used

    def test_is_recorded_by_parts(self, host: Host, left: FakeHost) -> None:
        record = json.loads(left.read(RECORD))
        assert [(one["first"], one["end"], one["tenant"]) for one in record["S1"]["2"]] == [
            (0, 100 * MIB, "blue"),
            (100 * MIB, LBAS, "blue"),
        ]

    def test_what_has_data_is_refused(self, host: Host, left: FakeHost) -> None:
        before = left.snapshot()
        with pytest.raises(
            LightiovError,
            match=r"The part from LBA 0 to 12799 of namespace 2 .* was used for another disk, so disk c .* only blank",
        ):
            act(host, vm(REST, part("c", "50 MiB")))
        assert left.snapshot() == before

    def test_what_is_blank_is_given(self, host: Host, left: FakeHost) -> None:
        left.write_data(A, 2, "")
        actions = act(host, vm(REST, part("c", "50 MiB")))
        assert actions == [("check_blank", "2 from LBA 0"), ("define", U1), ("add", U1)]
        assert act(host, vm(REST, part("c", "50 MiB"))) == []

    def test_by_consent_it_is_erased(self, host: Host, left: FakeHost) -> None:
        act(host, vm(REST, part("c", "50 MiB")), erase=True)
        assert left.data(A, 2) == ""

    def test_growth_over_it_counts(self, host: Host, left: FakeHost) -> None:
        act(host, vm(REST, part("c", "50 MiB")), erase=True)
        left.write_data(A, 2, "a's", 60 * MIB)
        with pytest.raises(LightiovError, match=f"The part from LBA {50 * MIB} to {80 * MIB - 1} of namespace 2"):
            act(host, vm(REST, part("c", "80 MiB")))
        assert act(host, vm(REST, part("c", "60 MiB"))) != []

    def test_a_whole_namespace_passes_within_a_tenant(self, host: Host, left: FakeHost) -> None:
        act(host)
        assert ("check_blank", "2") not in act(host, vm(disk("2"), uuid=U2))
        assert json.loads(left.read(RECORD))["S1"]["2"] == "blue"

    def test_but_not_to_another(self, host: Host, left: FakeHost) -> None:
        act(host)
        red = vm(disk("2"), uuid=U2, tenant="red")
        with pytest.raises(LightiovError, match=r"Namespace 2 of controller S1 .* was tenant blue's"):
            act(host, red)
        act(host, red, erase=True)
        assert json.loads(left.read(RECORD))["S1"]["2"] == "red"

    def test_nor_do_parts(self, host: Host, left: FakeHost) -> None:
        """Also when red's own has been on a part of the namespace since."""
        act(host)
        red = vm(disk("2", "new", size="20 MiB"), uuid=U2, tenant="red")
        with pytest.raises(LightiovError, match=r"LBA 0 to 5119 .* was tenant blue's"):
            act(host, red)
        act(host, red, erase=True)
        act(host)
        with pytest.raises(LightiovError, match=r"Namespace 2 of controller S1 .* was tenant blue's"):
            left.write_data(A, 2, "b's", 150 * MIB)
            act(host, vm(disk("2"), uuid=U2, tenant="red"))
