# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's QEMU, made to run on this machine: a copy with its libraries, its dynamic loader and its firmware."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("qemu-system-x86_64", "qemu-img")
DATA = ("qemu", "seabios")
LOADER = "ld-linux-x86-64.so.2"


@dataclass(frozen=True)
class Emulator:
    root: Path

    def command(self, program: str) -> list[str]:
        """How to start one of PROGRAMS."""
        start = [str(self.root / "lib" / LOADER), "--library-path", str(self.root / "lib")]
        start.append(str(self.root / "bin" / program))
        if program == "qemu-system-x86_64":
            for data in DATA:
                start += ["-L", str(self.root / "share" / data)]
        return start

    def create_overlay(self, overlay: Path, base: Path) -> None:
        options = ["create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(base), str(overlay)]
        subprocess.run([*self.command("qemu-img"), *options], check=True, capture_output=True, text=True)


def extract(tree: Path, programs: str, target: Path) -> None:
    """Copy the programs, which are in that directory of a Debian tree, and what they need out of the tree."""
    (target / "bin").mkdir(parents=True)
    (target / "lib").mkdir()
    for program in PROGRAMS:
        shutil.copy(tree / programs / program, target / "bin")
        listing = subprocess.run(
            ["chroot", str(tree), "ldd", f"/{programs}/{program}"], check=True, capture_output=True, text=True
        ).stdout
        for library in libraries(listing):
            shutil.copy(tree / library.lstrip("/"), target / "lib")
    for data in DATA:
        shutil.copytree(tree / "usr/share" / data, target / "share" / data, symlinks=True)


def libraries(ldd_output: str) -> list[str]:
    """The files that `ldd` names: "NAME => PATH (ADDRESS)", or "PATH (ADDRESS)" for the loader."""
    return re.findall(r"(/\S+) \(0x", ldd_output)
