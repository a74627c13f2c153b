# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A hypervisor with a drive to spare, made of files."""

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.lightiov.nvme.plugins.module_utils._bench.contenders import lightiov
from fake_host import NAMESPACE_BYTES, FakeHost
from in_process import InProcess, PlayedHost

ADDRESS = "0000:01:00.0"


class BenchHost(PlayedHost):
    """Plays the PCI bus and the mdev that is made on it."""

    def write_attribute(self, absolute: str, text: str) -> None:
        assert isinstance(self.runner, InProcess)
        fake, name = self.runner.fake, Path(absolute).name
        fake.note(f"{text.strip()} > {name}")
        if name == "driver_override":
            fake.write(absolute, text)
        elif name == "unbind":
            fake.bind(ADDRESS, "")
        elif name == "drivers_probe":
            fake.bind(ADDRESS, fake.read(f"{fake.device(ADDRESS)}/driver_override") or "nvme")
        elif name == "create":
            fake.path(f"{lightiov.MDEVS}/{text}").mkdir(parents=True)
        elif name == "remove":
            fake.path(absolute).parent.rmdir()
        elif not absolute.startswith(lightiov.MDEVS):
            raise AssertionError(absolute)


def hypervisor(fake: FakeHost) -> BenchHost:
    fake.add_controller(ADDRESS, "S1", namespaces=2)
    fake.write("/proc/self/mountinfo", "")
    fake.write("/proc/swaps", "")
    fake.path("/sys/bus/pci/devices").mkdir(exist_ok=True)
    for tool in ("fio", "blockdev"):
        script = fake.bin / tool
        script.write_text(f'#!/bin/sh\necho {tool} "$@" >> {fake.path("/calls")}\n')
        script.chmod(0o755)
    fake.modprobe = lambda *arguments: None
    # Block devices, sparse; the first partition is there as soon as the kernel has looked at the label.
    for nsid in (1, 2):
        for name in (f"nvme0n{nsid}", f"nvme0n{nsid}p1"):
            fake.write(f"/dev/{name}", "")
        os.truncate(fake.path(f"/dev/nvme0n{nsid}"), NAMESPACE_BYTES)
    return BenchHost(fake.root, InProcess(fake))
