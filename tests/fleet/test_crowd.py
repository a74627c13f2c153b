# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs at work beside a crowd of clients (tests/shared/crowd.py), on a controller that is reset all the while."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from crowd import Crowd
from fleet import VM
from passthrough import Controller


@pytest.fixture
def crowd(vm1: VM) -> Iterator[Crowd]:
    """On the namespaces of the VM's controller that nobody has."""
    controller = Controller.find(vm1.host, vm1.serial)
    free = [nsid for nsid, owner in controller.namespaces().items() if owner == "-"]
    made = Crowd.gather(controller, free, vm1.tenant)
    yield made
    # A failed test may have left programs that have them open.
    vm1.host.run("pkill -KILL -x liov", check=False)
    for mdev in made.mdevs:
        mdev.remove()


@pytest.mark.slow
def test_vms_beside_it_notice_nothing(vm1: VM, vm2: VM, crowd: Crowd) -> None:
    said = {vm.name: len(vm.kernel_log) for vm in (vm1, vm2)}
    with vm1.verified_load(), vm2.verified_load():
        crowd.live_through_resets()
        for vm in (vm1, vm2):
            vm.goes_on("after the resets")
    crowd.is_whole()
    for vm in (vm1, vm2):
        given_up = ("I/O error", "is gone", "cannot be started again")
        lines = [line for line in vm.kernel_log[said[vm.name] :] if any(words in line for words in given_up)]
        assert not lines, "\n".join(lines)
        assert vm.state == "ready"
