#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs make targets one after the other and says at the end how long each took, also when one fails.

`timed.py A,B C` runs A and B at once and then C. Of targets that run at once the first shows its output as it comes;
the others', each whole, follows when all have ended. The times are kept in build/times, and the last one of each part
in build/times.json: what a part took before is shown beside it, so that one that grows is seen. A target may use
timed.py in its turn: its parts join the list.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TIMES = "LIGHTIOV_TIMES"
LAST = Path("build/times.json")


def main(steps: list[str]) -> int:
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


def run_at_once(targets: list[str]) -> bool:
    with ThreadPoolExecutor(len(targets)) as pool:
        first, *others = [pool.submit(run, target, captured=number > 0) for number, target in enumerate(targets)]
        results = [first.result(), *(other.result() for other in others)]
    for target, (_, output) in zip(targets[1:], results[1:]):
        print(f"\nmake {target}, meanwhile:\n{output}", flush=True)
    return all(well for well, _ in results)


def run(target: str, captured: bool) -> tuple[bool, str]:
    began = time.monotonic()
    ended = subprocess.run(
        [os.environ.get("MAKE", "make"), "--no-print-directory", target],
        check=False,
        stdout=subprocess.PIPE if captured else None,
        stderr=subprocess.STDOUT if captured else None,
        text=True,
    )
    note(target if ended.returncode == 0 else f"{target}: failed", began)
    return ended.returncode == 0, ended.stdout or ""


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
