# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._uuids import named as uuid_named
from fake_host import FakeHost
from mdev_calls import U1, U2, A, B, act, definition, disk, extents, make, one

NGUID = "eui.0123456789abcdef0025385b01400c1d"
EUI = "eui.0025385b01400c1e"
OTHER = "eui.0025385b01400c1f"


@pytest.fixture
def two(fake: FakeHost) -> FakeHost:
    fake.add_controller(A, "S1", driver="lightiov", ids={1: NGUID, 2: EUI})
    fake.add_controller(B, "S2", driver="lightiov")
    return fake


def test_a_definition_says_whose_it_is(host: Host, two: FakeHost) -> None:
    act(host, one(disks=[disk("1"), disk("3", "d1")]))
    assert [list(pair) for pair in two.definition(A, U1)["attrs"]] == [
        ["serial"],
        ["label"],
        ["tenant"],
        ["queue_pairs"],
        ["extent"],
        ["extent"],
    ]
    assert extents(two, U1) == [f"nsid=1,eui={NGUID[4:]},name=data", "nsid=3,name=d1"]
    attributes = definition(two, U1)
    del attributes["extent"]
    assert attributes == {
        "serial": "S1",
        "label": "lightiov.nvme:vm1",
        "tenant": "blue",
        "queue_pairs": "2",
    }
    assert act(host, one(disks=[disk("1"), disk("3", "d1")])) == []


def test_a_label_has_only_what_the_driver_takes(host: Host, two: FakeHost) -> None:
    act(host, one(label="vm 1/größe" + "x" * 200))
    label = definition(two, U1)["label"]
    assert label.startswith("lightiov.nvme:vm_1/gr__e" + "x") and len(label) == 128


class TestNamespaces:
    @pytest.mark.parametrize(("named", "nsid"), [(NGUID, 1), (EUI.upper().replace("EUI", "eui"), 2)])
    def test_by_identity(self, host: Host, two: FakeHost, named: str, nsid: int) -> None:
        made = make(host, one(disks=[disk(named)]))
        assert [one["nsid"] for one in made.returned["mdevs"][0]["disks"]] == [nsid]
        act(host, one(disks=[disk(named)]))
        assert act(host, one(disks=[disk(str(nsid))])) == []

    def test_by_identity_before_the_controller_is_bound(self, host: Host, fake: FakeHost) -> None:
        fake.add_controller(A, "S1", driver="nvme", ids={1: NGUID, 2: EUI})
        for named, nsid in ((NGUID, 1), (EUI, 2)):
            made = make(host, one(disks=[disk(named)]), predict=True)
            [planned] = made.returned["mdevs"][0]["disks"]
            assert (planned["nsid"], planned["identity"]) == (nsid, named)

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
            make(host, one(disks=[disk(named)]))

    def test_with_one_identity_for_two(self, host: Host, two: FakeHost) -> None:
        two.change_hardware(A, ids={"1": EUI, "2": EUI})
        with pytest.raises(LightiovError, match=r"namespaces 1, 2 of controller S1 .* all have that identity"):
            make(host, one(disks=[disk(EUI)]))

    def test_one_in_two_ways_is_one(self, host: Host, two: FakeHost) -> None:
        with pytest.raises(LightiovError, match=r"wants namespace 1 of controller S1.*has all"):
            make(host, one(), one(U2, disks=[disk(NGUID)]))

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
        for named in ("1", NGUID):
            (planned,) = make(host, one(disks=[disk(named)]), predict=True).returned["mdevs"]
            assert [(one["nsid"], one["identity"]) for one in planned["disks"]] == [(1, NGUID)]

    def test_two_that_nobody_can_tell_yet_are_two(self, host: Host, fake: FakeHost) -> None:
        fake.add_controller(A, "S1", driver="nvme")
        wanted = one(disks=[disk(NGUID), disk(EUI, "d1"), disk(OTHER, "a", size="1 MiB")])
        (planned,) = make(host, wanted, predict=True).returned["mdevs"]
        assert [one["identity"] for one in planned["disks"]] == [NGUID, EUI, OTHER]
        with pytest.raises(LightiovError, match=f"wants namespace {EUI} of controller S1 .*has all"):
            make(host, one(disks=[disk(EUI), disk(EUI, "d1")]), predict=True)

    def test_another_one_that_the_list_names_is_taken(self, host: Host, two: FakeHost) -> None:
        act(host, one())
        two.change_hardware(A, ids={"1": OTHER})
        two.boot()
        act(host, one(disks=[disk(OTHER)]))
        assert extents(two, U1) == [f"nsid=1,eui={OTHER[4:]},name=data"]

    def test_nothing_of_the_one_before_with_its_number_is_kept(self, host: Host, two: FakeHost) -> None:
        act(host, one(disks=[disk(NGUID, "x", size="1 MiB"), disk(NGUID, size="1 MiB")]))
        two.change_hardware(A, ids={"1": OTHER})
        two.boot()
        act(host, one(disks=[disk(OTHER, size="1 MiB")]))
        [extent] = two.extents(U1)
        assert (extent["first"], extent["id"]) == ("0", uuid_named("S1", "vm1", "data", OTHER, 0))

    def test_one_that_got_another_number_is_followed(self, host: Host, two: FakeHost) -> None:
        act(host, one(disks=[disk(EUI)]))
        two.change_hardware(A, ids={"4": EUI})
        two.boot()
        assert act(host, one(disks=[disk(EUI)])) == [("define", U1), ("start", U1)]
        assert extents(two, U1) == [f"nsid=4,eui={EUI[4:]},name=data"]


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

    def test_they_are_there_at_every_moment(self, host: Host, exchanged: FakeHost) -> None:
        def defined() -> list[str]:
            return sorted(path.name for path in exchanged.path("/etc/mdevctl.d").glob("*/*"))

        for step in make(host, *self.wanted).steps:
            step.run()
            assert set(defined()) == {U1, U2}
        assert defined() == [U1, U2]

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
