# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run says of itself, from events as Ansible sends them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.lightiov.nvme.plugins.callback.progress import CallbackModule, changes, step_of
from ansible_collections.lightiov.nvme.plugins.module_utils._host_times import HostTimes
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
    assert progress.start(["hv1", "hv2"]) == []
    assert task(progress, "hv1", "Make mdevs", 50) == []
    assert task(progress, "hv1", "Wire them", 1) == []
    assert task(progress, "hv2", "Make mdevs", 3) == []
    clock.now = 29
    assert progress.enter("hv2", "Wire them") == ["[00:29] Make mdevs: 2 of 2 done, changes: 53"]
    assert progress.leave("hv2", 0) == []
    assert progress.start(["hv1", "hv2"]) == ["[00:29] Wire them: 2 of 2 done, changes: 1"]
    assert progress.end() == []


def test_nothing_changed_is_nothing_said(progress: Progress) -> None:
    progress.start(["hv1", "hv2"])
    said = [task(progress, host, step) for step in ("mdev", "vm") for host in ("hv1", "hv2")]
    assert [*said, progress.due(), progress.end()] == [[]] * 6


def test_what_takes_long_says_who_is_left(progress: Progress, clock: Clock) -> None:
    hosts = [f"vm{number}" for number in range(100)]
    progress.start(hosts)
    for host in hosts:
        task(progress, host, "enter")
    for host in hosts[:40]:
        task(progress, host, "guest", 2)
    clock.now = 29
    assert progress.due() == []
    clock.now = 31
    assert progress.due() == ["[00:31] enter: 40 of 100 done, left: vm40 vm41 vm42 vm43 vm44 and 55 more"]
    clock.now = 60
    assert progress.due() == []
    clock.now = 61
    assert len(progress.due()) == 1


def test_host_that_failed_is_not_left(progress: Progress) -> None:
    progress.start(["hv1", "hv2", "hv3"])
    task(progress, "hv1", "vm", 1)
    task(progress, "hv2", "vm", failed=True)
    task(progress, "hv3", "vm")
    assert progress.start(["hv1", "hv2", "hv3"]) == ["[00:00] vm: 2 of 3 done, changes: 1, failed: hv2"]
    # Nor is it in a later play, which it leaves before its first task.
    assert task(progress, "hv1", "mdev", 1) + task(progress, "hv1", "vm") + task(progress, "hv3", "mdev") == []
    assert progress.enter("hv3", "vm") == ["[00:00] mdev: 2 of 3 done, changes: 1, failed: hv2"]


def test_vms_of_the_hosts_are_told(progress: Progress, clock: Clock) -> None:
    """Once all hosts have counted theirs, of which those that failed before are some."""
    vms = {"hv1": 57, "hv2": 3, "hv3": 40}
    progress.start(vms)
    for host in vms:
        task(progress, host, "native", 1)
    for host, number in vms.items():
        progress.enter(host, "plan")
        clock.now += 31
        progress.leave(host, 0, host == "hv2", number)
        said = progress.due()
    assert said == ["[01:33] plan: 0 of 3 done with 0 of 100 VMs, left: hv1 hv3, failed: hv2"]
    task(progress, "hv1", "vm", 171)
    progress.enter("hv3", "vm")
    assert progress.leave("hv3", 0, vms=2) == []
    progress.enter("hv1", "guest")
    clock.now += 31
    assert progress.due() == ["[02:04] vm: 1 of 3 done with 57 of 100 VMs, changes: 171, left: hv3, failed: hv2"]
    progress.leave("hv3", 40)
    assert progress.start(["vm1", "vm2"]) == ["[02:04] vm: 2 of 3 done with 97 of 100 VMs, changes: 211, failed: hv2"]
    assert [task(progress, vm, "guest", 1) for vm in ("vm1", "vm2")] == [[], []]
    assert progress.end()[0] == "[02:04] guest: 2 of 2 done, changes: 2"


