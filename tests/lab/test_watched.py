# SPDX-License-Identifier: GPL-3.0-or-later
"""What the instruments of a `debug` kernel noticed while the tests before these ran."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gcov
import pytest
import watched
from passthrough import Controller, load_module

from lab import Host, Lab

pytestmark = pytest.mark.debug


@pytest.fixture(scope="session")
def host(lab_host: Host) -> Host:
    """As the tests before these have left it."""
    return lab_host


@pytest.fixture(scope="module")
def hosts(host: Host, labs: list[Lab]) -> list[Host]:
    """All those that the tests before these were distributed over; `host` is one of them."""
    return [lab.host(host.name) for lab in labs]


def test_nothing_leaked(hosts: list[Host]) -> None:
    for host in hosts:
        load_module(host)
        controller = Controller.find(host, "LIOV1A")
        controller.remove_mdevs()
        controller.unbind()
        leaks = watched.leaks(host)
        assert not leaks, "\n".join(leaks)


def test_lockdep_watched_until_now(hosts: list[Host]) -> None:
    for host in hosts:
        assert watched.lockdep_watches(host), "\n".join(host.kernel_problems())


def test_every_function_was_reached(
    hosts: list[Host], module: Path, tree: Path, figures: Callable[[str], None]
) -> None:
    """By all other tests of this folder, which have run."""
    coverage = gcov.Coverage()
    for host in hosts:
        coverage.add(gcov.measure(host, module, tree))
    watched.report(coverage, "host", module.parent, figures)
    watched.every_function_was_reached(coverage, "host")
