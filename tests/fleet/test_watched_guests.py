# SPDX-License-Identifier: GPL-3.0-or-later
"""What the instruments of a `debug` kernel noticed in VMs while the tests before these ran (plugin watched_guests)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import watched
from fleet import VM
from watched_guests import WatchedGuests

pytestmark = pytest.mark.debug


def test_nothing_leaked(vm1: VM, vm2: VM) -> None:
    for vm in (vm1, vm2):
        address = vm.unbind()
        leaks = watched.leaks(vm.remote)
        vm.bind(address)
        assert not leaks, "\n".join(leaks)


def test_lockdep_watched_until_now(vm1: VM, vm2: VM) -> None:
    for vm in (vm1, vm2):
        assert watched.lockdep_watches(vm.remote), "\n".join(vm.complaints)


def test_every_function_was_reached(watched_guests: WatchedGuests, figures: Callable[[str], None]) -> None:
    watched_guests.read()
    coverage = watched_guests.coverage
    watched.report(coverage, "guest", watched_guests.module.parent, figures)
    watched.every_function_was_reached(coverage, "guest")
