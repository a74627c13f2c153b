# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from fake_host import FakeHost
from mdev_calls import U1, U2, A, B, act, definition, make, one

NGUID = "eui.0123456789abcdef0025385b01400c1d"
EUI = "eui.0025385b01400c1e"
OTHER = "eui.0025385b01400c1f"


@pytest.fixture
def two(fake: FakeHost) -> FakeHost:
    fake.add_controller(A, "S1", driver="lightiov", ids={1: NGUID, 2: EUI})
    fake.add_controller(B, "S2", driver="lightiov")
    return fake


def test_a_definition_says_whose_it_is(host: Host, two: FakeHost) -> None:
    act(host, one(namespaces=["1", "3"]))
    assert [list(pair) for pair in two.definition(A, U1)["attrs"]] == [
        ["serial"],
        ["label"],
        ["tenant"],
        ["queue_pairs"],
        ["namespaces"],
    ]
    assert definition(two, U1) == {
        "serial": "S1",
        "label": "lightiov.nvme:vm1/data",
        "tenant": "blue",
        "queue_pairs": "2",
        "namespaces": f"1={NGUID},3",
    }
    assert act(host, one(namespaces=["1", "3"])) == []


def test_a_label_has_only_what_the_driver_takes(host: Host, two: FakeHost) -> None:
    act(host, one(label="vm 1/größe" + "x" * 200))
    label = definition(two, U1)["label"]
    assert label.startswith("lightiov.nvme:vm_1/gr__e" + "x") and len(label) == 128


class TestNamespaces:
    @pytest.mark.parametrize(("named", "nsid"), [(NGUID, 1), (EUI.upper().replace("EUI", "eui"), 2)])
    def test_by_identity(self, host: Host, two: FakeHost, named: str, nsid: int) -> None:
        made = make(host, one(namespaces=[named]))
        assert made.returned["mdevs"][0]["namespaces"] == [nsid]
        act(host, one(namespaces=[named]))
        assert act(host, one(namespaces=[str(nsid)])) == []

    def test_by_identity_before_the_controller_is_bound(self, host: Host, fake: FakeHost) -> None:
        fake.add_controller(A, "S1", driver="nvme", ids={1: NGUID, 2: EUI})
        for named, nsid in ((NGUID, 1), (EUI, 2)):
            made = make(host, one(namespaces=[named]), predict=True)
            assert made.returned["mdevs"][0]["namespaces"] == [nsid]
            assert made.returned["mdevs"][0]["identities"] == [named]

    @pytest.mark.parametrize(
        ("named", "message"),
        [
            (OTHER, rf"wants namespace {OTHER}, which .* does not have: choose from 1 \({NGUID}\), 2 \({EUI}\), 3, 4"),
            ("eui.0", "cannot have the namespace eui.0: name it by its NSID"),
            ("0x1", "cannot have the namespace 0x1"),
            ("²", "cannot have the namespace ²"),
        ],
    )
    def test_that_are_not_there(self, host: Host, two: FakeHost, named: str, message: str) -> None:
        with pytest.raises(LightiovError, match=message):
            make(host, one(namespaces=[named]))

    def test_with_one_identity_for_two(self, host: Host, two: FakeHost) -> None:
        two.change_hardware(A, ids={"1": EUI, "2": EUI})
        with pytest.raises(LightiovError, match=r"namespaces 1, 2 of controller S1 .* all have that identity"):
            make(host, one(namespaces=[EUI]))

    def test_one_in_two_ways_is_one(self, host: Host, two: FakeHost) -> None:
        with pytest.raises(LightiovError, match=r"Namespace 1 of controller S1.*again"):
            make(host, one(), one(U2, namespaces=[NGUID]))

    @pytest.mark.parametrize("now", [{"1": OTHER}, {}])
    def test_another_one_with_the_number_is_refused(self, host: Host, two: FakeHost, now: dict[str, str]) -> None:
        act(host, one())
        two.change_hardware(A, ids=now)
        two.boot()
        assert two.mdevs(A) == []
        for predict in (False, True):
            with pytest.raises(LightiovError, match=f"namespace 1 of .* when that was {NGUID}, and now it is"):
                make(host, one(), predict=predict)

    def test_the_stock_driver_may_not_tell_which_it_is(self, host: Host, two: FakeHost) -> None:
        """As after a change of slots: the controller is still bound to it when a deployment is planned."""
        act(host, one())
        two.change_hardware(A, silent=True)
        two.bind(A, "nvme")
        (planned,) = make(host, one(), predict=True).returned["mdevs"]
        assert (planned["namespaces"], planned["identities"]) == ([1], [NGUID])
        (planned,) = make(host, one(namespaces=[NGUID]), predict=True).returned["mdevs"]
        assert (planned["namespaces"], planned["identities"]) == ([1], [NGUID])

    def test_another_one_that_the_list_names_is_taken(self, host: Host, two: FakeHost) -> None:
        act(host, one())
        two.change_hardware(A, ids={"1": OTHER})
        two.boot()
        act(host, one(namespaces=[OTHER]))
        assert definition(two, U1)["namespaces"] == f"1={OTHER}"

    def test_one_that_got_another_number_is_followed(self, host: Host, two: FakeHost) -> None:
        act(host, one(namespaces=[EUI]))
        two.change_hardware(A, ids={"4": EUI})
        two.boot()
        assert act(host, one(namespaces=[EUI])) == [("undefine", U1), ("define", U1), ("start", U1)]
        assert definition(two, U1)["namespaces"] == f"4={EUI}"


