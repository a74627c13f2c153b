# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils._blank import LABEL
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from fake_host import NAMESPACE_BYTES, FakeHost
from mdev_calls import FOREIGN, U1, U2, A, act, disk, make, one

MIB = 1 << 20
NGUID = "eui.0123456789abcdef0123456789abcdef"
LOG = disk(NGUID, "log", size="5 MiB")


def released(host: Host, *wanted: dict[str, Any], **options: Any) -> list[dict[str, Any]]:
    """The same in check mode."""
    told: list[dict[str, Any]] = make(host, *wanted, **options).returned["released"]
    if options.get("phase") != "grow":
        assert make(host, *wanted, predict=True, **options).returned["released"] == told
    return told


@pytest.fixture
def used(fake: FakeHost, host: Host) -> FakeHost:
    fake.add_controller(A, "S1", driver="lightiov")
    act(host, one(U1), one(U2, disks=[disk("2")], label="vm2"))
    return fake


class TestRemoval:
    def test_is_refused_by_name(self, host: Host, used: FakeHost) -> None:
        before = used.snapshot()
        for options in ({}, {"force": True}, {"predict": True}, {"phase": "shrink"}, {"phase": "grow"}):
            with pytest.raises(LightiovError, match=rf"removed, 2 of them: {U1} \(vm1\), {U2} \(vm2\)"):
                make(host, remove=False, **options)
        assert used.snapshot() == before

    def test_of_what_is_named_needs_no_consent(self, host: Host, used: FakeHost) -> None:
        with pytest.raises(LightiovError, match=rf"1 of them: {U2}"):
            make(host, remove=False, absent=frozenset({U1}))
        assert act(host, one(U1), remove=False, absent=frozenset({U2})) == [("stop", U2), ("undefine", U2)]

    def test_stays_within_the_number(self, host: Host, used: FakeHost) -> None:
        with pytest.raises(LightiovError, match="2 of them, which is more than the 1 that one run may remove"):
            make(host, removals_max=1)
        assert len(make(host, removals_max=2).steps) == 4
        assert len(make(host, removals_max=1, absent=frozenset({U1})).steps) == 4
        assert len(make(host, removals_max=0, absent=frozenset({U1, U2})).steps) == 4

    @pytest.mark.parametrize("change", [{"queue_pairs": 3}, {"disks": [disk("3")]}])
    def test_is_not_what_a_change_is(self, host: Host, used: FakeHost, change: dict[str, Any]) -> None:
        act(host, one(U1, **change), one(U2, disks=[disk("2")], label="vm2"), remove=False)

    def test_of_one_that_is_only_defined_counts_as_well(self, host: Host, used: FakeHost) -> None:
        used.remove_mdev(U1)
        with pytest.raises(LightiovError, match="2 of them"):
            make(host, remove=False)

    def test_what_is_both_wanted_and_absent_is_refused(self, host: Host, used: FakeHost) -> None:
        with pytest.raises(LightiovError, match=f"mdev {U1} is wanted and absent at once"):
            make(host, one(U1), absent=frozenset({U1}))


class TestMadeBySomethingElse:
    @pytest.fixture
    def stranger(self, used: FakeHost) -> FakeHost:
        used.add_mdev(A, FOREIGN, serial="S1", label="mine", tenant="blue", queue_pairs="1", namespaces="3")
        attributes = [{"serial": "S1"}, {"tenant": "blue"}, {"queue_pairs": "1"}, {"namespaces": "3"}]
        content = {"mdev_type": "lightiov-passthrough", "start": "auto", "attrs": attributes}
        used.write_json(f"/etc/mdevctl.d/{A}/{FOREIGN}", content)
        return used

    def test_is_left_alone_with_a_word(self, host: Host, stranger: FakeHost) -> None:
        made = make(host)
        assert FOREIGN not in {step.object for step in made.steps}
        assert made.warnings == [
            f"mdev {FOREIGN} has not been made by lightiov.nvme and is left alone: "
            "remove it with mdevctl if nobody needs it"
        ]
        act(host)
        assert stranger.mdevs(A) == [FOREIGN]
        assert make(host).steps == []

    @pytest.mark.parametrize("active", [True, False])
    def test_is_named_when_it_has_the_namespace(self, host: Host, stranger: FakeHost, active: bool) -> None:
        if not active:
            stranger.remove_mdev(FOREIGN)
        with pytest.raises(LightiovError, match=f"wants namespace 3 of controller S1 .* but mdev {FOREIGN} has it"):
            make(host, one(U1, disks=[disk("3")]), force=True)

    def test_is_named_when_it_serves_another_tenant(self, host: Host, stranger: FakeHost) -> None:
        with pytest.raises(LightiovError, match=f"because it serves tenant blue with mdev {FOREIGN}"):
            make(host, one(U1, tenant="red"), erase=True)

    def test_is_counted_with_its_queue_pairs(self, host: Host, stranger: FakeHost) -> None:
        with pytest.raises(LightiovError, match=r"64 queue pairs, of which .* hold 1, but its mdevs want 64"):
            make(host, one(U1, queue_pairs=62), one(U2, disks=[disk("2")]))

    def test_goes_when_it_is_named(self, host: Host, stranger: FakeHost) -> None:
        act(host, remove=True, absent=frozenset({FOREIGN}))
        assert stranger.mdevs(A) == []

    def test_is_taken_over_when_it_bears_a_wanted_uuid(self, host: Host, stranger: FakeHost) -> None:
        act(host, one(FOREIGN, disks=[disk("3")]))
        assert stranger.read(f"{stranger.device(A)}/{FOREIGN}/label") == "lightiov.nvme:vm1"


