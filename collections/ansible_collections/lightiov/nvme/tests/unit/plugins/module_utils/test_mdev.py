# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils._boot_order import RULE as ORDER_RULE
from ansible_collections.lightiov.nvme.plugins.module_utils._boot_order import UNIT, UNITS
from ansible_collections.lightiov.nvme.plugins.module_utils._boot_rule import RULE
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._mdev_state import mdev_states
from ansible_collections.lightiov.nvme.plugins.module_utils._runner import Runner
from ansible_collections.lightiov.nvme.plugins.module_utils._tenants import RECORD
from fake_host import FakeHost
from mdev_calls import FOREIGN, U1, U2, A, B, act, disk, make, one


@pytest.fixture
def two(fake: FakeHost) -> FakeHost:
    fake.add_controller(A, "S1", driver="lightiov")
    fake.add_controller(B, "S2", driver="lightiov", queue_pairs=4)
    return fake


def test_make_and_then_nothing_is_left_to_do(host: Host, two: FakeHost) -> None:
    wanted = [one(U1), one(U2, disks=[disk("3"), disk("2", "d1")], queue_pairs=5)]
    assert act(host, *wanted) == [("define", U1), ("define", U2), ("start", U1), ("start", U2)]
    assert two.mdevs(A) == [U1, U2]
    state = mdev_states(host)[1]
    assert (state.uuid, state.parent, state.tenant, state.queue_pairs) == (U2, "S1", "blue", 5)
    assert [one["nsid"] for one in state.disks] == [3, 2]
    assert (state.active, state.defined, state.autostart) == (True, True, True)
    assert act(host, *wanted) == []


def test_parent_by_address_and_uuid_in_capitals(host: Host, two: FakeHost) -> None:
    act(host, one(parent="S1"))
    made = make(host, one(U1.upper(), parent=A))
    assert made.steps == []
    assert made.before == made.after


def test_check_mode_foresees_everything_and_changes_nothing(host: Host, two: FakeHost) -> None:
    before = two.snapshot()
    made = make(host, one(), predict=True)
    assert [step.describe() for step in made.steps] == [
        {"action": "record", "object": RECORD},
        {"action": "define", "object": U1, "address": A},
        {"action": "start", "object": U1, "address": A},
    ]
    assert [one["nsid"] for one in made.returned["mdevs"][0]["disks"]] == [1]
    assert two.snapshot() == before


def test_check_mode_takes_the_controller_as_bound_and_mdevctl_as_installed(host: Host, fake: FakeHost) -> None:
    fake.add_controller(A, "S1", driver="nvme")
    fake.remove_tool("mdevctl")
    made = make(host, one(), predict=True)
    assert [step.action for step in made.steps] == ["record", "define", "start"]
    assert [one.until for one in made.unmet] == ["controller", "packages"]
    with pytest.raises(
        LightiovError, match=r"Controller S1 \(0000:01:00.0\) cannot have mdevs, because it is bound to nvme"
    ):
        make(host, one())


def test_unlisted_ones_go(host: Host, two: FakeHost) -> None:
    act(host, one(U1), one(U2, disks=[disk("2")]))
    assert act(host, one(U2, disks=[disk("2")])) == [("stop", U1), ("undefine", U1)]
    assert act(host) == [("stop", U2), ("undefine", U2)]
    assert (two.mdevs(A), mdev_states(host)) == ([], [])


@pytest.mark.parametrize("change", [{"queue_pairs": 3}, {"label": "vm2"}, {"parent": "S2"}])
def test_changes_are_made_by_making_it_anew(host: Host, two: FakeHost, change: dict[str, Any]) -> None:
    act(host, one())
    elsewhere = [("undefine", U1)] if "parent" in change else []
    assert act(host, one(**change)) == [("stop", U1), *elsewhere, ("define", U1), ("start", U1)]
    assert act(host, one(**change)) == []


def test_namespaces_can_change_hands_in_one_call(host: Host, two: FakeHost) -> None:
    act(host, one(U1, disks=[disk("1")]), one(U2, disks=[disk("2")]))
    actions = act(host, one(U1, disks=[disk("2")]), one(U2, disks=[disk("1")]))
    assert [action for action, _uuid in actions] == 2 * ["release"] + 2 * ["define"] + 2 * ["add"]
    assert act(host, one(U1, disks=[disk("2")]), one(U2, disks=[disk("1")])) == []


def test_a_stopped_one_is_started_and_an_undefined_one_defined(host: Host, two: FakeHost) -> None:
    act(host, one(U1), one(U2, disks=[disk("2")]))
    two.remove_mdev(U1)
    two.path(f"/etc/mdevctl.d/{A}/{U2}").unlink()
    assert act(host, one(U1), one(U2, disks=[disk("2")])) == [("define", U2), ("start", U1)]


