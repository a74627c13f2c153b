# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import multiprocessing
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils._alone import LOCK, alone
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._plan import Plan, execute
from fake_module import FakeModule

PATIENCE = 300


def test_a_second_run_looks_at_the_host_when_the_first_has_ended(host: Host) -> None:
    done: list[str] = []
    acts, comes = threading.Event(), threading.Event()

    def first() -> Plan:
        plan = Plan()
        plan.add("make", "a", lambda: (acts.set(), comes.wait(PATIENCE), done.append("the first acts")))
        return plan

    def second() -> Plan:
        done.append("the second looks")
        comes.set()
        return Plan()

    told: list[str] = []
    waiting = replace(host, note=lambda line: (told.append(line), comes.set()))
    with ThreadPoolExecutor(2) as runs:
        one = runs.submit(execute, FakeModule(), host, first)
        assert acts.wait(PATIENCE)
        other = runs.submit(execute, FakeModule(), waiting, second)
        one.result(PATIENCE)
        other.result(PATIENCE)
    assert done == ["the first acts", "the second looks"]
    assert told == ["another run changes this host, and is waited for"]


def test_check_mode_waits_for_nobody_and_leaves_nothing(host: Host) -> None:
    execute(FakeModule(check_mode=True), host, Plan)
    assert not host.path(LOCK).parent.exists()
    with alone(host):
        execute(FakeModule(check_mode=True), host, Plan)


def test_a_killed_run_is_waited_for_no_longer(host: Host) -> None:
    def hold(begun: Any) -> None:
        with alone(host):
            begun.set()
            threading.Event().wait()

    fork = multiprocessing.get_context("fork")
    begun = fork.Event()
    run = fork.Process(target=hold, args=[begun])
    run.start()
    assert begun.wait(PATIENCE)
    threading.Timer(0.1, run.kill).start()
    with alone(host):
        run.join(PATIENCE)
        assert run.exitcode == -9


def test_only_root_can_hold_it(host: Host) -> None:
    with alone(host):
        assert stat.S_IMODE(host.path(LOCK).stat().st_mode) == 0o600
