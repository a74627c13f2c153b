# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import json
import os
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._namespace import Wanted, parse_identity
from ansible_collections.lightiov.nvme.plugins.module_utils._namespace_record import RECORD
from ansible_collections.lightiov.nvme.plugins.module_utils._nvme import MANAGEMENT
from fake_host import FakeHost
from fake_nvme import FakeNvme
from mdev_calls import U1, disk
from mdev_calls import act as act_on_mdevs
from mdev_calls import one as mdev
from namespace_calls import OTHERS, A, act, former, make, one

GIB = 1 << 30


@pytest.fixture
def drive(fake: FakeHost) -> FakeHost:
    """One namespace that something else has made, and room for others."""
    fake.add_controller(A, "S1", namespaces=1, driver="lightiov", ids={1: OTHERS})
    return fake


def refused(host: Host, *wanted: dict[str, Any], **options: Any) -> str:
    with pytest.raises(LightiovError) as error:
        act(host, *wanted, **options)
    return str(error.value)


def record(fake: FakeHost) -> dict[str, Any]:
    return json.loads(fake.read(RECORD))["S1"] if fake.path(RECORD).exists() else {}


def attached(fake: FakeHost) -> list[int]:
    return fake.hardware[A]["namespaces"]


def detached(fake: FakeHost) -> list[int]:
    return fake.hardware[A]["detached"]


