# SPDX-License-Identifier: GPL-3.0-or-later
"""What must have come in the right order, whether or not the wrong one would have worked this time."""

from __future__ import annotations

from conftest import Disk
from testinfra.host import Host


def test_libvirt_waited_for_the_mediated_devices(disk: Disk, owner: Host) -> None:
    unit = owner.check_output("systemd-escape --path --suffix=device /sys/bus/mdev/devices/%s", disk.uuid)
    there = moment(owner, "ActiveEnter", unit)
    assert 0 < there <= moment(owner, "InactiveExit", "libvirtd.service")


def moment(host: Host, change: str, unit: str) -> int:
    """Microseconds from the host's boot to a unit's change of state; 0 if it has not changed."""
    return int(host.check_output("systemctl show --value --property %sTimestampMonotonic %s", change, unit))
