# SPDX-License-Identifier: GPL-3.0-or-later
"""Arithmetic of the host module's extents, which takes its numbers from outside, compiled for user space."""

from __future__ import annotations

import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
HOST = HERE.parents[2] / "collections/ansible_collections/lightiov/nvme/native/host"


def test_ranges(tmp_path: Path) -> None:
    program = tmp_path / "range"
    checks = ["-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined", "-fno-sanitize-recover"]
    subprocess.run(["gcc", "-std=gnu11", *checks, f"-I{HOST}", "-o", program, HERE / "range.c"], check=True)
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
