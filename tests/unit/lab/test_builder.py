# SPDX-License-Identifier: GPL-3.0-or-later
"""What is built does not depend on who asks for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.builder import Builder
from lab.progress import Progress


def test_a_make_in_the_tree_is_none_of_the_make_that_runs_this(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MAKELEVEL", "MAKEFLAGS", "MFLAGS", "KEPT"):
        monkeypatch.setenv(name, "1")
    log = tmp_path / "build.log"
    with log.open("w") as output:
        builder = Builder("a thing", tmp_path, log, output, Progress(quiet=True))
        builder.run(["sh", "-c", "echo $MAKELEVEL$MAKEFLAGS$MFLAGS$KEPT"])
    assert log.read_text() == "1\n"
