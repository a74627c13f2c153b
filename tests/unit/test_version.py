# SPDX-License-Identifier: GPL-3.0-or-later
"""The version is that of galaxy.yml; where a tool wants it spelled out, it is the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

COLLECTION = Path(__file__).resolve().parents[2] / "collections/ansible_collections/lightiov/nvme"
VERSION = yaml.safe_load((COLLECTION / "galaxy.yml").read_text())["version"]
SPELLED_OUT = {
    "native/host/main.c": r'MODULE_VERSION\("(.*)"\)',
    "native/guest/main.c": r'MODULE_VERSION\("(.*)"\)',
    "native/tools/Makefile": r"(?m)^VERSION *:= *(.*)$",
    "native/tools/liov.8": r'(?m)^\.TH LIOV 8 \S+ "LightIOV (.*?)"',
}


@pytest.mark.parametrize(("name", "pattern"), SPELLED_OUT.items())
def test_spelled_out(name: str, pattern: str) -> None:
    assert re.findall(pattern, (COLLECTION / name).read_text()) == [VERSION]


def test_nowhere_else() -> None:
    others = [
        path.relative_to(COLLECTION).as_posix()
        for directory in ("native", "playbooks", "roles")
        for path in sorted((COLLECTION / directory).rglob("*"))
        if path.is_file() and re.search(rf"\b{re.escape(VERSION)}\b", path.read_text(errors="ignore"))
    ]
    assert set(others) <= {*SPELLED_OUT, "native/tools/tests/usage.sh"}
