# SPDX-License-Identifier: GPL-3.0-or-later
"""No kernel has anything to complain of, whatever else is right."""

from __future__ import annotations

from testinfra.host import Host

from lab.kernel_log import problems


def test_of_the_hypervisor(hypervisor: Host) -> None:
    assert problems(hypervisor.check_output("dmesg")) == []


def test_of_the_vm(vm: Host) -> None:
    assert problems(vm.check_output("dmesg")) == []
