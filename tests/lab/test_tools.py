# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tools are recorded to leave on a host, by which unit tests judge their fakes, is what they leave.

LIGHTIOV_RECORD=1 records it anew.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from passthrough import MODULE, Controller

from lab import Host
from lab.paths import COLLECTION

UNIT = COLLECTION / "tests/unit"
RECORD = UNIT / "recorded.json"
sys.path.insert(0, str(UNIT))
import recorded  # noqa: E402
import recorded_libvirt  # noqa: E402

pytestmark = pytest.mark.slow


@pytest.fixture
def known_to_modprobe(host: Host) -> Iterator[None]:
    """The host module, which driverctl asks for by the driver's name."""
    place = "/lib/modules/$(uname -r)/updates/lightiov_host.ko"
    host.run(f"install -D {MODULE} {place} && depmod")
    yield
    host.run(f"rm {place} && depmod")


@pytest.mark.usefixtures("known_to_modprobe")
@pytest.mark.parametrize("tool", sorted(recorded.COMMANDS))
def test_they_leave_what_is_recorded(host: Host, controller: Controller, tool: str) -> None:
    # driverctl takes a controller that the stock driver has, and gives it back.
    one = Controller.find(host, "LIOV1B") if tool == "driverctl" else controller
    names = {"address": one.address, "serial": one.serial, "kernel": host.run("uname -r").stdout.strip()}
    hold_against_the_record(tool, done_by(host, recorded, tool, json.dumps(names)))


def test_libvirt_answers_what_is_recorded(host: Host, controller: Controller) -> None:
    mdev = controller.mdev("1")
    hold_against_the_record("libvirt", done_by(host, recorded_libvirt, mdev.uuid))


def done_by(host: Host, recorder: ModuleType, *arguments: str) -> list[dict[str, Any]]:
    """What it prints, as a program on the host."""
    program = Path(str(recorder.__file__))
    host.copy(program, f"/root/{program.name}")
    words = shlex.join(("python3", f"/root/{program.name}", *arguments))
    return json.loads(host.run(words, timeout=1200).stdout)


def hold_against_the_record(tool: str, done: list[dict[str, Any]]) -> None:
    record = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    if os.environ.get("LIGHTIOV_RECORD"):
        RECORD.write_text(json.dumps({**record, tool: done}, indent=1, sort_keys=True) + "\n")
    else:
        assert done == record[tool]
