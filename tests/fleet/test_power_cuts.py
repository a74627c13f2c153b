# SPDX-License-Identifier: GPL-3.0-or-later
"""A host whose power is cut at any moment of `deploy` or `teardown`: boot, deploy, and all is right, nothing lost."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from dataclasses import astuple, dataclass

import pytest
from fleet import VM, Ansible, changed, mark, marked, misplaced
from runs import SEED, Runs

from lab import Host, Lab
from lab.paths import PROJECT

# Each takes 10 minutes under emulation: set LIGHTIOV_CUTS=20 for the full count.
CUTS = int(os.environ.get("LIGHTIOV_CUTS", "3"))
TABLE = PROJECT / "build/power-cuts.md"
SERIAL = "LIOV2A"
RUNS = ("deploy", "teardown")
FOUND = f"""
test -d /sys/module/lightiov_host && echo module loaded || echo module not loaded
grep -qs {SERIAL} /sys/bus/pci/drivers/lightiov/*/lightiov/serial && echo controller taken || echo controller not taken
echo "$(ls /sys/bus/mdev/devices 2>/dev/null | wc -l) mdevs, $(mdevctl list --defined | wc -l) defined"
echo vm3 $(virsh domstate vm3)
"""


@dataclass(frozen=True)
class Cut:
    run: str
    moment: str
    found: str
    seconds: str


class Table:
    """Written after each cut, so that what was seen is there whatever the next one does."""

    def __init__(self) -> None:
        self.cuts: list[Cut] = []

    def add(self, cut: Cut) -> None:
        self.cuts.append(cut)
        TABLE.parent.mkdir(exist_ok=True)
        TABLE.write_text(str(self) + "\n")

    def __str__(self) -> str:
        heading = (f"run (seed {SEED})", "power cut at, s of s", "found after the boot", "right after, s")
        rows = [heading, ("---",) * len(heading), *map(astuple, self.cuts)]
        return "\n".join(f"| {' | '.join(row)} |" for row in rows)


@pytest.fixture
def table(capsys: pytest.CaptureFixture[str]) -> Iterator[Table]:
    cuts = Table()
    yield cuts
    with capsys.disabled():
        print(f"\n{cuts}")


def found(host: Host) -> str:
    return ", ".join(host.run(FOUND, check=False).stdout.splitlines())


@pytest.mark.slow
def test_cut_as_soon_as_it_is_done(lab: Lab, ansible: Ansible, host2: Host, vm3: VM) -> None:
    """What a run has said to be done needs no other run after the next boot."""
    runs = Runs(ansible, vm3)
    mark(vm3.remote, vm3.disk, "vm3")
    for run in reversed(RUNS):
        runs.complete(run)
    host2.cut_power()
    vm3.remote.disconnect()
    lab.up((host2.name,))
    vm3.wait()
    assert vm3.state == "ready"
    assert marked(vm3.remote, vm3.disk) == "vm3"
    unchanged = ansible.playbook(*runs.options("deploy"))
    assert set(changed(unchanged).values()) == {0}, unchanged.stdout[-4000:]


@pytest.mark.slow
def test_power_cuts(lab: Lab, ansible: Ansible, host2: Host, vm3: VM, table: Table) -> None:
    chance = random.Random(SEED)
    runs = Runs(ansible, vm3)
    mark(vm3.remote, vm3.disk, "vm3")
    # From nothing to everything and back: how long there is something to interrupt.
    duration = {run: runs.complete(run) for run in reversed(RUNS)}
    for number in range(CUTS):
        run = RUNS[number % len(RUNS)]
        if run == "deploy":
            runs.complete("teardown")
        moment = chance.uniform(0, duration[run])
        runs.interrupt(run, moment)
        lab.up((host2.name,))
        seen, wrong = found(host2), misplaced(host2, SERIAL)
        started = time.monotonic()
        right = ansible.playbook(*runs.options("deploy"))
        seconds = f"{time.monotonic() - started:.0f}" if right.returncode == 0 else "never"
        table.add(Cut(run, f"{moment:.0f} of {duration[run]:.0f}", seen, seconds))

        assert wrong == []
        assert right.returncode == 0, right.stdout[-4000:]
        assert misplaced(host2, SERIAL) == []
        assert vm3.state == "ready"
        assert marked(vm3.remote, vm3.disk) == "vm3"
        assert host2.kernel_problems() == []
    unchanged = ansible.playbook(*runs.options("deploy"))
    assert set(changed(unchanged).values()) == {0}, unchanged.stdout[-4000:]
