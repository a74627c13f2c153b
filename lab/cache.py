# SPDX-License-Identifier: GPL-3.0-or-later
"""What is built once and kept: the cache holds nothing half, and nobody builds twice."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from .locks import exclusive
from .paths import cache_dir
from .progress import Progress

SCRATCH = "building-"


def place(kind: str, inputs: object, prefix: str = "") -> Path:
    """Where the cache keeps what is built from these inputs, which JSON can express."""
    digest = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
    return cache_dir() / kind / (prefix + digest[:16])


def ensure(what: str, target: Path, build: Callable[[Path, Path], None], progress: Progress) -> None:
    """Have the directory `target`.

    Unless it is there, `build` works in a directory of its own, its first argument, which goes away in the end, and
    fills another, its second, which becomes `target` when it is whole. What shall outlive a failure, logs above all,
    it puts beside `target`.
    """
    if target.exists():
        return
    with exclusive(target.parent / "lock", lambda: progress.say(what, "somebody else is building; waiting")):
        if not target.exists():
            make(what, target, build, progress)


def make(what: str, target: Path, build: Callable[[Path, Path], None], progress: Progress) -> None:
    for leftover in target.parent.glob(SCRATCH + "*"):  # of a builder that was killed: we hold the lock
        shutil.rmtree(leftover)
    scratch = Path(tempfile.mkdtemp(prefix=SCRATCH, dir=target.parent))
    scratch.chmod(0o755)  # apt reads what is in it as a user of its own
    whole = scratch / "whole"
    whole.mkdir()
    try:
        build(scratch, whole)
        whole.rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    progress.say(what, f"ready in {target}")
