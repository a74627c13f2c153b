# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Has libvirt start its VMs at boot after the mdevs that they need.

Nothing else orders the two: controllers are probed in the background, a slow one takes many seconds, and libvirt does
not try again to start a VM that lacked a device. As for a mount, systemd waits for the device's own unit, and after
90 seconds goes on without it.
"""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host, Texts, write_atomically
from ansible_collections.lightiov.nvme.plugins.module_utils._plan import Plan

RULE = "/etc/udev/rules.d/61-lightiov-mdevs.rules"
UNITS = "/etc/systemd/system"
TARGET = "lightiov-mdevs.target"
UNIT = f"{UNITS}/{TARGET}"
# The one of old, and the one of hosts that split it up.
LIBVIRT = ("libvirtd.service", "virtqemud.service")

RULE_TEXT = """\
# Written by lightiov.nvme.mdev: makes mdevs known to systemd, for lightiov-mdevs.target.
ACTION!="remove", SUBSYSTEM=="mdev", TAG+="systemd", ENV{SYSTEMD_ALIAS}="/sys/bus/mdev/devices/$kernel"
"""
UNIT_TEXT = """\
# Written by lightiov.nvme.mdev: libvirt starts VMs at boot after the mdevs that they need.
[Unit]
Description=LightIOV mediated devices
Before={libvirt}
{wants}

[Install]
WantedBy={libvirt}
"""


def device_unit(uuid: str) -> str:
    """systemd's name of an mdev, see systemd.unit(5) on escaping."""
    return "sys-bus-mdev-devices-{}.device".format(uuid.replace("-", r"\x2d"))


def plan(host: Host, uuids: Sequence[str], result: Plan) -> Texts:
    """Order libvirt after exactly these mdevs."""
    if host.runner.find("systemctl") is None:
        return {}
    unit = host.path(UNIT)
    wants = "\n".join(f"Wants={device_unit(uuid)}" for uuid in sorted(uuids))
    text = UNIT_TEXT.format(libvirt=" ".join(LIBVIRT), wants=wants)

    # The unit comes first and goes last: what was cut short is seen by it.
    def order() -> None:
        write_atomically(unit, text)
        host.put_udev_rule(RULE, RULE_TEXT)
        # Those that are there already become known to systemd as well: it would wait for them in vain.
        host.runner.run(["udevadm", "trigger", "--subsystem-match=mdev", "--action=change"])
        host.runner.run(["systemctl", "daemon-reload"])
        host.runner.run(["systemctl", "enable", TARGET])

    def forget() -> None:
        host.put_udev_rule(RULE, None)
        host.runner.run(["systemctl", "disable", TARGET])
        unit.unlink()
        host.runner.run(["systemctl", "daemon-reload"])

    before: dict[str, str | None] = {RULE: host.read(RULE), UNIT: host.read(UNIT)}
    after: dict[str, str | None] = dict.fromkeys(before)
    if uuids:
        after = {RULE: RULE_TEXT.strip(), UNIT: text.strip()}
    for service in LIBVIRT:
        link = f"{UNITS}/{service}.wants/{TARGET}"
        before[link] = UNIT if host.path(link).is_symlink() else None
        after[link] = UNIT if uuids else None
    if uuids and before != after:
        result.add("boot_order", UNIT, order)
    elif unit.exists() and not uuids:
        result.add("boot_order", UNIT, forget)
    return {path: (before[path], after[path]) for path in before}
