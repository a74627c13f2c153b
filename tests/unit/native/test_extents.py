# SPDX-License-Identifier: GPL-3.0-or-later
"""What of the host module's extents needs no kernel, compiled for user space: ranges of LBAs, and slots in use."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lab.compiled import NATIVE

HERE = Path(__file__).resolve().parent
INCLUDES = [f"-I{NATIVE / folder}" for folder in ("host", "tools/tests")]
CHECKS = ["-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined", "-fno-sanitize-recover"]


@pytest.mark.parametrize("name", ["range", "vacancy"])
def test_header(name: str, tmp_path: Path) -> None:
    program = tmp_path / name
    subprocess.run(["gcc", "-std=gnu11", *CHECKS, *INCLUDES, "-o", program, HERE / f"{name}.c"], check=True)
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
