# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes into an image, as data: its hash names the image in the cache."""

from __future__ import annotations

import hashlib
import stat
from dataclasses import dataclass, replace
from pathlib import Path

from .paths import RECIPES

SUITE = "trixie"
# Debian's kernel packages do this themselves; those of the kernel's own `make bindeb-pkg` leave it to others.
UPDATE_SYMLINKS = b"""\
#!/bin/sh
exec linux-update-symlinks install "$@"
"""


@dataclass(frozen=True)
class File:
    content: bytes
    executable: bool = False


@dataclass(frozen=True)
class Recipe:
    """One image. `common` comes first, then what is particular to it."""

    name: str
    packages: tuple[str, ...]
    excludes: tuple[str, ...]
    # Patterns of paths below lib/modules/VERSION/kernel; other kernel modules are left out.
    modules: tuple[str, ...]
    enabled: tuple[str, ...]
    masked: tuple[str, ...]
    files: dict[str, File]
    # Packages in files of this machine; they are installed after all others.
    debs: tuple[str, ...] = ()

    @classmethod
    def load(cls, name: str, authorized_key: str, root: Path = RECIPES) -> Recipe:
        parts = [root / "common", root / name]

        def merged(list_name: str) -> tuple[str, ...]:
            return tuple(sorted({item for part in parts for item in read_list(part / list_name)}))

        files = {"root/.ssh/authorized_keys": File(authorized_key.encode())}
        for part in parts:
            files |= read_tree(part / "root")
        lists = {each: merged(each) for each in ("packages", "excludes", "modules", "enabled", "masked")}
        return cls(name, **lists, files=files)

    def with_kernel(self, image: Path, headers: Path) -> Recipe:
        """The same image with a kernel of our own making, given as Debian packages."""
        ours = {"linux-image-amd64": str(image), "linux-headers-amd64": str(headers)}
        return replace(
            self,
            packages=tuple(package for package in self.packages if package not in ours),
            debs=tuple(ours[package] for package in self.packages if package in ours),
            files=self.files | {"etc/kernel/postinst.d/zz-lab": File(UPDATE_SYMLINKS, executable=True)},
        )

    def as_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "packages": self.packages + self.debs,
            "excludes": self.excludes,
            "modules": self.modules,
            "enabled": self.enabled,
            "masked": self.masked,
            "files": {
                path: [hashlib.sha256(file.content).hexdigest(), file.executable] for path, file in self.files.items()
            },
        }


def read_list(path: Path) -> list[str]:
    """One item a line; blank lines and comments do not count. A list that does not exist is empty."""
    if not path.exists():
        return []
    lines = (line.strip() for line in path.read_text().splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def read_tree(root: Path) -> dict[str, File]:
    return {
        str(path.relative_to(root)): File(path.read_bytes(), bool(path.stat().st_mode & stat.S_IXUSR))
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }
