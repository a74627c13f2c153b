#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs make targets one after the other and says at the end how long each took, also when one fails.

`timed.py A,B C` runs A and B at once and then C. Of targets that run at once the first shows its output as it comes
and comes first on the machine; the others have what it leaves. Their output, each whole, follows when all have ended,
that of one that fails when it does. The times are kept in build/times, and the last one of each part in
build/times.json: what a part took before is shown beside it, so that one that grows is seen. A target may use timed.py
in its turn: its parts join the list. So does what a target adds to the file that LIGHTIOV_TIMES names.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

TIMES = "LIGHTIOV_TIMES"
LAST = Path("build/times.json")
# A quarter of a CPU that the first target wants, too: less, and what waits for a moment here would wait for minutes.
NICE = 5


def main(steps: list[str]) -> int:
    signal.signal(signal.SIGTERM, interrupted)
    began = time.monotonic()
    outermost = TIMES not in os.environ
    times = Path(os.environ.setdefault(TIMES, str(Path("build/times").resolve())))
    if outermost:
        times.parent.mkdir(exist_ok=True)
        times.write_text("")
    try:
        return 0 if all(run_at_once(step.split(",")) for step in steps) else 1
    finally:
        if outermost:
            note("in all", began)
            print(f"\nHow long it took:\n{beside_the_last(times.read_text().splitlines())}", end="")


def interrupted(number: int, _frame: object) -> NoReturn:
    sys.exit(128 + number)


def run_at_once(targets: list[str]) -> bool:
    first, *others = targets
    with ThreadPoolExecutor(len(targets)) as pool:
        beside = [Beside(target) for target in others]
        try:
            ends = [pool.submit(other.wait) for other in beside]
            results = [run(first), *(end.result() for end in ends)]
        except BaseException:
            for other in beside:
                other.end()
            raise
    for other in beside:
        other.show()
    return all(results)


def run(target: str) -> bool:
    began = time.monotonic()
    status = subprocess.run(make(target), check=False).returncode
    note_end(target, status, began)
    return status == 0


class Beside:
    """A target that runs beside the first."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.began = time.monotonic()
        # Where the kernel shares the CPUs out by session, a nice value is of no effect beyond its own.
        self.make = subprocess.Popen(
            ["nice", f"-n{NICE}", *make(target)],
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        with suppress(OSError):
            Path(f"/proc/{self.make.pid}/autogroup").write_text(str(NICE))
        self.output = ""

    def wait(self) -> bool:
        self.output, _ = self.make.communicate()
        note_end(self.target, self.make.returncode, self.began)
        if self.make.returncode:
            self.show()
        return self.make.returncode == 0

    def show(self) -> None:
        if self.output:
            print(f"\nmake {self.target}, meanwhile:\n{self.output}", flush=True)
        self.output = ""

    def end(self) -> None:
        """With all that it has started: what ends this program does not reach another session."""
        with suppress(ProcessLookupError):
            os.killpg(self.make.pid, signal.SIGTERM)


def make(target: str) -> list[str]:
    return [os.environ.get("MAKE", "make"), "--no-print-directory", target]


def note_end(target: str, status: int, began: float) -> None:
    note(target if status == 0 else f"{target}: failed", began)


def note(what: str, began: float) -> None:
    minutes, seconds = divmod(round(time.monotonic() - began), 60)
    with Path(os.environ[TIMES]).open("a") as times:
        times.write(f"{minutes:3d}:{seconds:02d}  {what}\n")


def beside_the_last(lines: list[str]) -> str:
    """The list, with what each part took the last time."""
    last = json.loads(LAST.read_text()) if LAST.exists() else {}
    parts = [line.strip().split("  ", 1) for line in lines]
    LAST.write_text(json.dumps(last | {what: took for took, what in parts}, indent=1))
    before = [f" ({last[what]} before)" if what in last else "" for _, what in parts]
    return "".join(f"{line}{former}\n" for line, former in zip(lines, before))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