class TestReleased:
    """Where the data of disks stays that VMs lose."""

    @pytest.fixture
    def parts(self, fake: FakeHost, host: Host) -> FakeHost:
        fake.add_controller(A, "S1", driver="lightiov", ids={2: NGUID})
        act(host, self.vm1(LOG), one(U2, disks=[disk("3", "old")], label="vm2"))
        return fake

    def vm1(self, *more: dict[str, Any], **changes: Any) -> dict[str, Any]:
        return one(U1, disks=[disk(NGUID, size="8 MiB"), *more], **changes)

    def test_of_what_stays_nothing_is(self, host: Host, parts: FakeHost) -> None:
        kept = one(U2, disks=[disk("3", "old")], label="vm2")
        for changed in (
            self.vm1(LOG),
            self.vm1(LOG, queue_pairs=3),
            self.vm1({**LOG, "size": "6 MiB"}),
            self.vm1(LOG, disk("4", "new")),
        ):
            assert released(host, changed, kept) == []

    def test_of_vms_that_go_and_of_disks_that_go(self, host: Host, parts: FakeHost) -> None:
        log = {"vm": "vm1", "disk": "log", "controller": "S1", "namespace": NGUID, "first": 8 * MIB, "bytes": 5 * MIB}
        old = {"vm": "vm2", "disk": "old", "controller": "S1", "namespace": "3", "first": 0, "bytes": NAMESPACE_BYTES}
        assert released(host, self.vm1()) == [log, old]
        assert released(host, self.vm1(LOG), phase="shrink", absent=frozenset({U2}), remove=False) == [old]
        # That of a disk is taken when it comes to those that stay, which is after controllers have changed hands.
        assert released(host, self.vm1(), phase="shrink") == [old]
        act(host, self.vm1(), phase="shrink")
        assert released(host, self.vm1(), phase="grow") == [log]
        act(host, self.vm1(), phase="grow")
        assert released(host, self.vm1()) == []
        # Listed again, it is where its data is.
        act(host, self.vm1(LOG))
        assert released(host, self.vm1()) == [log]

    def test_of_one_that_is_only_defined(self, host: Host, parts: FakeHost) -> None:
        parts.remove_mdev(U2)
        assert [told["disk"] for told in released(host, self.vm1(LOG))] == ["old"]

    def test_of_a_disk_that_moves_to_another_namespace(self, host: Host, parts: FakeHost) -> None:
        [told] = released(host, self.vm1(LOG), one(U2, disks=[disk("4", "old")], label="vm2"))
        assert (told["disk"], told["namespace"]) == ("old", "3")

    def test_without_a_driver_nobody_knows_how_many_bytes(self, host: Host, parts: FakeHost) -> None:
        parts.remove_mdev(U2)
        parts.remove_mdev(U1)
        parts.bind(A, "")
        told = released(host)
        assert [(one["disk"], one["first"], one["bytes"]) for one in told] == [
            ("data", None, None),
            ("log", None, None),
            ("old", None, None),
        ]


def test_one_that_a_killed_run_left_goes_without_consent(host: Host, used: FakeHost) -> None:
    used.add_mdev(A, FOREIGN, serial="S1", label=LABEL, tenant="red", queue_pairs="1", namespaces="3")
    wanted = (one(U1), one(U2, disks=[disk("2")], label="vm2"))
    assert act(host, *wanted, remove=False) == [("stop", FOREIGN)]
    assert "red" not in used.read("/etc/lightiov/tenants.json")
