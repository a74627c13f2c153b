# SPDX-License-Identifier: GPL-3.0-or-later
"""What `make test` says of the time that its parts take."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

TIMED = Path(__file__).resolve().parents[1] / "timed.py"
MAKEFILE = f"""
first second:
\t@echo $@ begins; sleep 1; echo $@ ends
bad:
\t@echo $@; exit 1
waits:
\t@for try in $$(seq 100); do if [ -e made ]; then exit 0; fi; sleep 0.1; done; exit 1
makes:
\t@touch made
inner:
\t@{sys.executable} {TIMED} first
"""


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("LIGHTIOV_TIMES", raising=False)  # `make test` runs these tests
    (tmp_path / "Makefile").write_text(MAKEFILE)
    return tmp_path


def timed(directory: Path, *steps: str) -> tuple[int, list[str], list[str]]:
    """Return code, output, and what has a time; times themselves depend on the machine."""
    ran = subprocess.run([sys.executable, TIMED, *steps], cwd=directory, check=False, capture_output=True, text=True)
    output, _, times = ran.stdout.partition("\nHow long it took:\n")
    assert re.sub(r" \(\d+:\d\d before\)", "", times) == (directory / "build/times").read_text()
    return ran.returncode, output.split("\n"), [re.sub(r"^ *\d+:\d\d  ", "", line) for line in times.splitlines()]


def test_each_part_has_its_time(directory: Path) -> None:
    status, output, times = timed(directory, "first", "second")
    assert status == 0
    assert output == ["first begins", "first ends", "second begins", "second ends", ""]
    assert times == ["first", "second", "in all"]


def test_failure_ends_it_and_times_are_shown_nevertheless(directory: Path) -> None:
    status, output, times = timed(directory, "first", "bad", "second")
    assert status == 1
    assert "second begins" not in output
    assert times == ["first", "bad: failed", "in all"]


def test_output_of_what_runs_at_once_is_whole(directory: Path) -> None:
    status, output, times = timed(directory, "first,second")
    assert status == 0
    assert output == [
        "first begins",
        "first ends",
        "",
        "make second, meanwhile:",
        "second begins",
        "second ends",
        "",
        "",
    ]
    assert sorted(times) == ["first", "in all", "second"]


def test_what_runs_at_once_does(directory: Path) -> None:
    status, _, _ = timed(directory, "waits,makes")
    assert status == 0


def test_failure_of_what_runs_beside_another_counts(directory: Path) -> None:
    status, output, times = timed(directory, "first,bad", "second")
    assert status == 1
    assert output[1] == "first ends"
    assert times == ["bad: failed", "first", "in all"]


def test_parts_of_a_part_are_in_the_same_list(directory: Path) -> None:
    status, _, times = timed(directory, "inner")
    assert status == 0
    assert times == ["first", "inner", "in all"]


def test_what_a_part_took_before_is_beside_it(directory: Path) -> None:
    timed(directory, "first")
    timed(directory, "bad")
    _, _, times = timed(directory, "first", "second", "bad")
    before = {line.partition(" (")[0]: line.endswith(" before)") for line in times}
    assert before == {"first": True, "second": False, "bad: failed": True, "in all": True}
