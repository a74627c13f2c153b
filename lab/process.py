# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes that outlive us, known by PID and start time: a PID alone may by now be somebody else's."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Process:
    pid: int
    started: int  # clock ticks since boot, as in /proc/PID/stat

    @classmethod
    def of(cls, pid: int) -> Process:
        fields = stat_fields(pid)
        if fields is None:
            raise ProcessLookupError(pid)
        return cls(pid, int(fields[19]))

    def alive(self) -> bool:
        fields = stat_fields(self.pid)
        return fields is not None and fields[0] != "Z" and int(fields[19]) == self.started

    def stop(self, patience: float = 10) -> None:
        """Ask, then insist."""
        for sig in (signal.SIGTERM, signal.SIGKILL):
            if not self.alive():
                return
            os.kill(self.pid, sig)
            deadline = time.monotonic() + patience
            while self.alive() and time.monotonic() < deadline:
                time.sleep(0.05)

    def kill(self) -> None:
        """At once: it gets no chance to put anything in order."""
        if self.alive():
            os.kill(self.pid, signal.SIGKILL)
        while self.alive():
            time.sleep(0.05)


def stat_fields(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat after the command's name, which may hold blanks; the first is the state."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return stat.rpartition(")")[2].split()
