# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every sequence of up to three calls of dkms_module, the last cut after each of its writes, is put right."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.lightiov.nvme.plugins.modules import dkms_module
from every_case import only_exhaustive
from explorer import Call, Explorer, State, check_all_put_right
from fake_host import KERNEL, FakeHost, Refused

pytestmark = pytest.mark.many_cases

NEXT = "6.12.107+deb13-amd64"
NAME, MODULE = "lightiov-host", "lightiov_host"
TOOLS = ("dkms", "modinfo", "modprobe")
# dkms and modprobe end what they have begun, but for a loss of power.
WRITES = {
    FakeHost: ("dkms", "modprobe"),
    os: ("link", "mkdir", "rename", "replace", "rmdir", "symlink", "unlink"),
    shutil: ("copyfile",),
    Path: ("touch", "write_text"),
}
COMPARED = ("etc/", "lib/modules/", "sys/module/", "usr/src/", "var/lib/dkms/")
BROKEN = {"broken": "#error broken", "unloadable": "does not load"}


@pytest.fixture
def explorer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Explorer:
    fake = FakeHost(tmp_path / "root")
    for release in (KERNEL, NEXT):
        fake.write(f"/lib/modules/{release}/build/Makefile", "")
        fake.path(f"/lib/modules/{release}/kernel").mkdir()
    for version in ("old", "new", *BROKEN):
        fake.write(f"/{version}/dkms.conf", f'PACKAGE_NAME="{NAME}"\nPACKAGE_VERSION="#MODULE_VERSION#"\n')
        fake.write(f"/{version}/a.c", BROKEN.get(version, f"int {version};"))

    def boot() -> None:
        for directory in ("/sys/module", "/run"):
            shutil.rmtree(fake.path(directory), ignore_errors=True)
        if fake.path(f"/etc/modules-load.d/{NAME}.conf").exists():
            with contextlib.suppress(Refused, FileNotFoundError):
                fake.modprobe(MODULE)

    return Explorer.of(fake, monkeypatch, modules=[dkms_module], tools=TOOLS, counted=WRITES, boot=boot)


def compared(state: State) -> dict[str, str]:
    return {name: content for name, content in state if name.startswith(COMPARED) and content != "/"}


@pytest.mark.parametrize("calls", [2, only_exhaustive(3)])
def test_whatever_is_left_is_put_right(explorer: Explorer, calls: int) -> None:
    def call(version: str, **options: object) -> Call:
        source = str(explorer.fake.path(f"/{version}"))
        return Call.of(dkms_module, name=NAME, version="0.1.0", src=source, module=MODULE, **options)

    wishes = [call("old"), call("new"), call("new", parameters={"max_vectors": 4}), call("new", state="absent")]
    broken = [call(version) for version in BROKEN]
    # It leaves the former module loaded.
    waiting = call("new", reload="never")

    def deployment(_state: State, wish: Call) -> Iterator[Call]:
        yield wish

    check_all_put_right(
        explorer, wishes, calls=[*wishes, waiting, *broken], length=calls, deployment=deployment, compared=compared,
        failing=broken,
    )  # fmt: skip
