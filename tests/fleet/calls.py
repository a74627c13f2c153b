# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls of the collection's modules on a host: watches them, or kills one. Runs there, with the host's Python.

`calls.py` writes a line for each that has ended: the module's name, and the seconds that it took. `calls.py NUMBER
SECONDS` kills the one of this number, counted from 1, so long after it has begun, and says which it was, or that it had
ended before.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

# Where Ansible unpacks a module, and what runs it: Python that reads from its standard input.
PAYLOADS = "ansible_lightiov.nvme.*_payload_*"
OFTEN = 0.005


def interpreters() -> set[int]:
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:  # it has ended
            continue
        if len(arguments) == 2 and arguments[0].startswith(b"/usr/bin/python3"):
            found.add(int(process.name))
    return found


def calls() -> Iterator[tuple[str, int]]:
    """The module's name and the number of its process, as each begins: one at a time does on a host."""
    known = set(Path("/tmp").glob(PAYLOADS))
    while True:
        for payload in set(Path("/tmp").glob(PAYLOADS)) - known:
            known.add(payload)
            for process in interpreters():
                yield payload.name.split("_payload_")[0].removeprefix("ansible_lightiov.nvme."), process
        time.sleep(OFTEN)


def watch() -> None:
    for name, process in calls():
        began = time.monotonic()
        while Path(f"/proc/{process}").exists():
            time.sleep(OFTEN)
        print(name, f"{time.monotonic() - began:.2f}", flush=True)


def kill(number: int, seconds: float) -> None:
    for seen, (name, process) in enumerate(calls(), 1):
        if seen == number:
            time.sleep(seconds)
            try:
                os.kill(process, signal.SIGKILL)
                print(name, "killed", flush=True)
            except ProcessLookupError:
                print(name, "had ended", flush=True)
            return


if __name__ == "__main__":
    kill(int(sys.argv[1]), float(sys.argv[2])) if sys.argv[1:] else watch()
