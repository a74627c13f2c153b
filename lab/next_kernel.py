# SPDX-License-Identifier: GPL-3.0-or-later
"""A kernel update for hosts: Debian's newest backported kernel and its headers, as packages."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from . import builder, cache
from .builder import Builder
from .mirror import debian_mirror
from .progress import Progress
from .recipe import SUITE

BACKPORTS = f"{SUITE}-backports"
# What hosts have already, so that only what the kernel brings along is fetched.
PACKAGES = ("gcc", "initramfs-tools", "kmod", "linux-base", "make")
BOOTS = ("linux-base", "linux-binary", "linux-image", "linux-modules")
FETCH = (
    f"apt-get install --yes --download-only --no-install-recommends --target-release {BACKPORTS} "
    "-o Dir::Cache::Archives=/packages/ linux-image-amd64 linux-headers-amd64"
)


@dataclass(frozen=True)
class KernelUpdate:
    root: Path

    @property
    def version(self) -> str:
        """As `uname -r` says."""
        (image,) = self.root.glob("linux-image-[0-9]*.deb")
        return image.name.split("_")[0].removeprefix("linux-image-")

    @property
    def image(self) -> list[Path]:
        """What boots."""
        return sorted(deb for deb in self.root.glob("*.deb") if deb.name.startswith(BOOTS))

    @property
    def headers(self) -> list[Path]:
        """What modules are built with: all the rest."""
        return sorted(set(self.root.glob("*.deb")).difference(self.image))


def ensure(progress: Progress) -> KernelUpdate:
    """Fetch the packages, unless the cache has them; delete them there to get newer ones."""
    inputs = {"suite": BACKPORTS, "packages": PACKAGES, "fetch": FETCH}
    update = KernelUpdate(cache.place("next-kernel", inputs))
    builder.ensure("kernel update", update.root, build, progress)
    return update


def build(update: Builder, whole: Path) -> None:
    mirror = debian_mirror()
    sources = [f"deb {mirror} {suite} main" for suite in (SUITE, BACKPORTS)]
    fetch = f'--customize-hook=chroot "$1" sh -c "mkdir -p /packages/partial && {FETCH}"'
    update.bootstrap_tree(update.tree, SUITE, PACKAGES, sources, [fetch])
    for deb in (update.tree / "packages").glob("*.deb"):
        shutil.move(deb, whole)
