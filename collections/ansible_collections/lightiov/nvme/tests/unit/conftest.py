# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the collection importable from a checkout, and hosts out of nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

UNIT = Path(__file__).resolve().parent
sys.path.insert(0, str(UNIT.parents[4]))
sys.path.insert(0, str(UNIT))

from ansible_collections.lightiov.nvme.plugins.module_utils import _libvirt  # noqa: E402
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host  # noqa: E402
from ansible_collections.lightiov.nvme.plugins.module_utils._plan import Plan  # noqa: E402
from fake_host import FakeHost  # noqa: E402
from fake_libvirt import FakeConnection, FakeLibvirt  # noqa: E402
from in_process import InProcess, PlayedHost  # noqa: E402

# A busy machine takes longer for an example now and then, and that is no failure. `make properties` is thorough.
settings.register_profile("quick", deadline=None, max_examples=60)
settings.register_profile("thorough", deadline=None, max_examples=1000)
settings.load_profile("quick")


@pytest.fixture
def fake(tmp_path: Path) -> FakeHost:
    """A host with all tools and the LightIOV driver, and no controllers yet."""
    host = FakeHost(tmp_path / "root")
    host.install("driverctl", "mdevctl", "dkms", "modprobe", "modinfo", "udevadm", "liov")
    host.load_driver("lightiov")
    host.load_driver("nvme")
    return host


@pytest.fixture
def host(fake: FakeHost) -> Host:
    """The same host as the modules see it."""
    return PlayedHost(fake.root, InProcess(fake))


@pytest.fixture(autouse=True)
def syncs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Those of the modules; a host made of files survives no power cut, and the machine's own disks are busy."""
    asked: list[str] = []
    monkeypatch.setattr(os, "sync", lambda: asked.append("sync"))
    return asked


@pytest.fixture(autouse=True)
def changes_are_shown(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Of no plan that any test makes is the difference empty while it has steps."""
    plans: list[Plan] = []
    make = Plan.__init__

    def noted(plan: Plan, *arguments: Any, **options: Any) -> None:
        make(plan, *arguments, **options)
        plans.append(plan)

    monkeypatch.setattr(Plan, "__init__", noted)
    yield
    # Without a state it is a plan that was refused half-way, or one of a test's own.
    unshown = [plan for plan in plans if plan.steps and plan.after is not None and plan.before == plan.after]
    assert not unshown, [step.describe() for step in unshown[0].steps]


@pytest.fixture
def libvirt(monkeypatch: pytest.MonkeyPatch) -> FakeConnection:
    """A libvirt without domains, with the network that it brings along."""
    connection = FakeConnection()
    monkeypatch.setattr(_libvirt, "api", FakeLibvirt(connection))
    return connection