class TestDriveThatMoved:
    @pytest.fixture
    def exchanged(self, host: Host, two: FakeHost) -> FakeHost:
        act(host, *self.wanted)
        two.exchange(A, B)
        two.boot()
        return two

    wanted = (one(U1), one(U2, parent="S2", tenant="red"))

    def test_nothing_starts_on_the_wrong_one(self, exchanged: FakeHost) -> None:
        assert (exchanged.mdevs(A), exchanged.mdevs(B)) == ([], [])

    def test_definitions_follow_the_serial_number(self, host: Host, exchanged: FakeHost) -> None:
        made = make(host, *self.wanted)
        assert [warning.partition(":")[0] for warning in made.warnings[:1]] == [f"mdev {U1} is defined for 0000"]
        assert f"where controller S2 is now, and belongs to S1 ({B}): drives have moved" in made.warnings[0]
        assert len(made.warnings) == 2
        act(host, *self.wanted)
        assert (exchanged.mdevs(A), exchanged.mdevs(B)) == ([U2], [U1])
        assert (definition(exchanged, U1, B)["serial"], definition(exchanged, U2, A)["serial"]) == ("S1", "S2")
        again = make(host, *self.wanted)
        assert (again.steps, again.warnings) == ([], [])

    def test_cut_short_it_is_finished(self, host: Host, exchanged: FakeHost) -> None:
        steps = make(host, *self.wanted).steps
        for number in range(len(steps)):
            for step in make(host, *self.wanted).steps[:1]:
                step.run()
            exchanged.boot()
            assert not {U1} & set(exchanged.mdevs(A)) and not {U2} & set(exchanged.mdevs(B)), number
        assert make(host, *self.wanted).steps == []

    def test_an_address_is_a_place_and_no_name(self, host: Host, exchanged: FakeHost) -> None:
        with pytest.raises(LightiovError, match=f"names the parent {A}, where controller S1 was and now is S2"):
            make(host, one(U1, parent=A), self.wanted[1])

    def test_one_that_is_gone(self, host: Host, two: FakeHost) -> None:
        act(host, *self.wanted)
        hardware = two.hardware
        del hardware[B]
        two.path(f"/sys/bus/pci/devices/{B}").unlink()
        with pytest.raises(LightiovError, match="names the parent 'S2', which is no controller of this host"):
            make(host, *self.wanted)


