# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks against one hypervisor and its VM that something comes in between."""

from __future__ import annotations

import os
import random
import signal
import time
from dataclasses import dataclass

from fleet import VM, Ansible

SEED = int(os.environ.get("LIGHTIOV_SEED") or random.SystemRandom().randrange(1 << 32))


@dataclass(frozen=True)
class Runs:
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
