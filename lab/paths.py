# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the lab keeps things."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
PROJECT = PACKAGE.parent
COLLECTION = PROJECT / "collections/ansible_collections/lightiov/nvme"
RECIPES = PACKAGE / "recipes"


def cache_dir() -> Path:
    """Images and the key that opens them: worth keeping, safe to delete while no lab is up."""
    if explicit := os.environ.get("LIGHTIOV_CACHE"):
        return Path(explicit)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "lightiov"


def lab_dir(name: str) -> Path:
    """State of one lab."""
    return PROJECT / ".lab" / name


def socket_dir() -> Path:
    """A private directory with a short path: Unix socket addresses hold 107 characters only."""
    path = Path(tempfile.gettempdir()) / f"lightiov-{os.getuid()}"
    path.mkdir(mode=0o700, exist_ok=True)
    if path.is_symlink() or path.stat().st_uid != os.getuid():
        raise PermissionError(f"{path} belongs to somebody else; remove it or set TMPDIR")
    return path
