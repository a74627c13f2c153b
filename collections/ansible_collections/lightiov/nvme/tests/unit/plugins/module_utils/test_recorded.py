# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fakes of driverctl, mdevctl, dkms and libvirt do what the real ones were recorded to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import recorded
import recorded_libvirt
from fake_host import KERNEL, FakeHost, Refused
from fake_libvirt import FakeConnection, FakeLibvirt, FakeNetwork

RECORD = json.loads(Path(recorded.__file__).with_suffix(".json").read_text(encoding="utf-8"))
ADDRESS, SERIAL = "0000:02:00.0", "S1"


@pytest.mark.parametrize("tool", sorted(recorded.COMMANDS))
def test_the_fake_leaves_what_the_real_one_left(fake: FakeHost, tool: str) -> None:
    fake.add_controller(ADDRESS, SERIAL, driver="nvme" if tool == "driverctl" else "lightiov")

    def run(arguments: list[str]) -> bool:
        try:
            fake.call(tool, *arguments)
        except Refused:
            return False
        return True

    names = recorded.prepare(fake.root, {"address": ADDRESS, "serial": SERIAL, "kernel": KERNEL})
    assert recorded.record(tool, run, fake.root, names) == RECORD[tool]


def test_the_fake_libvirt_answers_what_the_real_one_answered() -> None:
    connection = FakeConnection()
    name = recorded_libvirt.NAME
    connection.networks[name] = FakeNetwork(name, active=False, autostart=False)
    assert recorded_libvirt.record(FakeLibvirt(connection), connection, recorded.UUID) == RECORD["libvirt"]
