# SPDX-License-Identifier: GPL-3.0-or-later
"""A Debian tree with the headers of every supported kernel, a compiler, sparse and checkpatch.

Kept in the lab's cache under the hash of this recipe; delete it there to get newer kernels.
"""

from __future__ import annotations

from pathlib import Path

from lab import builder, cache
from lab.builder import Builder
from lab.mirror import debian_mirror
from lab.progress import Progress
from lab.recipe import SUITE

# The suites whose default kernel is supported: oldest stable, stable, newest backport.
SUITES = ("bookworm", "trixie", "trixie-backports")
PACKAGES = ("gcc", "make", "perl", "sparse", "xz-utils")
# Each suite's linux-headers-amd64 names the headers of its newest kernel; all three are installed side by side.
INSTALL = r"""
set -eu
export DEBIAN_FRONTEND=noninteractive
headers=$(apt-cache madison linux-headers-amd64 | awk '{ print $3 }' | sort -u | while read -r version; do
    apt-cache show "linux-headers-amd64=$version" | grep '^Depends:' | grep -o 'linux-headers-[0-9][^ ,]*'
done)
apt-get install -y --no-install-recommends linux-source-6.12 $headers
tar -xJf /usr/src/linux-source-6.12.tar.xz -C /opt --strip-components=1 --wildcards \
    '*/scripts/checkpatch.pl' '*/scripts/spelling.txt' '*/scripts/const_structs.checkpatch'
rm /usr/src/linux-source-6.12.tar.xz
apt-get clean
"""


def ensure_tree() -> Path:
    """The tree; built now (a few minutes) if the cache does not hold it."""
    target = cache.place("kernels", {"suites": SUITES, "packages": PACKAGES, "install": INSTALL})
    return builder.ensure("kernel headers", target, build, Progress())


def build(headers: Builder, whole: Path) -> None:
    mirror = debian_mirror()
    install = whole.parent / "install.sh"
    install.write_text(INSTALL)
    sources = [f"deb {mirror} {suite} main" for suite in SUITES]
    headers.bootstrap_tree(whole, SUITE, PACKAGES, sources, [f"--customize-hook=chroot \"$1\" sh -s <'{install}'"])


def versions(tree: Path) -> list[str]:
    return sorted(path.name for path in (tree / "lib/modules").iterdir())
