# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A directory of kernel module source: what of it counts, its content, and a copy of it."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Mapping
from fnmatch import fnmatch
from pathlib import Path

CONF = "dkms.conf"
# What dkms.conf has in the place of its version, as in Debian's packages: a copy gets its own.
VERSION = "#MODULE_VERSION#"
# What a kernel build leaves behind in its source directory.
BUILD_PRODUCTS = ("*.o", "*.ko", "*.mod", "*.mod.c", "*.cmd", "one_unit.c", "Module.symvers", "modules.order", ".tmp_*")


def files(directory: Path, exclude: Iterable[str] = (), conf: str = CONF) -> dict[str, Path]:
    """Files that make up the source, by path relative to it; `conf` takes the place of dkms.conf."""
    patterns = (*BUILD_PRODUCTS, *exclude)
    found: dict[str, Path] = {}
    for path in sorted(directory.rglob("*")):
        relative = path.relative_to(directory)
        if path.is_file() and not any(fnmatch(part, pattern) for part in relative.parts for pattern in patterns):
            found[relative.as_posix()] = path
    if (directory / conf).is_file():
        found[CONF] = directory / conf
    return found


def digest(tree: Mapping[str, Path], version: str = VERSION) -> str:
    """The same for two trees exactly if they have the same files with the same content, their version aside."""
    total = hashlib.sha256()
    for relative in sorted(tree):
        content = _content(tree, relative, version, VERSION)
        total.update(f"{hashlib.sha256(content).hexdigest()} {relative}\n".encode())
    return total.hexdigest()


def _content(tree: Mapping[str, Path], relative: str, version: str, becomes: str) -> bytes:
    content = tree[relative].read_bytes()
    return content.replace(version.encode(), becomes.encode()) if relative == CONF else content


def copy(tree: Mapping[str, Path], destination: Path, version: str = VERSION) -> None:
    """Replace a directory by a copy of the tree that has this version; it appears whole or not at all."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    # A hidden name, which dkms does not take for a package. What a killed run left under it goes.
    temporary = destination.with_name(f".{destination.name}.new")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        temporary.chmod(0o755)
        for relative, path in tree.items():
            target = temporary / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
            target.write_bytes(_content(tree, relative, VERSION, version))
        if destination.exists():
            shutil.rmtree(destination)
        temporary.rename(destination)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def remove(directory: Path) -> None:
    """What it is known by goes last, so that what a killed run has left of it is known, too."""
    for path in directory.glob("*"):
        if path.name != CONF:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.rmtree(directory, ignore_errors=True)
