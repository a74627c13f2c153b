# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which initramfs role guest writes in a VM that has dkms, whichever run has made it too old."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "roles/guest/files/stale_initramfs.sh"
KERNELS = ["6.12.107+deb13-amd64", "6.12.57+deb13-amd64"]
RULE, HOOK = "etc/udev/rules.d/60-lightiov.rules", "etc/initramfs-tools/hooks/lightiov"
MODULE = f"lib/modules/{KERNELS[1]}/updates/dkms/lightiov_guest.ko.xz"


def write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")


@pytest.fixture
def vm(tmp_path: Path) -> Path:
    for file in (RULE, HOOK, MODULE, *(f"lib/modules/{kernel}/modules.dep" for kernel in KERNELS)):
        write(tmp_path / file)
    for kernel in KERNELS:
        write(tmp_path / f"boot/initrd.img-{kernel}")
    write(tmp_path / f"boot/initrd.img-{KERNELS[0]}.old-dkms")
    return tmp_path


def stale(vm: Path) -> list[str]:
    environment = {**os.environ, "DESTDIR": str(vm)}
    return subprocess.run(
        ["sh", SCRIPT], env=environment, check=True, capture_output=True, text=True
    ).stdout.split()  # fmt: skip


def test_none_is_while_nothing_has_come(vm: Path) -> None:
    write(vm / f"lib/modules/{KERNELS[1]}/modules.dep")
    assert stale(vm) == []


@pytest.mark.parametrize(("file", "kernels"), [(RULE, KERNELS), (HOOK, KERNELS), (MODULE, KERNELS[1:])])
def test_what_has_come_since_is_not_in_it(vm: Path, file: str, kernels: list[str]) -> None:
    time.sleep(0.05)  # times of files go by the kernel's ticks
    new = vm / "new"
    write(new)
    os.utime(new, (0, 0))  # a former build, for example
    new.replace(vm / file)
    assert stale(vm) == kernels
    for kernel in kernels:
        write(vm / f"boot/initrd.img-{kernel}")
    assert stale(vm) == []


def test_a_vm_may_have_neither_driver_nor_initramfs(tmp_path: Path) -> None:
    assert stale(tmp_path) == []
