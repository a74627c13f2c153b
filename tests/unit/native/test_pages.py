# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pages say of the native code's registers, attributes and parameters is what the code has."""

from __future__ import annotations

import re

import pytest

from lab.compiled import NATIVE
from lab.paths import COLLECTION

PAGE = (COLLECTION / "docs/abi.md").read_text()
HEADER = (NATIVE / "abi/lightiov_abi.h").read_text()
# What the page describes by its place, and not by a name.
UNNAMED = {"QUEUE", "NAMESPACE", "RETRY_DELAY", "ARG0", "ARG1", "ARG2", "ARG3"}


def source(folder: str, pattern: str = "*.c") -> str:
    return "\n".join(path.read_text() for path in sorted((NATIVE / folder).glob(pattern)))


def named(page: str) -> set[str]:
    return set(re.findall(r"`([\w/]+)`", page))


def test_registers_are_where_the_page_says() -> None:
    places = dict(re.findall(r"^#define LIOV_REG_(\w+)(?:\(i\))?\s+\(?0x(\w+)", HEADER, re.MULTILINE))
    rows = re.findall(r"^\| 0x(\w{3,4})(?: \+ 16 \*i\*)? \| `(\w+)` \|", PAGE, re.MULTILINE)
    assert {name: int(place, 16) for place, name in rows} == {
        name: int(place, 16) for name, place in places.items() if name not in UNNAMED
    }


def test_version_is_the_header_s() -> None:
    version = ".".join(re.findall(r"LIOV_ABI_M(?:AJOR|INOR)\s+(\d+)", HEADER))
    assert f"normative; version {version}." in PAGE


@pytest.mark.parametrize(("enum", "head"), [("CMD", "| | command |"), ("RESULT", "| `RESULT` | name |")])
def test_commands_and_results_have_their_numbers(enum: str, head: str) -> None:
    coded = re.findall(rf"^\tLIOV_{enum}_(\w+)\s+= (\d+),", HEADER, re.MULTILINE)
    table = PAGE.partition(head)[2].partition("\n\n")[0]
    assert re.findall(r"^\| (\d+) \| `(\w+)` \|", table, re.MULTILINE) == [(number, name) for name, number in coded]


def test_attributes_of_the_host_module_are_on_the_page() -> None:
    code = source("host", "*_sysfs.c")
    attributes = set(re.findall(r"&(?:dev|liov_ctrl)_attr_(\w+)\.attr", code))
    attributes |= set(re.findall(r"LIOV_STAT\((\w+), \w+\.", code))
    attributes |= set(re.findall(r"\.attr = \{ \.name = \"(\w+)\"", code))
    assert len(attributes) > 30
    assert attributes - named(PAGE) == set()


@pytest.mark.parametrize(("folder", "role"), [("host", "native"), ("guest", "guest")])
def test_parameters_are_on_the_page_of_the_role(folder: str, role: str) -> None:
    parameters = set(re.findall(r"^module_param\((\w+),", source(folder), re.MULTILINE))
    assert parameters
    assert parameters - named((COLLECTION / f"roles/{role}/README.md").read_text()) == set()
