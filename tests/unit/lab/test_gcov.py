# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read from gcov, with a program of its own for a module."""

from __future__ import annotations

import subprocess
from pathlib import Path

import gcov
import pytest

HEADER = """
static inline int twice(int x)
{
	return 2 * x;
}
"""
FIRST = """
#include "both.h"
int second(int x);
int main(void)
{
	return second(twice(0));
}
"""
SECOND = """
#include <stdlib.h>
#include "both.h"
static int never(int x)
{
	return twice(x);
}
int second(int x)
{
	if (x)
		x = never(x);
	return x;
}
"""


@pytest.fixture
def documents(tmp_path: Path) -> list[str]:
    for name, text in (("both.h", HEADER), ("first.c", FIRST), ("second.c", SECOND)):
        (tmp_path / name).write_text(text)
    for command in (
        ["gcc", "-O2", "-fno-early-inlining", "--coverage", "-c", "first.c", "second.c"],
        ["gcc", "--coverage", "-o", "program", "first.o", "second.o"],
        ["./program"],
    ):
        subprocess.run(command, cwd=tmp_path, check=True)
    gcov = ["gcov", "--json-format", "--stdout", "first.gcda", "second.gcda"]
    return subprocess.run(gcov, cwd=tmp_path, check=True, capture_output=True, text=True).stdout.splitlines()


def test_what_no_unit_reached(documents: list[str], tmp_path: Path) -> None:
    coverage = gcov.Coverage.parse(documents, str(tmp_path))
    assert coverage.unreached == ["never"]
    assert coverage.functions["twice"] == 1
    assert [line.split()[-1] for line in coverage.summary()] == ["both.h", "first.c", "second.c", "all"]
    assert [line for line in coverage.unreached_lines(tmp_path) if "first.c" in line or "both.h" in line] == []
    assert "second.c:6: return twice(x);" in coverage.unreached_lines(tmp_path)


def test_what_one_of_two_machines_reached(documents: list[str], tmp_path: Path) -> None:
    coverage = gcov.Coverage.parse(documents, str(tmp_path))
    other = gcov.Coverage.parse(documents, str(tmp_path))
    other.functions["never"] = 1
    other.lines.update(dict.fromkeys(other.lines, 1))
    coverage.add(other)
    assert coverage.unreached == []
    assert list(coverage.unreached_lines(tmp_path)) == []
