# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what every list makes to every other list, cut short after each thing that stays, then a boot, then a third.

Whatever is left, the next call with a list makes of it what that list says, and a second one finds nothing to do. No
namespace that a list keeps loses its data, none is left over, and none that something else made is touched.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils import _namespace_record as record
from ansible_collections.lightiov.nvme.plugins.module_utils._runner import DEADLINE_SECONDS, Heard
from every_case import one_in
from fake_host import FakeHost
from in_process import InProcess, PlayedHost
from namespace_calls import OTHERS, A, act, make, one

pytestmark = pytest.mark.many_cases

IMAGE = "/images/a.raw"
DATA = "the VM's"
# Of which one list keeps what another does not, in other states, in more or less of the drive's 16 GiB.
WISHES: dict[str, tuple[dict[str, Any], ...]] = {
    "one": (one(),),
    "another": (one("b", "10 GiB"),),
    "two": (one(), one("b", "10 GiB")),
    "detached": (one(state="detached"), one("c", "1 GiB")),
    "filled": (one("c", "1 GiB"), one("d", "1 GiB", image=IMAGE)),
    "other blocks": (one(block_size=512), one("c", "1 GiB", state="detached")),
    "large": (one("e", "14 GiB"),),
    "absent": (one(state="absent", size=None), one("c", "1 GiB")),
}


class PowerCut(BaseException):
    """Nothing acts after it."""


class Interrupted(InProcess):
    """Plays tools and commands until the power fails."""

    left: int | None = None

    def happened(self) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left <= 0:
                raise PowerCut

    def run(self, arguments: Sequence[str], timeout: float = DEADLINE_SECONDS, heard: Heard = None) -> str:
        if self.left is not None and self.left <= 0:
            raise PowerCut
        output = super().run(arguments, timeout, heard)
        self.happened()
        return output


class Machine(PlayedHost):
    def ioctl(self, absolute: str, request: int, argument: bytearray) -> int:
        answer = super().ioctl(absolute, request, argument)
        # What is only asked leaves nothing.
        if argument[0] not in (0x02, 0x06):
            assert isinstance(self.runner, Interrupted)
            self.runner.happened()
        return answer


def call(host: Machine, wanted: Sequence[dict[str, Any]], cut: int | None = None) -> bool:
    """Whether it came to its end."""
    runner = host.runner
    assert isinstance(runner, Interrupted)
    runner.left = cut
    try:
        act(host, *wanted, remove=True)
    except PowerCut:
        return False
    finally:
        runner.left = None
    return True


def check(fake: FakeHost, host: Machine, wanted: Sequence[dict[str, Any]]) -> None:
    """What is there is what the list says, and what something else has made."""
    made = make(host, *wanted, remove=True)
    assert made.steps == []
    rows = {row["name"]: row for row in made.returned["namespaces"]}
    listed = {one["name"]: one["state"] for one in wanted if one["state"] != "absent"}
    assert {name: row["attached"] for name, row in rows.items() if name} == {
        name: state == "attached" for name, state in listed.items()
    }
    assert [row["identity"] for row in made.returned["namespaces"] if not row["name"]] == [OTHERS]
    assert len(rows) == len(listed) + 1
    assert fake.data(A, 1) == "somebody's"
    assert fake.mdevs(A) == []
    assert set(record.recorded(host).get("S1", {})) == set(listed)
    for wish in wanted:
        if wish.get("image"):
            assert fake.data(A, rows[wish["name"]]["nsid"]) == f"image {IMAGE}"


@pytest.mark.parametrize(("first", "second"), one_in(5, itertools.permutations(WISHES, 2)))
def test_cut_short_anywhere_it_is_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str, second: str
) -> None:
    write = record.write
    for number in itertools.count(1):
        fake = FakeHost(tmp_path / str(number))
        fake.install("mdevctl", "udevadm", "liov")
        for driver in ("lightiov", "nvme"):
            fake.load_driver(driver)
        fake.write(IMAGE, "x")
        fake.add_controller(A, "S1", namespaces=1, driver="lightiov", ids={1: OTHERS}, group=None)
        fake.write_data(A, 1, "somebody's")
        runner = Interrupted(fake)
        host = Machine(fake.root, runner)

        def written(*arguments: Any, runner: Interrupted = runner) -> None:
            write(*arguments)
            runner.happened()

        monkeypatch.setattr(record, "write", written)
        call(host, WISHES[first])
        # A filled one is not blank, so it would need a consent of its own to go.
        erase(fake)
        ended = call(host, WISHES[second], cut=number)
        fake.boot()
        call(host, WISHES[second])
        check(fake, host, WISHES[second])
        third = list(WISHES)[number % len(WISHES)]
        if third != second:
            erase(fake)
            call(host, WISHES[third])
            check(fake, host, WISHES[third])
        if ended:
            assert number > 1
            return


def erase(fake: FakeHost) -> None:
    """What VMs do before their namespaces go."""
    for nsid in fake.hardware[A]["namespaces"] + fake.hardware[A]["detached"]:
        if nsid != 1:
            fake.write_data(A, nsid, "")


def test_data_survives_lists_that_keep_it(tmp_path: Path) -> None:
    for first, second in itertools.permutations(WISHES, 2):
        kept = {wish["name"] for wish in WISHES[first]} & {
            wish["name"] for wish in WISHES[second] if wish["state"] != "absent" and not wish.get("block_size")
        }
        fake = FakeHost(tmp_path / first / second)
        fake.install("mdevctl", "udevadm", "liov")
        fake.load_driver("lightiov")
        fake.write(IMAGE, "x")
        fake.add_controller(A, "S1", namespaces=1, driver="lightiov", ids={1: OTHERS}, group=None)
        fake.write_data(A, 1, "somebody's")
        host = Machine(fake.root, Interrupted(fake))
        call(host, WISHES[first])
        erase(fake)
        nsids = {name: made.identity for name, made in record.recorded(host).get("S1", {}).items() if name in kept}
        at = {identity: int(nsid) for nsid, identity in fake.hardware[A]["ids"].items()}
        for identity in nsids.values():
            fake.write_data(A, at[identity], DATA)
        call(host, WISHES[second])
        for identity in nsids.values():
            assert fake.data(A, at[identity]) == DATA
