# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that something comes in between, or whose calls of modules are watched on the host."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fleet import VM, Ansible

from lab import Host, Program

SEED = int(os.environ.get("LIGHTIOV_SEED") or random.SystemRandom().randrange(1 << 32))
CALLS = "/root/calls.py"


def calls(host: Host, options: str = "") -> Program:
    """The program calls.py, on the host."""
    host.copy(Path(__file__).with_name("calls.py"), CALLS)
    return Program(host, f"python3 {CALLS} {options}")


@contextmanager
def watched(host: Host) -> Iterator[list[tuple[str, float]]]:
    """The modules that are called meanwhile, and the seconds that each takes; filled in at the end."""
    ended: list[tuple[str, float]] = []
    program = calls(host)
    try:
        yield ended
    finally:
        program.signal("TERM")
        program.wait()
    ended += [(name, float(seconds)) for name, seconds in map(str.split, program.output().splitlines())]


@dataclass(frozen=True)
class Runs:
    """Playbooks against one hypervisor and its VM."""

    ansible: Ansible
    vm: VM

    def options(self, run: str) -> tuple[str, ...]:
        # A tear-down is of the hypervisor alone.
        return (f"playbooks/{run}.yml", *(self.vm.only if run == "deploy" else ("--limit", self.vm.host.name)))

    def complete(self, run: str) -> float:
        """Seconds that it took."""
        started = time.monotonic()
        done = self.ansible.playbook(*self.options(run))
        assert done.returncode == 0, done.stdout[-4000:]
        return time.monotonic() - started

    def interrupt(self, run: str, moment: float) -> None:
        """Start it, and cut the host's power at that moment."""
        process = self.ansible.start(*self.options(run))
        try:
            time.sleep(moment)
            self.vm.host.cut_power()
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.vm.remote.disconnect()
