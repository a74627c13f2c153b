# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run says of itself, from events as Ansible sends them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.lightiov.nvme.plugins.callback.progress import changes
from ansible_collections.lightiov.nvme.plugins.module_utils._progress import Progress


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def progress(clock: Clock) -> Progress:
    return Progress(30, clock)


def task(progress: Progress, host: str, step: str, changes: int = 0, failed: bool = False) -> list[str]:
    return progress.enter(host, step) + progress.leave(host, changes, failed)


def test_a_step_is_told_when_no_host_is_left_for_it(progress: Progress, clock: Clock) -> None:
    assert progress.start("Prepare", ["hv1", "hv2"]) == []
    assert task(progress, "hv1", "mdev", 50) == []
    assert task(progress, "hv1", "vm", 1) == []
    assert task(progress, "hv2", "mdev", 3) == []
    clock.now = 75
    assert progress.enter("hv2", "vm") == ["[01:15] Prepare: mdev: 2 of 2 done, changes: 53"]
    assert progress.leave("hv2", 0) == []
    assert progress.start("Verify", ["hv1", "hv2"]) == ["[01:15] Prepare: vm: 2 of 2 done, changes: 1"]
    assert progress.end() == []


def test_nothing_changed_is_nothing_said(progress: Progress) -> None:
    progress.start("Prepare", ["hv1", "hv2"])
    said = [task(progress, host, step) for step in ("mdev", "vm") for host in ("hv1", "hv2")]
    assert [*said, progress.end()] == [[]] * 5


def test_what_takes_long_says_who_is_left(progress: Progress, clock: Clock) -> None:
    hosts = [f"vm{number}" for number in range(100)]
    progress.start("Prepare the VMs", hosts)
    for host in hosts[:40]:
        task(progress, host, "enter")
        task(progress, host, "guest", 2)
    for host in hosts[:10]:
        task(progress, host, "verify")
    clock.now = 31
    assert progress.enter("vm40", "enter") == [
        "[00:31] Prepare the VMs: enter: 40 of 100 done, left: vm40 vm41 vm42 vm43 vm44 and 55 more"
    ]
    clock.now = 60
    assert progress.leave("vm40", 0) == []
    clock.now = 61
    assert len(progress.enter("vm41", "enter")) == 1


def test_host_that_failed_is_not_left(progress: Progress) -> None:
    progress.start("Prepare", ["hv1", "hv2", "hv3"])
    task(progress, "hv1", "vm", 1)
    task(progress, "hv2", "vm", failed=True)
    task(progress, "hv3", "vm")
    assert progress.end() == ["[00:00] Prepare: vm: 2 of 3 done, changes: 1, failed: hv2"]


def test_an_earlier_role_within_a_later_one_belongs_to_it(progress: Progress) -> None:
    progress.start("Prepare", ["hv1"])
    for step, made in (("native", 1), ("image", 0), ("native", 4), ("image", 2)):
        task(progress, "hv1", step, made)
    assert progress.end() == ["[00:00] Prepare: image: 1 of 1 done, changes: 6"]


@pytest.mark.parametrize(
    ("result", "number"),
    [
        ({"changed": False, "actions": [{}]}, 0),
        ({"changed": True}, 1),
        ({"changed": True, "actions": [{}, {}, {}]}, 3),
        ({"changed": True, "results": [{"changed": False}, {"changed": True, "actions": [{}, {}]}]}, 2),
    ],
)
def test_changes_are_counted(result: dict[str, Any], number: int) -> None:
    assert changes(result) == number
