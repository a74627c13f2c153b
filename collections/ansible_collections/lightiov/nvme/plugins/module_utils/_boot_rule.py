# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes sure that mdevctl's definitions really start at boot."""

from __future__ import annotations

import re
from functools import partial

from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host, Texts
from ansible_collections.lightiov.nvme.plugins.module_utils._plan import Plan

STOCK_RULES = ("/usr/lib/udev/rules.d/60-mdevctl.rules", "/lib/udev/rules.d/60-mdevctl.rules")
RULE = "/etc/udev/rules.d/61-lightiov-mdevctl.rules"
PROGRAM = re.compile(r"(/\S*/mdevctl) start-parent-mdevs")

TEXT = """\
# Written by lightiov.nvme.mdev: the rules that came with mdevctl call it where it is not installed.
ACTION=="change", SUBSYSTEM=="pci", ENV{{MDEV_STATE}}=="registered", TEST=="/etc/mdevctl.d/$kernel", \\
  RUN+="{program} start-parent-mdevs $kernel"
"""


def plan(host: Host, wanted: bool, result: Plan) -> Texts:
    """Have a rule of our own where mdevctl's own one calls a program that is not there (Debian 13 does)."""
    text = _text(host) if wanted else None
    before, after = host.read(RULE), text and text.strip()
    if before != after:
        result.add("boot_rule", RULE, partial(host.put_udev_rule, RULE, text))
    return {RULE: (before, after)}


def _text(host: Host) -> str | None:
    stock = next((text for text in map(host.read, STOCK_RULES) if text is not None), None)
    program = host.runner.find("mdevctl")
    if stock is None or program is None or all(host.path(path).exists() for path in PROGRAM.findall(stock)):
        return None
    return TEXT.format(program=program)
