# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils._blank import LABEL
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._tenants import RECORD
from fake_host import FakeHost
from mdev_calls import FOREIGN, U1, U2, A, act, disk, make, one, run

EUI = "eui.0025385b01400c1e"
RED = one(U2, tenant="red", disks=[disk("1")])


@pytest.fixture
def used(fake: FakeHost, host: Host) -> FakeHost:
    """Namespace 1 has data of tenant blue, whose mdev is gone."""
    fake.add_controller(A, "S1", driver="lightiov", ids={2: EUI})
    act(host, one(U1))
    fake.write_data(A, 1, "blue's")
    act(host)
    return fake


def record(fake: FakeHost) -> object:
    return json.loads(fake.read(RECORD))


def test_tenants_are_recorded_by_controller_and_namespace(host: Host, used: FakeHost) -> None:
    act(host, one(U1, disks=[disk("2"), disk("3", "d1")]))
    assert record(used) == {"S1": {"1": "blue", EUI: "blue", "3": "blue"}}


def test_it_is_recorded_before_anything_can_start(host: Host, used: FakeHost) -> None:
    actions = [step.action for step in make(host, one(U1, disks=[disk("2")])).steps]
    assert actions == ["record", "define", "start"]


def test_what_goes_is_recorded_before_it_goes(host: Host, used: FakeHost) -> None:
    act(host, one(U1, disks=[disk("2")]))
    used.path(RECORD).unlink()
    assert run(make(host, phase="shrink"))[0] == ("record", RECORD)
    assert record(used) == {"S1": {EUI: "blue"}}


class TestAnotherTenantsData:
    def test_is_not_given_away(self, host: Host, used: FakeHost) -> None:
        before = used.snapshot()
        with pytest.raises(
            LightiovError,
            match=r"Namespace 1 of controller S1 .* was tenant blue's.*add erase to .*LBA 0",
        ):
            act(host, RED)
        assert used.snapshot() == before

    def test_nor_by_force(self, host: Host, used: FakeHost) -> None:
        with pytest.raises(LightiovError, match="was tenant blue's"):
            act(host, RED, force=True)

    def test_check_mode_says_that_it_is_not_read(self, host: Host, used: FakeHost) -> None:
        made = make(host, RED, predict=True)
        assert [step.action for step in made.steps] == ["check_blank", "record", "define", "start"]
        assert ["is not read in check mode" in warning for warning in made.warnings] == [True]

    def test_is_no_obstacle_for_the_tenant_itself(self, host: Host, used: FakeHost) -> None:
        assert act(host, one(U2)) == [("define", U2), ("start", U2)]

    def test_is_erased_by_consent(self, host: Host, used: FakeHost) -> None:
        assert act(host, RED, erase=True) == [("erase", "1"), ("define", U2), ("start", U2)]
        assert used.data(A, 1) == ""
        assert record(used) == {"S1": {"1": "red"}}
        assert act(host, RED) == []

    def test_is_not_looked_for_where_there_is_none(self, host: Host, used: FakeHost) -> None:
        used.write_data(A, 1, "")
        assert act(host, RED) == [("check_blank", "1"), ("define", U2), ("start", U2)]

    def test_is_in_use(self, host: Host, used: FakeHost) -> None:
        act(host, one(U1))
        with pytest.raises(LightiovError, match=r"was tenant blue's.*and it is in use: .*add erase"):
            make(host, one(U1, tenant="red"))
        actions = act(host, one(U1, tenant="red"), erase=True)
        assert [action for action, _name in actions] == ["stop", "erase", "define", "start"]
        assert used.data(A, 1) == ""

    def test_is_known_from_a_definition_of_the_version_before(self, host: Host, used: FakeHost) -> None:
        used.path(RECORD).unlink()
        attributes = [{"tenant": "blue"}, {"queue_pairs": "2"}, {"namespaces": "1"}]
        content = {"mdev_type": "lightiov-passthrough", "start": "auto", "attrs": attributes}
        used.write_json(f"/etc/mdevctl.d/{A}/{U1}", content)
        with pytest.raises(LightiovError, match="was tenant blue's"):
            act(host, RED, absent=frozenset({U1}))

    def test_is_found_under_its_identity_whatever_its_number(self, host: Host, used: FakeHost) -> None:
        act(host, one(U1, disks=[disk("2")]))
        act(host)
        used.write_data(A, 4, "blue's")
        used.change_hardware(A, ids={"4": EUI})
        with pytest.raises(LightiovError, match=rf"Namespace 4 \({EUI}\) .* was tenant blue's"):
            act(host, one(U2, tenant="red", disks=[disk("4")]))
        assert act(host, one(U2, tenant="red", disks=[disk("2")])) != []

    def test_is_not_given_away_when_erasing_was_cut_short(self, host: Host, used: FakeHost) -> None:
        steps = make(host, RED, erase=True).steps
        for step in steps[: [step.action for step in steps].index("erase")]:
            step.run()
        used.boot()
        with pytest.raises(LightiovError, match="was tenant blue's"):
            act(host, RED)

    def test_is_read_on_an_mdev_that_leaves_nothing(self, host: Host, used: FakeHost) -> None:
        with pytest.raises(LightiovError):
            act(host, RED)
        assert used.mdevs(A) == []
        assert list(Path(used.root, "etc/mdevctl.d", A).iterdir()) == []
        assert any(call.startswith("liov blank ") and "--yes" not in call for call in used.log())

    def test_is_read_again_when_reading_was_killed(self, host: Host, used: FakeHost) -> None:
        used.write_data(A, 1, "")
        left = f"id={FOREIGN},nsid=1,name=blank"
        used.add_mdev(A, FOREIGN, serial="S1", label=LABEL, tenant="red", queue_pairs="1", extents=left)
        assert act(host, RED, remove=False) == [
            ("stop", FOREIGN),
            ("check_blank", "1"),
            ("define", U2),
            ("start", U2),
        ]

    def test_cannot_be_read_while_something_holds_it(self, host: Host, used: FakeHost) -> None:
        steps = make(host, RED).steps
        used.add_mdev(A, FOREIGN, serial="S1", label="x", tenant="red", queue_pairs="1", namespaces="1")
        with pytest.raises(LightiovError, match=r"was tenant blue's.*and it cannot be read: see the kernel log"):
            steps[0].run()


def test_a_spoilt_record_is_named(host: Host, used: FakeHost) -> None:
    for text in ("{", "[]", '{"S1": "blue"}'):
        used.write(RECORD, text)
        with pytest.raises(LightiovError, match=f"{RECORD} is not a record of tenants"):
            make(host, one(U1))
