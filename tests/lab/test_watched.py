# SPDX-License-Identifier: GPL-3.0-or-later
"""What the instruments of a `debug` kernel noticed while the tests before these ran."""

from __future__ import annotations

import re
import time

import pytest
from passthrough import Controller

from lab import Host

pytestmark = pytest.mark.debug

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
