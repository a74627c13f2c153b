# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils._boot_order import UNIT
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._tenants import RECORD
from fake_host import FakeHost
from mdev_calls import FOREIGN, U1, U2, A, B, act, disk, make, one, run

U3 = "33333333-96c4-5fd1-bb5e-0c0a2e6c8a55"
BEFORE = (one(U1), one(U2, disks=[disk("2")]), one(U3, disks=[disk("3")]))
# One goes, one changes, one changes its controller, one comes.
AFTER = (one(U2, disks=[disk("2")], queue_pairs=1), one(U3, parent="S2", disks=[disk("3")]), one(FOREIGN))


@pytest.fixture
def two(fake: FakeHost, host: Host) -> FakeHost:
    fake.install("systemctl")
    fake.add_controller(A, "S1", driver="lightiov")
    fake.add_controller(B, "S2", driver="lightiov")
    act(host, *BEFORE)
    return fake


def test_shrink_and_then_grow(host: Host, two: FakeHost) -> None:
    assert act(host, *AFTER, phase="shrink") == [("stop", U1), ("stop", U3), ("undefine", U1), ("undefine", U3)]
    assert make(host, *AFTER, phase="shrink").steps == []
    assert act(host, *AFTER, phase="grow") == [
        ("stop", U2),
        ("boot_order", UNIT),
        *(("define", uuid) for uuid in (U2, U3, FOREIGN)),
        *(("start", uuid) for uuid in (U2, U3, FOREIGN)),
    ]
    assert make(host, *AFTER).steps == []


def test_check_mode_shows_both_and_nothing_twice(host: Host, two: FakeHost) -> None:
    two.path(RECORD).unlink()
    foretold = []
    for phase in ("shrink", "grow"):
        made = make(host, *AFTER, phase=phase, predict=True)
        foretold.append(([step.describe() for step in made.steps], made.before, made.after, made.returned))
    for phase, expected in zip(("shrink", "grow"), foretold):
        made = make(host, *AFTER, phase=phase)
        assert ([step.describe() for step in made.steps], made.before, made.after, made.returned) == expected
        run(made)


def test_shrinking_waits_for_no_driver(host: Host, two: FakeHost) -> None:
    two.add_controller("0000:03:00.0", "S3", driver="nvme")
    wanted = (one(U2, disks=[disk("2")]), one(U3, parent="S3", disks=[disk("3")]), one(U1))
    assert act(host, *wanted, phase="shrink") == [("stop", U3), ("undefine", U3)]
    with pytest.raises(LightiovError, match=r"S3 .* is bound to nvme"):
        make(host, *wanted, phase="grow")


def test_a_drive_that_moved_is_no_reason_to_shrink(host: Host, two: FakeHost) -> None:
    two.exchange(A, B)
    two.boot()
    made = make(host, *BEFORE, phase="shrink")
    assert (made.steps, made.warnings) == ([], [])


def test_what_may_belong_to_a_controller_without_a_driver_is_left_to_the_run(host: Host, two: FakeHost) -> None:
    two.bind(B, "")
    made = make(host, *BEFORE[:2], one(U3, parent="S2"), predict=True, remove=False)
    assert made.steps == []
    assert [one.until for one in made.unmet] == ["controller"]
    with pytest.raises(LightiovError, match="names the parent 'S2', which is no controller of this host"):
        make(host, *BEFORE[:2], one(U3, parent="S2"))


class TestDiff:
    """Whatever is done is seen in it, and nothing else."""

    @pytest.mark.parametrize("phase", ["all", "shrink", "grow"])
    def test_nothing_to_do(self, host: Host, two: FakeHost, phase: str) -> None:
        made = make(host, *BEFORE, phase=phase)
        assert (made.steps, made.before) == ([], made.after)

    def test_started(self, host: Host, two: FakeHost) -> None:
        two.remove_mdev(U1)
        made = self.differs(host, *BEFORE)
        assert U1 in made.after["active"] and U1 not in made.before["active"]
        assert made.before["definitions"] == made.after["definitions"]

    def test_defined(self, host: Host, two: FakeHost) -> None:
        path = f"/etc/mdevctl.d/{A}/{U1}"
        two.path(path).unlink()
        made = self.differs(host, *BEFORE)
        assert made.after["definitions"][path]["autostart"]
        assert path not in made.before["definitions"]

    def test_autostart(self, host: Host, two: FakeHost) -> None:
        path = f"/etc/mdevctl.d/{A}/{U1}"
        two.write(path, two.read(path).replace('"auto"', '"manual"'))
        made = self.differs(host, *BEFORE)
        assert [state["definitions"][path]["autostart"] for state in (made.before, made.after)] == [False, True]

    def test_repaired_boot_order(self, host: Host, two: FakeHost) -> None:
        link = "/etc/systemd/system/libvirtd.service.wants/lightiov-mdevs.target"
        two.path(link).unlink()
        made = self.differs(host, *BEFORE)
        assert (made.before["files"][link], made.after["files"][link]) == (None, UNIT)

    def test_recorded(self, host: Host, two: FakeHost) -> None:
        two.path(RECORD).unlink()
        made = self.differs(host, *BEFORE)
        assert (made.before["files"][RECORD], "blue" in made.after["files"][RECORD]) == ("", True)

    def test_removed(self, host: Host, two: FakeHost) -> None:
        made = self.differs(host)
        assert (made.after["active"], made.after["definitions"], made.returned["mdevs"]) == ({}, {}, [])

    @staticmethod
    def differs(host: Host, *wanted: dict[str, Any]) -> Any:
        made = make(host, *wanted)
        assert made.steps and made.before != made.after
        run(made)
        assert make(host, *wanted).before == made.after
        return made
