# SPDX-License-Identifier: GPL-3.0-or-later
"""What `make test` says of the time that its parts take."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
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
nice:
\t@nice
until-bad-is-shown:
\t@until grep -qx bad shown; do sleep 0.1; done
hangs:
\t@echo $$$$ >hanging; sleep 100; sleep 100
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
    assert "first ends" in output
    assert "second begins" not in output
    assert times == ["bad: failed", "first", "in all"]


def test_what_fails_beside_another_is_shown_at_once(directory: Path) -> None:
    with (directory / "shown").open("w") as shown:
        ran = subprocess.run(
            [sys.executable, TIMED, "until-bad-is-shown,bad"], cwd=directory, check=False, stdout=shown, timeout=60
        )
    assert ran.returncode == 1
    assert (directory / "shown").read_text().count("make bad, meanwhile:\nbad\n") == 1


def test_the_first_comes_first_on_the_machine(directory: Path) -> None:
    _, output, _ = timed(directory, "nice,nice")
    first, beside = (int(line) for line in output if line.isdecimal())
    assert first == os.nice(0)
    assert beside == min(first + 5, 19)


def test_what_runs_beside_ends_with_the_rest(directory: Path) -> None:
    hanging = directory / "hanging"
    with subprocess.Popen([sys.executable, TIMED, "waits,hangs"], cwd=directory, stdout=subprocess.DEVNULL) as running:
        until(lambda: hanging.exists() and hanging.read_text())
        running.terminate()
        assert running.wait(timeout=20) == 128 + 15
    until(lambda: not Path("/proc", hanging.read_text().strip()).exists())


def until(holds: Callable[[], object]) -> None:
    ends = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < ends, "it does not come true"
        time.sleep(0.05)


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


def test_python_that_is_missing_is_in_the_list(tmp_path: Path) -> None:
    times = tmp_path / "times"
    subprocess.run(
        ["make", "unit39", "PYTHON39="],
        cwd=TIMED.parents[1],
        env={**os.environ, "LIGHTIOV_TIMES": str(times)},
        check=True,
    )
    assert re.fullmatch(r" *\d+:\d\d  unit39: skipped, since this machine has no Python 3\.9: .*\n", times.read_text())