def test_made_attached_and_known_again(host: Host, drive: FakeHost) -> None:
    assert act(host, one()) == ["create", "attach"]
    assert attached(drive) == [1, 2]
    identity = drive.hardware[A]["ids"]["2"]
    assert record(drive) == {"data": {"size": 2 * GIB, "identity": identity, "image": "", "others": []}}
    # 4096 bytes are the largest blocks without metadata.
    assert drive.hardware[A]["shapes"]["2"] == [2 * GIB // 4096, 4096]
    made = make(host, one())
    assert made.steps == []
    [_former, row] = made.returned["namespaces"]
    assert row == {
        "controller": "S1",
        "name": "data",
        "nsid": 2,
        "identity": identity,
        "size": 2 * GIB,
        "block_size": 4096,
        "attached": True,
        "made": True,
    }


def test_returned_is_what_the_controller_chose(host: Host, drive: FakeHost) -> None:
    made = make(host, one())
    for step in made.steps:
        step.run()
    assert made.returned["namespaces"][1]["identity"] == drive.hardware[A]["ids"]["2"]


def test_empty_list_costs_nothing(host: Host, drive: FakeHost) -> None:
    act(host, one())
    calls = drive.log()
    assert act(host) == []
    assert drive.log() == calls


def test_check_mode_foresees_everything_and_changes_nothing(host: Host, drive: FakeHost) -> None:
    before = drive.snapshot()
    plan = make(host, one(), predict=True)
    assert [step.describe() for step in plan.steps] == [
        {"action": action, "object": "data", "controller": "S1", "name": "data"} for action in ("create", "attach")
    ]
    assert plan.after[0]["namespaces"][1]["size"] == 2 * GIB
    assert drive.snapshot() == before


def test_check_mode_before_the_controller_is_taken(host: Host, fake: FakeHost) -> None:
    fake.add_controller(A, "S1", namespaces=1, ids={1: OTHERS})
    plan = make(host, one(), predict=True)
    assert [step.action for step in plan.steps] == ["create", "attach"]
    assert [unmet.until for unmet in plan.unmet] == ["controller"]
    assert "list it in lightiov_controllers" in refused(host, one())


def test_block_size_is_chosen(host: Host, drive: FakeHost) -> None:
    act(host, one(block_size=512))
    assert drive.hardware[A]["shapes"]["2"] == [2 * GIB // 512, 512]


def test_detached_and_attached_with_its_data(host: Host, drive: FakeHost) -> None:
    drive.write_data(A, 1, "somebody's")
    assert act(host, former(state="detached")) == ["detach"]
    assert (attached(drive), detached(drive)) == ([], [1])
    assert act(host, former(state="detached")) == []
    assert act(host, former()) == ["attach"]
    assert drive.data(A, 1) == "somebody's"


def test_another_one_under_its_number_is_not_it(host: Host, drive: FakeHost) -> None:
    act(host, one())
    drive.change_hardware(A, ids={"1": OTHERS, "2": f"eui.{'5' * 32}"})
    plan = make(host, one())
    assert [step.action for step in plan.steps] == ["record", "create", "attach"]
    assert "is gone, with its data, and is made anew" in plan.warnings[0]


def test_number_may_change(host: Host, drive: FakeHost) -> None:
    act(host, one())
    hardware = drive.hardware[A]
    drive.change_hardware(
        A,
        namespaces=[1, 9],
        ids={"1": OTHERS, "9": hardware["ids"]["2"]},
        shapes={"9": hardware["shapes"]["2"]},
    )
    assert act(host, one()) == []


def test_size_is_a_part_of_what_it_is(host: Host, drive: FakeHost) -> None:
    act(host, one())
    assert "no namespace changes its size" in refused(host, one(size="3 GiB"))
    drive.change_hardware(A, shapes={"2": [GIB // 4096, 4096]})
    assert "something else has changed it" in refused(host, one())
    assert "shall have 5 GiB" in refused(host, former(size="5 GiB"))


def test_left_the_list(host: Host, drive: FakeHost) -> None:
    act(host, one(), one("other", "1 GiB"))
    said = refused(host, one("other", "1 GiB"))
    assert "1 of them: data (eui." in said
    assert "add remove to lightiov_allow" in said
    assert "more than the 0 that" in refused(host, one("other", "1 GiB"), remove=True, removals_max=0)
    assert act(host, one("other", "1 GiB"), remove=True) == ["check_blank", "detach", "delete"]
    assert attached(drive) == [1, 3]
    assert list(record(drive)) == ["other"]


def test_absent_needs_no_consent_while_blank(host: Host, drive: FakeHost) -> None:
    act(host, one())
    assert act(host, one(state="absent", size=None)) == ["check_blank", "detach", "delete"]
    assert act(host, one(state="absent", size=None)) == []
    assert not drive.path(RECORD).exists()


def test_not_blank_is_kept_unless_named(host: Host, drive: FakeHost) -> None:
    act(host, one())
    drive.write_data(A, 2, "a table")
    identity = drive.hardware[A]["ids"]["2"]
    said = refused(host, one(state="absent"))
    assert f"add {identity} to lightiov_namespaces_destroy" in said
    assert attached(drive) == [1, 2]
    assert drive.data(A, 2) == "a table"
    assert drive.mdevs(A) == []
    refused(host, one(state="absent"), destroy=frozenset({OTHERS}))
    assert act(host, one(state="absent"), destroy=frozenset({identity})) == ["detach", "delete"]


def test_detached_is_read_before_it_goes(host: Host, drive: FakeHost) -> None:
    act(host, one(state="detached"))
    drive.write_data(A, 2, "a table")
    assert "is only deleted or formatted when it is blank" in refused(host, one(state="absent"))
    drive.write_data(A, 2, "")
    assert act(host, one(state="absent")) == ["check_blank", "detach", "delete"]


def test_made_by_something_else_is_kept_unless_named(host: Host, drive: FakeHost) -> None:
    assert "LightIOV has not made it" in refused(host, former(state="absent"))
    assert act(host, former(state="absent"), destroy=frozenset({OTHERS})) == ["detach", "delete"]
    assert attached(drive) == []


def test_what_is_not_listed_is_nobodys_business(host: Host, drive: FakeHost) -> None:
    act(host, one())
    assert act(host, one(), remove=True, destroy=frozenset({OTHERS})) == []
    assert attached(drive) == [1, 2]


@pytest.mark.parametrize("wish", [{"state": "absent"}, {"state": "detached"}, {"block_size": 512}])
def test_in_use_is_left_whatever_is_consented_to(host: Host, drive: FakeHost, wish: dict[str, str]) -> None:
    act(host, one())
    act_on_mdevs(host, mdev(disks=[disk("2")]))
    identity = drive.hardware[A]["ids"]["2"]
    consents = {"destroy": frozenset({identity}), "remove": True}
    assert f"mdev {U1} (vm1) has it" in refused(host, one(**wish), **consents)
    # A definition is enough: its VM may be off.
    drive.remove_mdev(U1)
    assert f"mdev {U1} (vm1) has it" in refused(host, one(**wish), **consents)
    plan = make(host, one(**wish), predict=True, **consents)
    assert [unmet.until for unmet in plan.unmet] == ["mdev"]


def test_goes_after_its_disk(host: Host, drive: FakeHost) -> None:
    act(host, one())
    act_on_mdevs(host, mdev(disks=[disk("2")]))
    going = (one("next"), one(state="absent"))
    assert act(host, *going, phase="grow") == ["create", "attach"]
    act_on_mdevs(host)
    assert act(host, *going, phase="shrink") == ["check_blank", "detach", "delete"]
    assert act(host, *going) == []


def test_what_is_free_makes_room_first(host: Host, drive: FakeHost) -> None:
    act(host, one(size="14 GiB"))
    assert "1 GiB of the controller are not allocated" in refused(host, one(size="14 GiB"), one("next"))
    assert act(host, one(state="absent"), one("next"), phase="grow") == [
        "check_blank",
        "detach",
        "delete",
        "create",
        "attach",
    ]


def test_sibling_controller_uses_it(host: Host, drive: FakeHost) -> None:
    drive.change_hardware(A, siblings={"1": [8]})
    said = refused(host, former(state="absent"), destroy=frozenset({OTHERS}))
    assert "controller 8 of the same drive has it" in said


def test_format(host: Host, drive: FakeHost) -> None:
    assert act(host, former(block_size=512)) == ["check_blank", "format"]
    assert drive.hardware[A]["shapes"]["1"] == [GIB // 512, 512]
    drive.write_data(A, 1, "a table")
    assert "is only deleted or formatted when it is blank" in refused(host, former(block_size=4096))
    assert act(host, former(block_size=4096), destroy=frozenset({OTHERS})) == ["format"]
    assert drive.data(A, 1) == ""
    assert act(host, former(block_size=4096)) == []


def test_format_of_one_that_is_of_all(host: Host, drive: FakeHost) -> None:
    act(host, one())
    drive.change_hardware(A, fna=0x02)
    assert "erases only all namespaces at once" in refused(host, one(block_size=512))


def test_fill(host: Host, drive: FakeHost) -> None:
    image = drive.write("/images/a.raw", "x" * 1000)
    filled = one(image="/images/a.raw")
    notes: list[str] = []
    assert act(replace(host, note=notes.append), filled) == ["create", "attach", "fill"]
    assert drive.data(A, 2) == "image /images/a.raw"
    [note] = notes
    assert note.startswith("liov copy-in, Namespace data (eui.") and "): 100 % of 1 MiB" in note
    assert (record(drive)["data"]["image"], drive.mdevs(A)) == ("", [])
    # Once it is the VM's, it stays what that makes of it.
    drive.write_data(A, 2, "the VM's")
    image.unlink()
    assert act(host, filled) == []


def test_fill_that_failed_is_done_again(host: Host, drive: FakeHost) -> None:
    drive.write("/images/a.raw", "x")
    filled = one(image="/images/a.raw")
    steps = make(host, filled).steps
    for step in steps[:-1]:
        step.run()
    assert act(host, filled) == ["fill"]


def test_image_that_does_not_fit(host: Host, drive: FakeHost) -> None:
    assert "which is not there" in refused(host, one(image="/images/a.raw"))
    drive.write("/images/a.raw", "x" * ((1 << 20) + 1))
    assert "list it with a larger size" in refused(host, one(size="1 MiB", image="/images/a.raw"))
    assert attached(drive) == [1]


def test_controller_that_cannot_create(host: Host, drive: FakeHost) -> None:
    drive.change_hardware(A, fixed=True)
    said = refused(host, one())
    assert "the controller cannot create namespaces" in said
    assert "give disks a size" in said
    assert "cannot delete namespaces" in refused(host, former(state="absent"), destroy=frozenset({OTHERS}))
    # It attaches, detaches and formats all the same.
    assert act(host, former(state="detached")) == ["detach"]
    assert act(host, former(state="detached", block_size=512)) == ["attach", "check_blank", "format", "detach"]


def test_controller_that_manages_nothing(host: Host, drive: FakeHost) -> None:
    drive.change_hardware(A, unmanaged=True)
    assert act(host, former()) == []
    assert "cannot attach and detach" in refused(host, former(state="detached"))


def test_namespace_without_identity_is_not_kept(host: Host, drive: FakeHost) -> None:
    drive.change_hardware(A, nameless=True)
    assert "gives namespaces no identity of their own" in refused(host, one())
    assert (attached(drive), detached(drive)) == ([1], [])
    assert not drive.path(RECORD).exists()


def test_identity_that_several_have_is_none(host: Host, drive: FakeHost) -> None:
    drive.change_hardware(A, namespaces=[1, 2], ids={"1": OTHERS, "2": OTHERS})
    assert "which is not there" in refused(host, former(state="detached"))


def test_uuid_of_one_without_another_identity(host: Host, drive: FakeHost) -> None:
    uuid = "8d1a5f9e-96c4-5fd1-bb5e-0c0a2e6c8a55"
    descriptors = {"1": f"03100000{uuid.replace('-', '')}"}
    drive.change_hardware(A, ids={}, descriptors=descriptors)
    assert act(host, one("former", None, namespace=f"uuid.{uuid}", state="detached")) == ["detach"]


NAMED = "of controller S1 (0000:01:00.0)"


@pytest.mark.parametrize(
    ("answer", "wish", "said"),
    [
        ({"0d": 0x116}, one(), f"Namespace data {NAMED} was not made, because the controller has as many"),
        ({"15": 0x127}, one(), "was not attached, because the controller has as many namespaces attached as it can"),
        ({"15": 0x11A}, former(state="detached"), f"Namespace former ({OTHERS}) {NAMED} was not detached"),
        ({"80": 0x084}, former(block_size=512), "was not formatted, because a namespace of the drive is being"),
        ({"06": 0x006}, one(), "Controller S1 (0000:01:00.0) does not tell its namespaces, because the controller had"),
    ],
)
def test_refusals_of_the_controller(
    host: Host, drive: FakeHost, answer: dict[str, int], wish: dict[str, Any], said: str
) -> None:
    drive.change_hardware(A, answers=answer)
    assert said in refused(host, wish)
    drive.change_hardware(A, answers={})
    act(host, wish)
    assert act(host, wish) == []


def test_failed_creation_leaves_no_record(host: Host, drive: FakeHost) -> None:
    drive.change_hardware(A, answers={"0d": 0x115})
    refused(host, one())
    assert not drive.path(RECORD).exists()


def test_what_was_there_before_is_not_what_was_being_made(host: Host, drive: FakeHost) -> None:
    theirs = f"eui.{'2' * 32}"
    drive.change_hardware(A, detached=[2], shapes={"2": [2 * GIB // 4096, 4096]}, ids={"1": OTHERS, "2": theirs})
    pending = {"size": 2 * GIB, "identity": "", "image": "", "others": [OTHERS, theirs]}
    drive.write_json(RECORD, {"S1": {"data": pending}})
    assert act(host, one()) == ["create", "attach"]
    assert (attached(drive), detached(drive)) == ([1, 3], [2])


def test_what_was_being_made_is_taken_over(host: Host, drive: FakeHost) -> None:
    ours = f"eui.{'2' * 32}"
    drive.change_hardware(A, detached=[2], shapes={"2": [2 * GIB // 4096, 4096]}, ids={"1": OTHERS, "2": ours})
    drive.write_json(RECORD, {"S1": {"data": {"size": 2 * GIB, "identity": "", "image": "", "others": [OTHERS]}}})
    assert act(host, one()) == ["record", "attach"]
    assert record(drive)["data"]["identity"] == ours


def test_several_that_may_be_the_one_that_was_being_made(host: Host, drive: FakeHost) -> None:
    pending = {"size": 2 * GIB, "identity": "", "image": "", "others": [OTHERS]}
    drive.write_json(RECORD, {"S1": {"data": pending}})
    drive.change_hardware(
        A,
        detached=[2, 3],
        shapes={"2": [2 * GIB // 512, 512], "3": [2 * GIB // 512, 512]},
        ids={"1": OTHERS, "2": f"eui.{'2' * 32}", "3": f"eui.{'3' * 32}"},
    )
    assert "may be 2 (eui.22" in refused(host, one())


def test_spoilt_record(host: Host, drive: FakeHost) -> None:
    drive.write(RECORD, "{")
    assert f"{RECORD} is not a record of namespaces" in refused(host, one())


def test_controllers_that_are_away_keep_their_record(host: Host, drive: FakeHost) -> None:
    drive.write_json(RECORD, {"S9": {"data": {"size": GIB, "identity": f"eui.{'9' * 32}", "image": "", "others": []}}})
    act(host, one())
    assert set(json.loads(drive.read(RECORD))) == {"S1", "S9"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (one("1st"), "begin with a letter"),
        (one(size=None), "neither a size, to be made, nor an identity"),
        (one(size="2 GB"), "decimal units"),
        (one(namespace="3"), "is no identity"),
        (former(image="/a.raw"), "only one that LightIOV makes can"),
        (one(image="/a.raw", state="detached"), "only one that LightIOV makes can"),
    ],
)
def test_element_that_is_not_sound(options: dict[str, Any], said: str) -> None:
    with pytest.raises(LightiovError, match=said):
        Wanted.parse(options)


def test_list_that_is_not_sound(host: Host, drive: FakeHost) -> None:
    assert "is listed 2 times" in refused(host, one(), one(size="1 GiB"))
    assert "is listed 2 times" in refused(host, former(), former(name="again"))
    assert "is none of this host's: choose from S1" in refused(host, one(controller="S9"))


def test_identity_has_one_spelling() -> None:
    assert parse_identity(f" {OTHERS.upper()}", "Option destroy") == OTHERS


@pytest.mark.parametrize("made", [True, False])
def test_one_that_is_not_answered_for_in_time_is_found_if_it_was_made(host: Host, drive: FakeHost, made: bool) -> None:
    whole = FakeNvme.answer

    def late(controller: FakeNvme, request: int, argument: bytearray) -> int:
        if argument[0] != MANAGEMENT:
            return whole(controller, request, argument)
        if made:
            whole(controller, request, argument)
        raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeNvme, "answer", late)
        said = refused(host, one())
    assert said.startswith("Namespace data of controller ")
    assert said.endswith(
        "was not made, because the controller did not answer in time, and may have done it all the same: deploy again, "
        "which reads its state first"
    )
    assert act(host, one()) == (["record", "attach"] if made else ["create", "attach"])
    assert (attached(drive), detached(drive)) == ([1, 2], [])
    assert act(host, one()) == []
