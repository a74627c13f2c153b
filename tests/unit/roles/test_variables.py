# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables of roles are expressions: what needs a program is a filter, which has tests."""

from __future__ import annotations

from lab.paths import COLLECTION

ROLES = COLLECTION / "roles"
# What it asks filters is gathered from all hosts.
GATHERING = {"partition"}


def test_no_programs_in_variables() -> None:
    files = [file for part in ("defaults", "tasks", "vars") for file in ROLES.glob(f"*/{part}/*.yml")]
    assert len(files) > 30
    assert {file.relative_to(ROLES).parts[0] for file in files if "{%" in file.read_text()} <= GATHERING
