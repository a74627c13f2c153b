# SPDX-License-Identifier: GPL-3.0-or-later
"""pytest plugin: VMs have the guest driver with counters in it, which are read before they are lost.

For kernels of the `debug` flavour: `pytest -p watched_guests tests/fleet/...`. tests/fleet/test_watched_guests.py, as
the last, looks at what was reached.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import gcov
import modules
import pytest

from lab import Remote

if TYPE_CHECKING:
    from fleet import VM


class WatchedGuests:
    """Counters begin anew when a VM is off, so they are read after each file of tests, and added up.

    What only the last moments before a VM was switched off have reached is not seen.
    """

    def __init__(self, vms: list[Remote]) -> None:
        self.vms = vms
        self.tree = modules.ensure_tree()
        self.module = modules.build("guest", vms[0], self.tree, "debug")
        self.coverage = gcov.Coverage()

    def build_package(self) -> Path:
        """Build a package of that module, as for VMs that shall not compile it themselves."""
        native = f"/{self.module.parents[1].relative_to(self.tree)}"
        module = f"/{self.module.relative_to(self.tree)}"
        build = ["chroot", self.tree, f"{native}/guest/deb/build-deb", module, f"{native}/package", "gcov"]
        told = subprocess.run(build, check=True, capture_output=True, text=True)
        return self.tree / told.stdout.strip().lstrip("/")

    def read(self) -> None:
        for vm in self.vms:
            self.coverage.add(gcov.measure(vm, self.module, self.tree))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A second host, for few tests, would take half of the machine from the first."""
    elsewhere = [item for item in items if "vm3" in item.fixturenames]
    config.hook.pytest_deselected(items=elsewhere)
    items[:] = [item for item in items if item not in elsewhere]


@pytest.fixture(scope="session")
def watched_guests(vm1: VM, vm2: VM) -> WatchedGuests:
    guests = WatchedGuests([vm1.remote, vm2.remote])
    package = guests.build_package()
    for vm in (vm1, vm2):
        vm.remote.copy(package, "/root/watched.deb")
        vm.remote.run("dpkg --install /root/watched.deb", timeout=1800)
        # The lab's VMs boot sooner without the file system that counters and leaks are read from.
        vm.remote.run("systemctl unmask sys-kernel-debug.mount && sync")
        vm.switch_off()
        vm.switch_on()  # and the other one meanwhile: they take minutes to boot
    for vm in (vm1, vm2):
        vm.come_up()
    return guests


@pytest.fixture(autouse=True, scope="module")
def counters_are_read(watched_guests: WatchedGuests) -> Iterator[None]:
    yield
    watched_guests.read()