def test_a_definition_that_does_not_start_at_boot_is_replaced(host: Host, two: FakeHost) -> None:
    act(host, one())
    path = f"/etc/mdevctl.d/{A}/{U1}"
    two.write(path, two.read(path).replace('"auto"', '"manual"'))
    assert act(host, one()) == [("define", U1)]


def test_definitions_at_an_address_of_former_times_go(host: Host, two: FakeHost) -> None:
    act(host, one())
    two.write(f"/etc/mdevctl.d/0000:07:00.0/{U1}", two.read(f"/etc/mdevctl.d/{A}/{U1}"))
    made = make(host, one())
    assert [step.describe() for step in made.steps] == [{"action": "undefine", "object": U1, "address": "0000:07:00.0"}]


def test_mdevs_of_other_drivers_are_not_touched(host: Host, two: FakeHost) -> None:
    two.add_mdev(A, FOREIGN, "nvidia-35")
    two.write(f"/etc/mdevctl.d/0000:0a:00.0/{U2}", '{"mdev_type": "i915-GVTg_V5_4", "start": "manual", "attrs": []}')
    assert act(host) == []
    for uuid in (FOREIGN, U2):
        with pytest.raises(LightiovError, match="belongs to another driver"):
            make(host, one(uuid))


class TestOpenByAVm:
    @pytest.fixture
    def opened(self, host: Host, two: FakeHost) -> FakeHost:
        act(host, one())
        two.write(f"{two.device(A)}/{U1}/state", "ready\n")
        return two

    @pytest.mark.parametrize("wanted", [[], [one(queue_pairs=3)]])
    def test_it_is_not_stopped(self, host: Host, opened: FakeHost, wanted: list[dict[str, Any]]) -> None:
        before = opened.snapshot()
        with pytest.raises(LightiovError, match=f"mdev {U1} has to be stopped, but a VM has it open"):
            make(host, *wanted)
        assert opened.snapshot() == before

    def test_check_mode_takes_it_as_detached_before(self, host: Host, opened: FakeHost) -> None:
        made = make(host, predict=True)
        assert [step.action for step in made.steps] == ["stop", "undefine"]
        assert [(one.until, one.object) for one in made.unmet] == [("domain_mdev", U1)]

    def test_by_force_it_is_asked_for_until_the_deadline(self, opened: FakeHost) -> None:
        host = Host(opened.root, Runner(path=str(opened.bin)))  # with processes, which can be ended
        with pytest.raises(LightiovError, match="does not give it up"):
            act(host, force=True, timeout=1)

    def test_others_can_be_made_beside_it(self, host: Host, opened: FakeHost) -> None:
        assert act(host, one(), one(U2, disks=[disk("2")])) == [("define", U2), ("start", U2)]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ([one("vm1")], "not a UUID"),
        ([one(), one(disks=[disk("2")])], "listed 2 times"),
        ([one(parent="S9")], r"parent 'S9', which is no controller of this host: choose from S1"),
        ([one(queue_pairs=0)], "choose 1 to 128"),
        ([one(queue_pairs=129)], "choose 1 to 128"),
        ([one(parent="S2", queue_pairs=5)], r"S2 \(0000:02:00.0\) has 4 queue pairs, but its mdevs want 5"),
        ([one(disks=33 * [disk()])], "cannot have 33 disks: list 32"),
        ([one(disks=[disk(name="")])], "has no name"),
        ([one(disks=[disk("1", "a+"), disk("2", "a_")])], "2 disks that the host module knows as a_"),
        ([one(disks=[disk("0")])], "cannot have the namespace 0"),
        ([one(disks=[disk("5")])], "wants namespace 5.*choose from 1, 2, 3, 4"),
        (
            [one(disks=[disk("1"), disk("1", "d1")])],
            "Disk d1 of mdev .* wants namespace 1 of controller S1.*disk data of mdev .* has all",
        ),
        ([one(), one(U2)], f"Disk data of mdev {U2} wants namespace 1 .* of which disk data of mdev {U1} has all"),
        ([one(), one(U2, disks=[disk("2")], tenant="red")], "tenants blue and red at once"),
        ([one(tenant="")], "tenant ''"),
        ([one(tenant="a b")], "tenant 'a b'"),
        ([one(tenant="x" * 65)], "1 to 64 letters"),
    ],
)
def test_lists_that_cannot_be(host: Host, two: FakeHost, wanted: list[dict[str, Any]], message: str) -> None:
    before = two.snapshot()
    for predict in (False, True):
        with pytest.raises(LightiovError, match=message):
            make(host, *wanted, predict=predict)
    assert two.snapshot() == before


def test_two_tenants_on_two_controllers(host: Host, two: FakeHost) -> None:
    assert len(act(host, one(), one(U2, parent="S2", tenant="red"))) == 4


