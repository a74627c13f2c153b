# SPDX-License-Identifier: GPL-3.0-or-later
"""How every root filesystem of the lab is made from Debian packages."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def bootstrap_command(
    tree: Path, suite: str, packages: Iterable[str], sources: Iterable[str], options: Iterable[str] = ()
) -> list[str]:
    """The command that fills `tree` with these packages, of these lines of sources.list; it needs root."""
    return [
        # mmdebstrap mounts /proc, /sys and /dev in the tree. With mounts of its own they are gone when it is, also
        # when it was killed: else nobody could remove what it left, and so nobody build again.
        "unshare", "--mount",
        "mmdebstrap", "--mode=root", "--variant=minbase", "--format=directory",
        f"--include={','.join(packages)}", *options, suite, str(tree), *sources,
    ]  # fmt: skip
