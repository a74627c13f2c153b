# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages with variables have those that the roles' argument specifications have, and all that is used."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

TEXTS = (".yml", ".j2")
PROJECT = Path(__file__).resolve().parents[3]


def test_readmes_are_current() -> None:
    subprocess.run([sys.executable, PROJECT / "tests/role_readmes.py", "--check"], check=True)


def test_all_variables_that_are_used_are_on_one_page_and_once() -> None:
    collection = PROJECT / "collections/ansible_collections/lightiov/nvme"
    page = (collection / "docs/variables.md").read_text()
    parts = [collection / "playbooks", collection / "roles"]
    files = [file for part in parts for file in part.rglob("*") if file.suffix in TEXTS]
    used = {name for file in files for name in re.findall(r"(?<![\w/.-])lightiov_\w+\b(?![.-])", file.read_text())}
    assert len(used) > 50
    modules = {"lightiov_host", "lightiov_guest"}
    assert used - modules - set(re.findall(r"`(lightiov_\w+)`", page)) == set()
    rows = re.findall(r"^\| `([\w.]+)` \|", page, re.MULTILINE)
    assert len(set(rows)) == len(rows)
