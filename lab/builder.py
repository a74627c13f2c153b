# SPDX-License-Identifier: GPL-3.0-or-later
"""A Debian of our own in which something is compiled, so that what comes out does not depend on this machine."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from . import cache
from .bootstrap import bootstrap_command
from .errors import LabError, tail
from .mirror import debian_mirror
from .progress import Progress
from .recipe import SUITE

REPORT_EVERY = 250  # compiled files


@dataclass
class Builder:
    """`what` is built in `tree`, step by step; the output of all steps goes into one log."""

    what: str
    tree: Path
    log: Path
    output: IO[str]
    progress: Progress

    def bootstrap(self, packages: tuple[str, ...], source: str | None = None) -> None:
        """Install packages; unpack the source of one more as /usr/src/NAME, with Debian's patches."""
        self.progress.say(self.what, "fetching its source and what builds it")
        archive = f"{debian_mirror()} {SUITE} main"
        sources, hooks = [f"deb {archive}"], []
        if source:
            sources.append(f"deb-src {archive}")
            hooks = [
                f"--customize-hook=chroot \"$1\" sh -c 'cd /usr/src && apt-get source {source}'",
                f'--customize-hook=mv "$1"/usr/src/{source}-*/ "$1/usr/src/{source}"',
            ]
        self.bootstrap_tree(self.tree, SUITE, packages, sources, hooks)

    def bootstrap_tree(
        self, tree: Path, suite: str, packages: tuple[str, ...], sources: list[str], hooks: list[str]
    ) -> None:
        """A Debian with these packages, of these lines of sources.list."""
        self.run(bootstrap_command(tree, suite, packages, sources, hooks))

    def run(self, command: list[str]) -> None:
        """A step on this machine."""
        self.output.flush()
        done = subprocess.run(
            command, check=False, env=environment(),
            stdin=subprocess.DEVNULL, stdout=self.output, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.check(done.returncode)

    def inside(self, *command: str) -> None:
        """A step in the tree."""
        self.run(["chroot", str(self.tree), *command])

    def compile(self, command: list[str], compiled: str, settings: dict[str, str] | None = None) -> None:
        """The long step, in the tree. Lines that begin with `compiled` are counted, to show that it goes on."""
        process = subprocess.Popen(
            ["chroot", str(self.tree), *command], env=environment() | (settings or {}), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        assert process.stdout
        count = 0
        try:
            for line in process.stdout:
                self.output.write(line)
                count += line.startswith(compiled)
                if line.startswith(compiled) and count % REPORT_EVERY == 0:
                    self.progress.say(self.what, f"{count} files compiled")
        except BaseException:
            process.terminate()
            raise
        self.check(process.wait())

    def check(self, status: int) -> None:
        if status != 0:
            self.output.flush()
            raise LabError(f"{self.what} could not be built; the last lines say why", self.log, tail(self.log))


def environment() -> dict[str, str]:
    """Without what make tells those below it: by that, a make in the tree would take itself for a part of ours."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}


def ensure(what: str, target: Path, build: Callable[[Builder, Path], None], progress: Progress) -> Path:
    """Have `target` in the cache; `build` fills the directory that becomes it."""

    def build_logged(scratch: Path, whole: Path) -> None:
        log = target.parent / "build.log"
        with log.open("w") as output:
            build(Builder(what, scratch / "tree", log, output, progress), whole)

    cache.ensure(what, target, build_logged, progress)
    return target
