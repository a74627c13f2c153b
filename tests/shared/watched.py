# SPDX-License-Identifier: GPL-3.0-or-later
"""What the instruments of a `debug` kernel noticed while tests ran, on a host or in a VM."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import tomllib
from gcov import Coverage

from lab import Remote
from lab.paths import PROJECT

# Functions that no test reaches, and why: a table for each module.
UNREACHED = Path(__file__).with_name("unreached.toml")
REPORTS = PROJECT / "build"
KMEMLEAK = "/sys/kernel/debug/kmemleak"
# Allocated by our modules, or by one that is unloaded, whose functions have no names any more: no other is.
OURS = re.compile(r"lightiov|\bliov_|\b0xffffffff[0-9a-f]{8}$", re.MULTILINE)


def leaks(machine: Remote) -> list[str]:
    """Memory of ours that nothing points to any more."""
    time.sleep(6)  # younger objects do not count
    # A pointer that is on its way during one scan is found by the next.
    machine.run(f"echo scan > {KMEMLEAK}; echo scan > {KMEMLEAK}", timeout=1800)
    found = machine.run(f"cat {KMEMLEAK}", timeout=600).stdout.split("unreferenced object")
    return [leak for leak in found if OURS.search(leak)]


def lockdep_watches(machine: Remote) -> bool:
    """It switches itself off at its first report, so nothing after that one was watched."""
    return bool(re.search(r"debug_locks: +1$", machine.run("cat /proc/lockdep_stats").stdout, re.MULTILINE))


def report(coverage: Coverage, module: str, sources: Path, figures: Callable[[str], None]) -> None:
    summary = "\n".join(coverage.summary())
    path = REPORTS / f"coverage-{module}.txt"
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join((summary, "", "Not reached:", *coverage.unreached_lines(sources), "")))
    figures(f"Reached of module {module}; {path.name} in build/ has the lines that were not:\n{summary}")


def every_function_was_reached(coverage: Coverage, module: str) -> None:
    """But those that are known, each with its reason."""
    known = set(tomllib.loads(UNREACHED.read_text())[module])
    gone = sorted(known - set(coverage.functions))
    assert not gone, f"these are no functions of module {module} any more: {gone}"
    unknown = sorted(set(coverage.unreached) - known)
    assert not unknown, f"reach these, or list them in {UNREACHED.name} with the reason: {unknown}"
    reached = sorted(known - set(coverage.unreached))
    assert not reached, f"these are reached by now, take them off {UNREACHED.name}: {reached}"
