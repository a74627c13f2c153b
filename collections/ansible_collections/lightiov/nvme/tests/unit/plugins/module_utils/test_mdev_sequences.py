# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every sequence of three calls, the second cut short after each thing that it does, then a boot, then the third."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._mdev_state import mdev_states
from ansible_collections.lightiov.nvme.plugins.module_utils._runner import DEADLINE_SECONDS, Heard
from every_case import one_in
from fake_host import FakeHost
from in_process import InProcess, PlayedHost
from mdev_calls import U1, U2, A, B, disk, make, one

pytestmark = pytest.mark.many_cases

WISHES = {
    "nothing": (),
    "one": (one(U1),),
    "elsewhere": (one(U1, parent="S2", queue_pairs=3),),
    "another tenant": (one(U2, tenant="red", disks=[disk("1")]),),
    "two": (one(U1), one(U2, disks=[disk("2")])),
    "parts": (one(U1, disks=[disk("1"), disk("3", "a", size="10 MiB"), disk("3", "b", size="10 MiB")]),),
    "other parts": (
        one(U1, disks=[disk("1"), disk("3", "b", size="20 MiB")]),
        one(U2, disks=[disk("3", size="5 MiB")]),
    ),
    "two exchanged": (one(U1, disks=[disk("2")]), one(U2, disks=[disk("1")])),
}


class PowerCut(Exception):
    pass


class Interrupted(InProcess):
    """Runs the tools until the power fails."""

    left: int | None = None

    def run(self, arguments: Sequence[str], timeout: float = DEADLINE_SECONDS, heard: Heard = None) -> str:
        output = super().run(arguments, timeout, heard)
        self.happened()
        return output

    def happened(self) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise PowerCut


def call(host: Host, wanted: Sequence[dict[str, Any]], cut: int | None = None) -> bool:
    """Whether it came to its end."""
    runner = host.runner
    assert isinstance(runner, Interrupted)
    runner.left = cut
    try:
        for step in make(host, *wanted, erase=True).steps:
            step.run()
            runner.happened()
    except PowerCut:
        return False
    finally:
        runner.left = None
    return True


def use(fake: FakeHost) -> None:
    """Each mdev that runs finds nothing of another tenant, and leaves something."""
    for address in (A, B):
        for uuid in fake.mdevs(address):
            mdev = f"{fake.device(address)}/{uuid}"
            tenant = fake.read(f"{mdev}/tenant")
            for extent in fake.extents(uuid):
                nsid, first = int(extent["nsid"]), int(extent.get("first", 0))
                # A part never has data of another disk, be it of the same tenant.
                mark = f"{tenant}/{extent['id']}" if "count" in extent else tenant
                assert fake.data(address, nsid, first) in ("", mark)
                fake.write_data(address, nsid, mark, first)


@pytest.mark.parametrize(("first", "second"), one_in(5, itertools.permutations(WISHES, 2)))
def test_cut_short_anywhere_it_is_completed(tmp_path: Path, first: str, second: str) -> None:
    for number in itertools.count():
        fake = FakeHost(tmp_path / str(number))
        fake.install("mdevctl", "udevadm", "systemctl", "liov")
        for driver in ("lightiov", "nvme"):
            fake.load_driver(driver)
        fake.add_controller(A, "S1", driver="lightiov", group=None)
        fake.add_controller(B, "S2", driver="lightiov", group=None)
        host = PlayedHost(fake.root, Interrupted(fake))
        call(host, WISHES[first])
        use(fake)
        try:
            ended = call(host, WISHES[second], cut=number)
        except LightiovError as refused:
            assert "cannot shrink" in str(refused)
            return
        fake.boot()
        use(fake)
        third = list(WISHES)[number % len(WISHES)]
        for wanted in (WISHES[second], WISHES[third]):
            try:
                call(host, wanted)
            except LightiovError as refused:
                assert "cannot shrink" in str(refused)
                break
            use(fake)
            assert make(host, *wanted).steps == []
            states = mdev_states(host)
            assert {state.uuid for state in states if state.active and state.autostart} == {
                mdev["uuid"] for mdev in wanted
            }
        if ended:
            return