def test_a_host_that_leaves_a_play_at_once_is_not_waited_for(progress: Progress, clock: Clock) -> None:
    progress.start(["hv1", "hv2", "hv3"])
    task(progress, "hv2", "build", 1)
    progress.enter("hv2", "load")
    clock.now = 31
    # Of the others nobody knows yet whether they are still to begin.
    assert progress.due() == ["[00:31] load: 0 of 1 done, left: hv2"]
    assert progress.end()[:1] == ["[00:31] build: 3 of 3 done, changes: 1"]


def test_an_earlier_step_within_a_later_one_belongs_to_it(progress: Progress) -> None:
    progress.start(["hv1"])
    for step, made in (("native", 1), ("image", 0), ("native", 4), ("image", 2)):
        task(progress, "hv1", step, made)
    assert progress.end() == ["[00:00] image: 1 of 1 done, changes: 6"]


class Counted(str):
    """A name of a host that counts how often it is looked up."""

    looked_up = 0
    __slots__ = ()

    def __hash__(self) -> int:
        Counted.looked_up += 1
        return super().__hash__()


def test_hosts_are_not_looked_at_for_each_other(clock: Clock) -> None:
    """That would be work for each pair of hosts."""

    def looked_up(hosts: int) -> int:
        Counted.looked_up = 0
        names = [Counted(f"hv{number}") for number in range(hosts)]
        progress = Progress(30, clock)
        progress.start(names)
        for step in ("native", "mdev", "vm"):
            for name in names:
                task(progress, name, step, 1)
        assert len(progress.end()) == 1
        return Counted.looked_up

    assert looked_up(200) == pytest.approx(10 * looked_up(20), rel=0.1)


def test_a_long_run_says_where_its_time_went(progress: Progress, clock: Clock) -> None:
    for _play in range(2):
        progress.start(["hv1", "hv2"])
        for host, seconds in (("hv1", 20), ("hv2", 45)):
            progress.enter(host, "build")
            clock.now += seconds
            progress.leave(host, 0)
            task(progress, host, "check")
    assert progress.end() == ["[02:10] hv2 took 01:30, of it build 01:30", "[02:10] hv1 took 00:40, of it build 00:40"]


def test_of_many_hosts_the_slowest_are_named(clock: Clock) -> None:
    times = HostTimes(clock)
    for number in range(8):
        times.enter(f"hv{number}", "build")
        clock.now += number
        times.leave(f"hv{number}")
    assert times.lines(2) == [
        "hv7 took 00:07, of it build 00:07",
        "hv6 took 00:06, of it build 00:06",
        "6 more took 00:00 to 00:05",
    ]


class Named:
    """A task, or a role or an include that one is from."""

    def __init__(self, name: str, include: Named | None = None, role: Named | None = None) -> None:
        self.name, self.include, self._role = name, include, role

    def get_name(self) -> str:
        return self.name

    def get_first_parent_include(self) -> Named | None:
        return self.include


@pytest.mark.parametrize(
    ("one", "step"),
    [
        (Named("ping"), "ping"),
        (Named("ping", role=Named("report")), "report"),
        (Named("ping", Named("load.yml", Named("Install the driver")), Named("guest")), "Install the driver"),
    ],
)
def test_a_step_is_what_the_playbook_calls_it(one: Named, step: str) -> None:
    assert step_of(one) == step


@pytest.mark.parametrize(
    ("result", "number"),
    [
        ({"changed": False, "actions_total": 1}, 0),
        ({"changed": True}, 1),
        ({"changed": True, "actions_total": 3}, 3),
        ({"changed": True, "results": [{"changed": False}, {"changed": True, "actions_total": 2}]}, 2),
    ],
)
def test_changes_are_counted(result: dict[str, Any], number: int) -> None:
    assert changes(result) == number


def test_the_callback_takes_the_number_of_vms_from_what_a_module_tells(progress: Progress) -> None:
    callback = CallbackModule()
    callback.progress = progress
    progress.start(["hv1"])
    for told in ({"domains_total": 57}, {"domains_total": 2}, {"changed": True}):
        callback.v2_runner_on_ok(SimpleNamespace(_host=Named("hv1"), _result=told))
    assert progress.vms == {"hv1": 57}
