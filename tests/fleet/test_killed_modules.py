# SPDX-License-Identifier: GPL-3.0-or-later
"""A module that is killed on the host at any moment of `deploy` or `teardown`: the next run completes, nothing is lost.

Each module, killed at each of its writes, is in the collection's unit tests; here are the real kernel and libvirt.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass

import pytest
from fleet import VM, Ansible, changed, mark, marked, misplaced
from runs import SEED, Runs, calls, watched

from lab import Host

# Each takes some minutes under emulation: set LIGHTIOV_KILLS=50 for the full count.
KILLS = int(os.environ.get("LIGHTIOV_KILLS", "4"))
SERIAL = "LIOV2A"
RUNS = ("teardown", "deploy")
# What a module makes under another name, or for as long as it runs.
LEFT_OVER = """
find /etc /usr/src /usr/local/src /var/lib/libvirt/images /var/lib/dkms -name '.*.new'
grep -lsF '(blank)' /sys/bus/mdev/devices/*/label
true
"""


@dataclass(frozen=True)
class Call:
    """Of a module, by its place among those of its run."""

    run: str
    number: int
    module: str
    seconds: float


def calls_of(runs: Runs, run: str) -> list[Call]:
    """Of a run that nobody disturbs."""
    with watched(runs.vm.host) as ended:
        runs.complete(run)
    return [Call(run, number, module, seconds) for number, (module, seconds) in enumerate(ended, 1)]


def kill(runs: Runs, call: Call, moment: float) -> bool:
    """Whether it was killed, and the run failed for it."""
    killer = calls(runs.vm.host, f"{call.number} {moment:.2f}")
    ended = runs.ansible.playbook(*runs.options(call.run))
    if killer.running():  # the run has made fewer calls
        killer.signal("TERM")
        killer.wait()
    was_killed, failed = killer.output().split()[1:] == ["killed"], ended.returncode != 0
    assert was_killed or not failed, ended.stdout[-4000:] + killer.output()
    # A module may have said its result by then.
    return was_killed and failed


@pytest.mark.slow
def test_killed_modules(ansible: Ansible, host2: Host, vm3: VM, capsys: pytest.CaptureFixture[str]) -> None:
    chance = random.Random(SEED)
    runs = Runs(ansible, vm3)
    mark(vm3.remote, vm3.disk, "vm3")
    known = {run: calls_of(runs, run) for run in RUNS}
    killed: list[str] = []
    for number in range(10 * KILLS):
        if len(killed) == KILLS:
            break
        run = RUNS[number % len(RUNS)]
        if run == "deploy":
            runs.complete("teardown")
        call = chance.choice(known[run])
        moment = chance.uniform(0, call.seconds)
        if kill(runs, call, moment):
            killed.append(f"{call.run}: {call.module}, at {moment:.1f} s of {call.seconds:.1f}")
            with capsys.disabled():
                print(f"\nkilled {len(killed)} of {KILLS} (seed {SEED}): {killed[-1]}", flush=True)
        runs.complete("deploy")
        assert misplaced(host2, SERIAL) == []
        assert vm3.state == "ready"
        assert marked(vm3.remote, vm3.disk) == "vm3"
        assert host2.run(LEFT_OVER).stdout == ""
    assert len(killed) == KILLS
    unchanged = ansible.playbook(*runs.options("deploy"))
    assert set(changed(unchanged).values()) == {0}, unchanged.stdout[-4000:]
