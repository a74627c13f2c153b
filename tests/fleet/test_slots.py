# SPDX-License-Identifier: GPL-3.0-or-later
"""Controllers that changed places while the host was off: PCI addresses name others, serials do not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fleet import VM, Ansible, changed, mark, marked, misplaced, stock_disk, wait_for_the_end_of_the_boot

from lab import Host, Lab

OURS, OTHER = "LIOV2A", "LIOV2B"


def exchange(lab: Lab, host: Host) -> None:
    lab.down((host.name,))
    host.exchange_slots()
    lab.up((host.name,))
    wait_for_the_end_of_the_boot(host)


@pytest.fixture
def slots(lab: Lab, ansible: Ansible, host2: Host, vm3: VM) -> Iterator[None]:
    """At the end each controller is in its own slot, and the VM has its disk."""
    yield
    if host2.spec != host2.delivered:
        exchange(lab, host2)
        ansible.playbook("playbooks/deploy.yml", *vm3.only)


@pytest.mark.slow
@pytest.mark.usefixtures("slots")
def test_slots_exchanged(lab: Lab, ansible: Ansible, host2: Host, vm3: VM) -> None:
    mark(vm3.remote, vm3.disk, "vm3")
    mark(host2, stock_disk(host2, OTHER), "nobody")
    for where in ("elsewhere", "back"):
        vm3.remote.disconnect()
        exchange(lab, host2)
        assert misplaced(host2, OURS) == [], where
        assert vm3.off, f"vm3 is {vm3.domain_state} with its disk nowhere, {where}"
        log = host2.run("dmesg").stdout
        assert f"has the serial {OTHER}, not {OURS}: the device belongs to another controller" in log, log[-4000:]

        run = ansible.playbook("playbooks/deploy.yml", *vm3.only)
        assert run.returncode == 0, run.stdout[-4000:]
        assert misplaced(host2, OURS) == []
        assert vm3.state == "ready"
        assert marked(vm3.remote, vm3.disk) == "vm3"
        assert marked(host2, stock_disk(host2, OTHER)) == "nobody"
        unchanged = ansible.playbook("playbooks/deploy.yml", *vm3.only)
        assert set(changed(unchanged).values()) == {0}, unchanged.stdout[-4000:]
        assert host2.kernel_problems() == []
