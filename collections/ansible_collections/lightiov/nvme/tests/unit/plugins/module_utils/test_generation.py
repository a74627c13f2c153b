# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._generation import RECORD, accept, applying, generation
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._host_resources import describe
from fake_host import FakeHost


def test_each_change_is_the_next_generation(host: Host) -> None:
    assert generation(host).number == 0
    assert accept(host, "hv1", 0, "a")[1].number == 1
    assert accept(host, "hv1", 1, "b")[1].number == 2
    assert generation(host).number == 2


def test_same_placements_again_change_nothing(host: Host) -> None:
    accept(host, "hv1", 0, "a")
    before, after = accept(host, "hv1", 0, "a")
    assert before == after


def test_placements_are_kept_for_who_has_lost_their_file(host: Host) -> None:
    assert describe(host, accepted=True)["placements"] is None
    vms = [{"name": "vm1", "memory_mib": 64, "disks": []}]
    accept(host, "hv1", 0, "a", vms=vms)
    assert describe(host, accepted=True)["placements"] == vms
    assert "placements" not in describe(host)
    # A host whose record is of before keeps them from the next run on, which is no other generation.
    accept(host, "hv1", 1, "b")
    assert describe(host, accepted=True)["placements"] is None
    before, after = accept(host, "hv1", 1, "b", vms=vms)
    assert (before.number, after.number) == (2, 2)
    assert describe(host, accepted=True)["placements"] == vms


def test_stale_plan_is_refused(host: Host) -> None:
    accept(host, "hv1", 0, "a")
    with pytest.raises(
        LightiovError, match=r"^The placements of host hv1 were planned from its generation 0, and it is at 1"
    ):
        accept(host, "hv1", 0, "b")


def test_placements_that_others_have_replaced_are_not_applied_any_further(host: Host) -> None:
    mine = accept(host, "hv1", 0, "a")[1].number
    with applying(host, mine):
        pass
    accept(host, "hv1", 1, "b")
    sentence = (
        r"^The placements of generation 1 of this host are not applied any further, because others have been .* 2: "
    )
    with pytest.raises(LightiovError, match=sentence), applying(host, mine):
        pytest.fail("applied")
    # A list by hand has none, and in check mode nothing was accepted.
    for number, act in ((None, True), (7, False)):
        with applying(host, number, act):
            pass


def test_placements_are_applied_by_one_at_a_time_and_none_accepted_meanwhile(host: Host) -> None:
    mine = accept(host, "hv1", 0, "a")[1].number
    with ThreadPoolExecutor(1) as other:
        with applying(host, mine):
            theirs = other.submit(accept, host, "hv1", 1, "b")
            time.sleep(0.1)
            assert generation(host).number == mine
        assert theirs.result(300)[1].number == 2


def test_check_mode_changes_nothing(host: Host) -> None:
    assert accept(host, "hv1", 0, "a", act=False)[1].number == 1
    assert generation(host).number == 0


def test_broken_record_is_a_sentence(host: Host, fake: FakeHost) -> None:
    fake.write(RECORD, "7")
    with pytest.raises(
        LightiovError, match=f"^{RECORD} is not a record of a generation: remove the file, and plan again"
    ):
        generation(host)


def test_of_two_operators_one_is_told(host: Host) -> None:
    def apply(race: int, digest: str) -> bool:
        try:
            accept(host, "hv1", race, f"{race}{digest}")
        except LightiovError:
            return False
        return True

    with ThreadPoolExecutor(2) as operators:
        for race in range(100):
            won = list(operators.map(apply, (race, race), ("a", "b")))
            assert sorted(won) == [False, True]
            assert generation(host).number == race + 1