def test_namespaces_are_checked_before_the_controller_is_bound(host: Host, fake: FakeHost) -> None:
    fake.add_controller(A, "S1", driver="nvme", namespaces=2)
    with pytest.raises(LightiovError, match="wants namespace 3"):
        make(host, one(disks=[disk("3")]), predict=True)


def test_a_refusal_of_the_driver_is_told(host: Host, two: FakeHost) -> None:
    *before, start = make(host, one()).steps
    two.write(f"{two.device(A)}/lightiov/queue_pairs_free", "0\n")
    for step in before:
        step.run()
    with pytest.raises(LightiovError, match=r"not accepted by controller S1.*attribute queue_pairs"):
        start.run()


def test_one_that_udev_starts_meanwhile_is_as_good(host: Host, two: FakeHost) -> None:
    *before, start = make(host, one()).steps
    for step in before:
        step.run()
    two.boot()
    start.run()
    assert make(host, one()).steps == []


def test_a_spoilt_definition_of_something_else_is_named(host: Host, two: FakeHost) -> None:
    two.write(f"/etc/mdevctl.d/{A}/{U2}", "{")
    with pytest.raises(LightiovError, match=f"/etc/mdevctl.d/{A}/{U2} is not a definition"):
        make(host, one())


def test_a_definition_that_a_power_cut_spoilt_is_replaced(host: Host, two: FakeHost) -> None:
    two.write(f"/etc/mdevctl.d/{A}/{U1}", "")
    assert make(host, one()).warnings == [f"/etc/mdevctl.d/{A}/{U1} is not a definition of mdevctl and is replaced"]
    assert act(host, one()) == [("define", U1), ("start", U1)]
    assert act(host, one()) == []


class TestBootRule:
    STOCK = "/usr/lib/udev/rules.d/60-mdevctl.rules"
    TEXT = 'ACTION=="change", RUN+="/bin/sh -c \'{ /usr/sbin/mdevctl start-parent-mdevs %k 2>&3 | logger; }\'"\n'

    def test_written_where_the_stock_rule_calls_what_is_not_there(self, host: Host, two: FakeHost) -> None:
        two.write(self.STOCK, self.TEXT)
        assert act(host, one())[0] == ("boot_rule", RULE)
        assert f"{two.bin}/mdevctl start-parent-mdevs $kernel" in two.read(RULE)
        assert act(host, one()) == []
        assert ("boot_rule", RULE) in act(host)
        assert not two.path(RULE).exists()

    def test_not_written_where_the_stock_rule_works(self, host: Host, two: FakeHost) -> None:
        two.write(self.STOCK, self.TEXT)
        two.write("/usr/sbin/mdevctl", "")
        assert ("boot_rule", RULE) not in act(host, one())


class TestBootOrder:
    LINK = f"{UNITS}/libvirtd.service.wants/lightiov-mdevs.target"

    @pytest.fixture(autouse=True)
    def systemd(self, two: FakeHost) -> None:
        two.install("systemctl")

    def test_libvirt_waits_for_the_mdevs_of_the_list(self, host: Host, two: FakeHost) -> None:
        # Before they start: what starts later is known to systemd from its first event on.
        assert act(host, one(U1), one(U2, disks=[disk("2")]))[0] == ("boot_order", UNIT)
        names = ["sys-bus-mdev-devices-" + uuid.replace("-", r"\x2d") + ".device" for uuid in (U1, U2)]
        wants = [line.partition("=")[2] for line in two.read(UNIT).splitlines() if line.startswith("Wants=")]
        assert wants == names
        assert two.path(self.LINK).is_symlink()
        assert 'TAG+="systemd"' in two.read(ORDER_RULE)
        assert act(host, one(U2, disks=[disk("2")]), one(U1)) == []

    def test_follows_the_list(self, host: Host, two: FakeHost) -> None:
        act(host, one(U1), one(U2, disks=[disk("2")]))
        assert ("boot_order", UNIT) in act(host, one(U2, disks=[disk("2")]))
        assert U1.replace("-", r"\x2d") not in two.read(UNIT)

    def test_waits_for_nothing_that_will_never_come(self, host: Host, two: FakeHost) -> None:
        two.write(RECORD, '{\n  "S1": {\n    "1": "blue"\n  }\n}\n')
        before = two.snapshot()
        act(host, one())
        assert ("boot_order", UNIT) in act(host)
        assert not two.path(self.LINK).is_symlink()
        assert two.snapshot() == before
        assert act(host) == []

    def test_half_done_is_done_again(self, host: Host, two: FakeHost) -> None:
        act(host, one())
        two.path(self.LINK).unlink()
        assert act(host, one()) == [("boot_order", UNIT)]
        assert two.path(self.LINK).is_symlink()
