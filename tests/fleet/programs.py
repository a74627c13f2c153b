# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of Debian's packages that no VM has, with the libraries that these bring along.

In the images they would take 200 MB: one of them can also stress a graphics card. Kept in the lab's cache under the
hash of this recipe.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from lab import Remote, builder, cache
from lab.builder import Builder
from lab.mirror import debian_mirror
from lab.progress import Progress
from lab.recipe import SUITE

PACKAGES = ("dbench", "stress-ng")
FILES = ("/usr/bin/dbench", "/usr/bin/stress-ng", "/usr/share/dbench/client.txt")
# The C library is the VM's own, as is the loader, which must fit it.
COLLECT = f"""
set -eu
mkdir /programs
cp {" ".join(FILES)} /programs
ldd /programs/dbench /programs/stress-ng | awk '$2 == "=>" {{ print $3 }}' | sort -u | while read -r library; do
    grep -q "/$(basename $library)$" /var/lib/dpkg/info/libc6:*.list || cp -L $library /programs
done
"""
WHERE = "/var/tmp/programs"


def ensure() -> Path:
    """A directory with all of them; made now (two minutes) if the cache does not hold it."""
    inputs = {"suite": SUITE, "packages": PACKAGES, "collect": COLLECT}
    return builder.ensure("programs", cache.place("programs", inputs), build, Progress())


def build(programs: Builder, whole: Path) -> None:
    programs.bootstrap_tree(programs.tree, SUITE, PACKAGES, [f"deb {debian_mirror()} {SUITE} main"], [])
    programs.inside("sh", "-c", COLLECT)
    shutil.copytree(programs.tree / "programs", whole, dirs_exist_ok=True)


def install(machine: Remote) -> None:
    """Have them in WHERE."""
    pack = subprocess.run(["tar", "--create", "--gzip", "--directory", ensure(), "."], check=True, capture_output=True)
    machine.run(f"mkdir -p {WHERE}")
    unpack = [*machine.ssh_command(), "--", f"tar --extract --gzip --directory {WHERE}"]
    subprocess.run(unpack, input=pack.stdout, check=True)


def command(program: str, options: str) -> str:
    return f"LD_LIBRARY_PATH={WHERE} {WHERE}/{program} {options}"
