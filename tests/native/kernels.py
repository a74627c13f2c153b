# SPDX-License-Identifier: GPL-3.0-or-later
"""A Debian tree with the headers of every supported kernel, a compiler, sparse and checkpatch.

Kept in the lab's cache under the hash of this recipe; delete it there to get newer kernels.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from lab.errors import LabError, tail
from lab.locks import exclusive
from lab.mirror import debian_mirror
from lab.paths import cache_dir

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
    recipe = repr((SUITES, PACKAGES, INSTALL)).encode()
    target = cache_dir() / "kernels" / hashlib.sha256(recipe).hexdigest()[:16]
    with exclusive(target.parent / "lock"):
        if not target.exists():
            build(target)
    return target


def build(target: Path) -> None:
    mirror = debian_mirror()
    scratch = Path(tempfile.mkdtemp(prefix="building-", dir=target.parent))
    log = target.parent / "build.log"
    install = scratch / "install.sh"
    install.write_text(INSTALL)
    command = [
        "mmdebstrap", "--mode=root", "--variant=minbase", "--format=directory",
        f"--include={','.join(PACKAGES)}", f"--customize-hook=chroot \"$1\" sh -s <'{install}'",
        "trixie", str(scratch / "tree"), *(f"deb {mirror} {suite} main" for suite in SUITES),
    ]  # fmt: skip
    try:
        with log.open("w") as output:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, check=False
            )
        if done.returncode:
            raise LabError("the tree of kernel headers could not be built; the last lines say why", log, tail(log))
        (scratch / "tree").rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def versions(tree: Path) -> list[str]:
    return sorted(path.name for path in (tree / "lib/modules").iterdir())
