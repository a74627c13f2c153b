# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that run on a machine of the lab while something else is done."""

from __future__ import annotations

import shlex
from itertools import count

from .ssh import Remote
from .waiting import PATIENCE, wait_until


class Program:
    numbers = count()

    def __init__(self, remote: Remote, command: str) -> None:
        self.remote = remote
        self.command = command
        self.base = f"/run/program-{next(self.numbers)}"
        # exec: the process of which the number is noted is the program itself, for signals.
        inner = f"echo $$ > {self.base}.pid; exec {command} > {self.base}.out 2>&1"
        outer = f"(sh -c {shlex.quote(inner)}; echo $? > {self.base}.status) > /dev/null 2>&1 &"
        remote.run(f"rm -f {self.base}.*; : > {self.base}.out; {outer}")

    def running(self) -> bool:
        return self.remote.run(f"test -e {self.base}.status", check=False).returncode != 0

    def output(self) -> str:
        return self.remote.run(f"cat {self.base}.out").stdout

    def wait_for_output(self, text: str) -> None:
        wait_until(lambda: text in self.output(), f"{text!r} from `{self.command}`")

    def signal(self, name: str) -> None:
        self.remote.run(f"kill -s {name} $(cat {self.base}.pid)")

    def wait(self, seconds: float = PATIENCE) -> int:
        """The program's exit status; more than 128 if a signal has ended it."""
        wait_until(lambda: not self.running(), f"the end of `{self.command}`", seconds)
        return int(self.remote.run(f"cat {self.base}.status").stdout)