class TestHostOfTheVersionBefore:
    """Its definitions have neither serial number nor label, and its host module knows none."""

    wanted = (one(U1), one(U2, namespaces=["2"]))

    @staticmethod
    def old(nsid: int) -> dict[str, Any]:
        attributes = [{"tenant": "blue"}, {"queue_pairs": "2"}, {"namespaces": str(nsid)}]
        return {"mdev_type": "lightiov-passthrough", "start": "auto", "attrs": attributes}

    @pytest.fixture
    def before(self, fake: FakeHost) -> FakeHost:
        fake.add_controller(A, "S1", driver="lightiov", ids={1: NGUID}, old=True)
        for nsid, uuid in ((1, U1), (2, U2)):
            fake.write_json(f"/etc/mdevctl.d/{A}/{uuid}", self.old(nsid))
        fake.boot()
        assert fake.mdevs(A) == [U1, U2]
        return fake

    @pytest.mark.parametrize("state", ["closed", "ready"])
    def test_definitions_are_taken_over_and_mdevs_run_on(self, host: Host, before: FakeHost, state: str) -> None:
        before.write(f"{before.device(A)}/{U1}/state", f"{state}\n")
        made = make(host, *self.wanted)
        assert made.warnings == []
        assert act(host, *self.wanted) == [("undefine", U1), ("undefine", U2), ("define", U1), ("define", U2)]
        assert definition(before, U1)["serial"] == "S1"
        assert make(host, *self.wanted).steps == []

    def test_once_the_module_is_new_they_start_with_all_that_is_known(self, host: Host, before: FakeHost) -> None:
        act(host, *self.wanted)
        before.change_hardware(A, old=False)
        before.boot()
        assert before.mdevs(A) == [U1, U2]
        assert act(host, *self.wanted) == [("stop", U1), ("undefine", U1), ("define", U1), ("start", U1)]
        assert definition(before, U1)["namespaces"] == f"1={NGUID}"
        assert make(host, *self.wanted).steps == []

    def test_one_that_a_vm_has_open_waits_until_it_is_closed(self, host: Host, before: FakeHost) -> None:
        act(host, *self.wanted)
        before.change_hardware(A, old=False)
        before.boot()
        before.write(f"{before.device(A)}/{U1}/state", "ready\n")
        assert act(host, *self.wanted) == [("undefine", U1), ("define", U1)]
        assert make(host, *self.wanted).steps == []
        before.write(f"{before.device(A)}/{U1}/state", "closed\n")
        assert act(host, *self.wanted) == [("stop", U1), ("start", U1)]

    def test_a_definition_for_a_place_where_nothing_is_is_taken_over(self, host: Host, before: FakeHost) -> None:
        elsewhere = f"/etc/mdevctl.d/0000:07:00.0/{U1}"
        before.path(f"/etc/mdevctl.d/{A}/{U1}").rename(before.write(elsewhere, ""))
        (warning,) = make(host, *self.wanted).warnings
        assert f"mdev {U1} is defined for 0000:07:00.0, where no known controller is now" in warning
        act(host, *self.wanted)
        assert (definition(before, U1)["serial"], before.path(elsewhere).exists()) == ("S1", False)

    def test_nothing_is_stopped_that_the_old_module_would_not_start(self, host: Host, before: FakeHost) -> None:
        snapshot = before.snapshot()
        with pytest.raises(LightiovError, match=r"host module that is loaded is an older one.*reload"):
            make(host, one(U1, queue_pairs=3), self.wanted[1])
        assert before.snapshot() == snapshot
        assert make(host, one(U1, queue_pairs=3), self.wanted[1], predict=True).steps != []

    def test_a_namespace_named_by_identity_waits_for_the_new_module(self, host: Host, before: FakeHost) -> None:
        made = make(host, one(U1, namespaces=[NGUID]), self.wanted[1], predict=True)
        assert any("an older one" in one.sentence for one in made.unmet)

    def test_a_wrong_disk_that_runs_is_not_pulled_out_from_under_a_vm(self, host: Host, before: FakeHost) -> None:
        before.add_controller(B, "S2", driver="lightiov", old=True)
        before.exchange(A, B)
        before.boot()
        before.write(f"{before.device(A)}/{U1}/state", "ready\n")
        with pytest.raises(LightiovError, match=f"mdev {U1} has to be stopped, but a VM has it open"):
            make(host, *self.wanted)
