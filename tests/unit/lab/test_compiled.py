# SPDX-License-Identifier: GPL-3.0-or-later
"""What is compiled for hosts beforehand is what they compile, under the same names."""

from __future__ import annotations

from pathlib import Path

import yaml
from ansible_collections.lightiov.nvme.plugins.module_utils import _dkms as dkms
from ansible_collections.lightiov.nvme.plugins.module_utils._plan import Plan

from lab import compiled, qemu
from lab.emulator import Emulator
from lab.images import ImageSet
from lab.spec import host_spec

DEFAULTS = {"state": "present", "load": True, "reload": False, "kernels": None, "parameters": {}}


def test_the_package_of_dkms_has_the_name_that_the_role_gives_it(tmp_path: Path) -> None:
    tasks = yaml.safe_load((compiled.COLLECTION / "roles/native/tasks/main.yml").read_text())
    [options] = [task["lightiov.nvme.dkms_module"] for task in tasks if "lightiov.nvme.dkms_module" in task]
    version = yaml.safe_load((compiled.COLLECTION / "galaxy.yml").read_text())["version"]
    wanted = dkms.Wanted.parse(DEFAULTS | options | {"version": version, "src": compiled.NATIVE, "parameters": {}})
    compiled.fill(tmp_path)
    package = tmp_path / f"src/{wanted.name}-{dkms._version(wanted, Plan())}"
    assert package.is_dir()
    assert (package / "dkms.conf").read_text().count(package.name.removeprefix(f"{wanted.name}-")) == 1
    assert not (package / "guest").exists()


def test_what_it_is_made_of_is_what_names_it(tmp_path: Path) -> None:
    source = tmp_path / "native"
    source.mkdir()
    (source / "main.c").write_text("int main;\n")
    before = compiled.digest(source)
    (source / "main.o").write_text("built")
    assert compiled.digest(source) == before
    (source / "main.c").write_text("int other;\n")
    assert compiled.digest(source) != before


def test_images_of_a_former_version_have_none(tmp_path: Path) -> None:
    assert compiled.ensure(ImageSet(tmp_path), compiled.Progress(quiet=True)) is None


def test_it_moves_no_other_device() -> None:
    """It is the last that QEMU makes."""
    arguments = host_spec("host1"), Emulator(Path("/e")), ImageSet(Path("/i")), 2222
    without, given = qemu.command(*arguments), qemu.command(*arguments, compiled=Path("/c/compiled.raw"))
    assert given[: len(without)] == without
    assert "file=/c/compiled.raw,format=raw,readonly=on" in " ".join(given[len(without) :])
