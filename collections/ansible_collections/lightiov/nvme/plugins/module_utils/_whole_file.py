# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks of VMs as files that are whole from the moment that they are there, and never take another's place."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError


def is_whole(path: Path) -> bool:
    """Whether it is there and nothing is left of how it was made; otherwise `make` is to be called."""
    return os.path.lexists(path) and not os.path.lexists(half_made(path))


def make(path: Path, fill: Callable[[Path], object]) -> None:
    """`fill` gets an empty file of another name, readable by its owner alone, and makes it what it shall be."""
    temporary = half_made(path)
    temporary.unlink(missing_ok=True)
    if os.path.lexists(path):  # made by a run that ended before it could say so
        return
    # Tools fill a file that is there; one that they make would be readable by all.
    temporary.touch(mode=0o600)
    fill(temporary)
    sync(temporary)
    rename(temporary, path)


def half_made(path: Path) -> Path:
    """What a run that ended while it made the file has left of it."""
    return path.with_name(f".{path.name}.new")


def rename(old: Path, new: Path) -> None:
    """Rename without replacing."""
    try:
        os.link(old, new)
    except FileExistsError:
        if not old.samefile(new):  # else a run ended half-way
            raise LightiovError(f"{old} cannot be renamed to {new}, because that exists: move it away") from None
    old.unlink()
    sync(new.parent)


def sync(path: Path) -> None:
    """Wait until a file's bytes, or the names in a directory, outlast a loss of power."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
