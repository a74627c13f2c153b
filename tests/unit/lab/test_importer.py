# SPDX-License-Identifier: GPL-3.0-or-later
"""What Python compiles of archives, in hosts and VMs of the lab, is kept; what is kept is whole."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from lab.paths import RECIPES

PACKAGES = RECIPES / "common/root/usr/lib/python3/dist-packages"
PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
import lab_importer
lab_importer.KEPT = sys.argv[2]
compile_it = compile
def seen(source, name, *arguments, **options):
    print(name)
    return compile_it(source, name, *arguments, **options)
lab_importer.compile = seen
sys.path.insert(0, sys.argv[3])
import package.module
print(package.module.VALUE, package.module.__file__, package.__path__)
"""


class Importing:
    def __init__(self, place: Path) -> None:
        self.kept = place / "kept"
        self.place = place

    def __call__(self, archive: str, value: str = "1") -> list[str]:
        """What was compiled, and what it came to, when a program imports this module from this archive."""
        path = self.place / archive
        with zipfile.ZipFile(path, "w") as written:
            written.writestr("package/__init__.py", "")
            written.writestr("package/module.py", f"VALUE = {value}\n")
        command = [sys.executable, "-c", PROGRAM, str(PACKAGES), str(self.kept), str(path)]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        return run.stdout.replace(f"{self.place}/", "").splitlines()


@pytest.fixture
def importing(tmp_path: Path) -> Importing:
    return Importing(tmp_path)


def result(archive: str, value: str = "1") -> str:
    return f"{value} {archive}/package/module.py ['{archive}/package']"


def test_compiled_once_for_all_archives(importing: Importing) -> None:
    assert importing("a.zip") == ["a.zip/package/__init__.py", "a.zip/package/module.py", result("a.zip")]
    assert importing("b.zip") == [result("b.zip")]


def test_another_source_is_compiled(importing: Importing) -> None:
    importing("a.zip")
    assert importing("a.zip", "2") == ["a.zip/package/module.py", result("a.zip", "2")]


@pytest.mark.parametrize("length", [0, 7, 8, 60])
def test_half_a_file_is_not_taken(importing: Importing, length: int) -> None:
    importing("a.zip")
    for kept in importing.kept.iterdir():
        kept.write_bytes(kept.read_bytes()[:length])
    assert importing("b.zip") == ["b.zip/package/__init__.py", "b.zip/package/module.py", result("b.zip")]


def test_a_place_that_cannot_be_written_costs_time_only(importing: Importing) -> None:
    importing.kept.write_text("a file")
    assert importing("a.zip")[-1] == result("a.zip")
