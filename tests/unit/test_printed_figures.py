# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests have measured reaches whoever ran them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[1] / "shared"
CONFTEST = f"""
import sys
sys.path.insert(0, {str(SHARED)!r})
from figures import figures, pytest_terminal_summary
"""
TESTS = """
def test_quick(figures):
    figures("took 1.0 ms")
    figures("once")

def test_slow(figures):
    figures("took 90.0 ms")
    assert False

def test_of_nothing():
    pass
"""


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["here", "distributed"])
def test_figures_are_printed_once(tmp_path: Path, workers: list[str]) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_speed.py").write_text(TESTS)
    run = [sys.executable, "-m", "pytest", "-q", "--rootdir", tmp_path, *workers, tmp_path]
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
    ran = subprocess.run(run, check=False, capture_output=True, text=True, cwd=tmp_path, env=environment)
    printed = ran.stdout.splitlines()
    for name, lines in (("test_quick", ["took 1.0 ms", "once"]), ("test_slow", ["took 90.0 ms"])):
        (at,) = (number for number, line in enumerate(printed) if line.startswith("=") and name in line)
        assert printed[at + 1 : at + 1 + len(lines)] == lines
        assert sum(line == lines[0] for line in printed) == 1
    assert not any("test_of_nothing" in line for line in printed)
