# SPDX-License-Identifier: GPL-3.0-or-later
"""Our kernel modules, built from this source for the kernel of a machine of the lab."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from ansible_collections.lightiov.nvme.plugins.module_utils._source_tree import BUILD_PRODUCTS

from lab import Remote, compiled, debug_kernel
from lab.locks import exclusive
from lab.paths import PROJECT

# What `make` leaves there of liov, too.
BUILT = shutil.ignore_patterns(*BUILD_PRODUCTS, "*.d", "liov")
# Functions that are inlined early have no counters of their own.
FLAGS = {"stock": [], "debug": ["KCFLAGS=-fno-early-inlining"]}


def ensure_tree() -> Path:
    """Where modules are built; made now (a few minutes) unless the lab's cache has it."""
    sys.path.insert(0, str(PROJECT / "tests/native"))
    import kernels  # noqa: PLC0415 - importing is cheap, but the tree it makes is needed here only

    return kernels.ensure_tree()


def headers_of(kernel: str, tree: Path, machine: Remote, flavour: str) -> Path:
    """The directory, below the tree, that modules for the machine's kernel are built in; added unless it is there."""
    headers = Path("usr/src") / f"linux-headers-{kernel}"
    if (tree / headers).exists():
        return headers
    if flavour == "debug":
        debug = debug_kernel.packages()
        own = Path("opt") / debug.root.name  # another debug kernel has the same version
        subprocess.run(["dpkg-deb", "--extract", debug.headers, tree / own], check=True)
        return own / headers
    # The tree and the machine's image were made on different days, and the mirror has the kernel of only one of them.
    pack = "tar --create --gzip --directory / usr/src $(cd / && ls -d usr/lib/linux-kbuild-*)"
    with subprocess.Popen([*machine.ssh_command(), "--", pack], stdout=subprocess.PIPE) as packing:
        subprocess.run(["tar", "--extract", "--gzip", "--directory", tree], stdin=packing.stdout, check=True)
    assert (tree / headers).exists(), f"{machine.name} has no headers of its kernel {kernel}"
    return headers


def build_by_itself(source: Path, machine: Remote, tree: Path, flavour: str) -> Path:
    """A test's own module, of one file."""
    with exclusive(tree.with_suffix(".lock")):
        headers = headers_of(machine.run("uname -r").stdout.strip(), tree, machine, flavour)
        of = f"{headers} {source.name}".encode() + source.read_bytes()
        inside = Path("tmp") / f"lab-module-{source.stem}-{hashlib.sha256(of).hexdigest()[:12]}"
        (tree / inside).mkdir(parents=True, exist_ok=True)
        shutil.copy(source, tree / inside)
        (tree / inside / "Kbuild").write_text(f"obj-m := {source.stem}.o\n")
        subprocess.run(["chroot", tree, "make", "-s", "-C", f"/{headers}", f"M=/{inside}", "modules"], check=True)
    return tree / inside / f"{source.stem}.ko"


def build(part: str, machine: Remote, tree: Path, flavour: str, native: Path = compiled.NATIVE) -> Path:
    """The module of that part, `host` or `guest`; what it was built from and with stays beside it.

    Once for each kernel and source: counters of two builds cannot be added up.
    """
    with exclusive(tree.with_suffix(".lock")):
        headers = headers_of(machine.run("uname -r").stdout.strip(), tree, machine, flavour)
        of = f"{headers} {FLAGS[flavour]} {compiled.digest(native)}"
        inside = Path("tmp") / f"lab-module-{part}-{hashlib.sha256(of.encode()).hexdigest()[:12]}"
        whole = tree / inside / ".whole"
        if not whole.exists():
            shutil.rmtree(tree / inside, ignore_errors=True)
            shutil.copytree(native, tree / inside, ignore=BUILT)
            make = ["make", "-s", "-C", f"/{headers}", f"M=/{inside}", f"LIGHTIOV_PART={part}", *FLAGS[flavour]]
            subprocess.run(["chroot", tree, *make, "modules"], check=True)
            whole.touch()
    return tree / inside / part / f"lightiov_{part}.ko"
