# SPDX-License-Identifier: GPL-3.0-or-later
"""What the instruments of a `debug` kernel noticed while the tests before these ran."""

from __future__ import annotations

from pathlib import Path

import gcov
import pytest
import watched
from passthrough import Controller

from lab import Host

pytestmark = pytest.mark.debug


def test_nothing_leaked(host: Host, controller: Controller) -> None:
    controller.unbind()
    leaks = watched.leaks(host)
    assert not leaks, "\n".join(leaks)


def test_lockdep_watched_until_now(host: Host) -> None:
    assert watched.lockdep_watches(host), "\n".join(host.kernel_problems())


def test_every_function_was_reached(host: Host, module: Path, tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After all other tests of this folder have run."""
    coverage = gcov.measure(host, module, tree)
    watched.report(coverage, "host", module.parent, capsys)
    watched.every_function_was_reached(coverage, "host")
