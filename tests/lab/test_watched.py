# SPDX-License-Identifier: GPL-3.0-or-later
"""What the instruments of a `debug` kernel noticed while the tests before these ran."""

from __future__ import annotations

import re
import time
from pathlib import Path

import gcov
import pytest
import tomllib
from passthrough import Controller

from lab import Host

pytestmark = pytest.mark.debug

# Functions that no test reaches, and why: a table for each module.
UNREACHED = Path(__file__).with_name("unreached.toml")
REPORT = Path(__file__).resolve().parents[2] / "build/coverage-host.txt"
KMEMLEAK = "/sys/kernel/debug/kmemleak"


def test_nothing_leaked(host: Host, controller: Controller) -> None:
    controller.unbind()
    time.sleep(6)  # younger objects do not count
    # A pointer that is on its way during one scan is found by the next.
    host.run(f"echo scan > {KMEMLEAK}; echo scan > {KMEMLEAK}", timeout=1800)
    leaks = host.run(f"cat {KMEMLEAK}", timeout=600).stdout.split("unreferenced object")
    ours = [leak for leak in leaks if re.search(r"lightiov|\bliov_", leak)]
    assert not ours, "\n".join(ours)


def test_lockdep_watched_until_now(host: Host) -> None:
    """It switches itself off at its first report, so nothing after that one was watched."""
    stats = host.run("cat /proc/lockdep_stats").stdout
    assert re.search(r"debug_locks: +1$", stats, re.MULTILINE), "\n".join(host.kernel_problems())


def test_every_function_was_reached(host: Host, module: Path, tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """But those that are known, each with its reason; after all other tests of this folder have run."""
    coverage = gcov.measure(host, module, tree)
    summary = "\n".join(coverage.summary())
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text("\n".join((summary, "", "Not reached:", *coverage.unreached_lines(module.parent), "")))
    with capsys.disabled():
        print(f"\nReached of the host module; {REPORT.name} in build/ has the lines that were not:\n{summary}")

    known = tomllib.loads(UNREACHED.read_text())["host"]
    assert set(known) <= set(coverage.functions), "these are no functions of the host module any more"
    assert set(coverage.unreached) <= set(known), "reach these, or list them with the reason"
