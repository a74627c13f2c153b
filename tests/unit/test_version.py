# SPDX-License-Identifier: GPL-3.0-or-later
"""The version is that of galaxy.yml; where a tool wants it spelled out, it is the same."""

from __future__ import annotations

import re
import subprocess

import pytest
import yaml

from lab.paths import COLLECTION

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
    listing = subprocess.run(
        ["git", "ls-files", "native", "playbooks", "roles"], cwd=COLLECTION, check=True, capture_output=True, text=True
    )
    others = [
        name
        for name in listing.stdout.split()
        if re.search(rf"\b{re.escape(VERSION)}\b", (COLLECTION / name).read_text(errors="ignore"))
    ]
    assert len(listing.stdout.split()) > len(others) > 0
    assert set(others) <= {*SPELLED_OUT, "native/tools/tests/usage.sh"}
