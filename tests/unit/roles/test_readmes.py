# SPDX-License-Identifier: GPL-3.0-or-later
"""Each role's README has the variables that its argument specification has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]


def test_readmes_are_current() -> None:
    subprocess.run([sys.executable, PROJECT / "tests/role_readmes.py", "--check"], check=True)
