# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes sure that mdevctl's definitions really start at boot."""

from __future__ import annotations

import re

from ansible_collections.lightiov.nvme.plugins.module_utils.host import Host, read, write_atomically
from ansible_collections.lightiov.nvme.plugins.module_utils.plan import Plan

STOCK_RULES = ("/usr/lib/udev/rules.d/60-mdevctl.rules", "/lib/udev/rules.d/60-mdevctl.rules")
RULE = "/etc/udev/rules.d/61-lightiov-mdevctl.rules"
PROGRAM = re.compile(r"(/\S*/mdevctl) start-parent-mdevs")

TEXT = """\
# Written by lightiov.nvme.mdev: the rules that came with mdevctl call it where it is not installed.
ACTION=="change", SUBSYSTEM=="pci", ENV{{MDEV_STATE}}=="registered", TEST=="/etc/mdevctl.d/$kernel", \\
  RUN+="{program} start-parent-mdevs $kernel"
"""


def plan(host: Host, result: Plan) -> None:
    """Add a rule of our own where mdevctl's own one calls a program that is not there (Debian 13 does)."""
    stock = next((text for text in map(host.read, STOCK_RULES) if text is not None), None)
    program = host.runner.find("mdevctl")
    if stock is None or program is None:
        return
    if all(host.path(path).exists() for path in PROGRAM.findall(stock)):
        return
    path = host.path(RULE)
    text = TEXT.format(program=program)
    if read(path) != text.strip():

        def write() -> None:
            write_atomically(path, text)
            host.runner.run(["udevadm", "control", "--reload"])

        result.add("boot_rule", RULE, write)
