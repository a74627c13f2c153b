# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a run has come, in lines of text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from ansible_collections.lightiov.nvme.plugins.module_utils._host_times import HostTimes, clock_time
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.names import NAMED, few


class Play:
    """Hosts go through its steps in one order, each at its own pace.

    How many hosts are in each step is counted as they go: to look at all of them whenever one comes further would be
    work for each pair of hosts.
    """

    def __init__(self, hosts: Iterable[str], failed: dict[str, None]) -> None:
        """`failed` are those that failed before: a host that failed has no part in what follows."""
        self.hosts = list(hosts)
        self.failed = failed
        self.steps: list[str] = []
        # The step that each host is in, by its number; a host that has not begun is in none.
        self.position: dict[str, int] = {}
        # Of each step: how many changes, and whether it has been said that it is done.
        self.changes: Counter[int] = Counter()
        self.said: set[int] = set()
        self._waiting = {one for one in self.hosts if one not in failed}
        self._going: set[str] = set()
        # Of each step: how many of those that have begun and have not failed are in it.
        self._in_step: Counter[int] = Counter()

    def advance(self, host: str, step: int) -> None:
        if host in self._waiting:
            self._waiting.remove(host)
            self._going.add(host)
        elif host in self._going:
            self._in_step[self.position[host]] -= 1
        self.position[host] = step
        self._in_step[step] += host in self._going

    def fail(self, host: str) -> None:
        self.failed[host] = None
        self._waiting.discard(host)
        if host in self._going:
            self._going.remove(host)
            self._in_step[self.position[host]] -= 1

    @property
    def begun(self) -> list[str]:
        return [one for one in self.hosts if one in self._going]

    def left(self, step: int) -> list[str]:
        """Of those that have begun: Ansible does not tell of a host that leaves a play before."""
        return [one for one in self.begun if self.position[one] <= step]

    def is_done(self, step: int) -> bool:
        return not self._waiting and not any(self._in_step[one] for one in range(step + 1))

    def current(self) -> int:
        """The step that the last hosts are in."""
        return min((step for step, hosts in self._in_step.items() if hosts), default=0)


class Progress:
    """Takes what happens in a run; what it returns are lines to show."""

    def __init__(self, interval: float, clock: Callable[[], float]) -> None:
        """A line is due after `interval` seconds without one."""
        self.interval = interval
        self.clock = clock
        self.began = self.last = clock()
        self.play = Play([], {})
        self.times = HostTimes(clock)
        # Of each hypervisor that has said so: how many VMs it has.
        self.vms: dict[str, int] = {}

    def start(self, hosts: Iterable[str]) -> list[str]:
        """The play before has ended, and another begins."""
        lines = self._end_play()
        self.play = Play(hosts, self.play.failed)
        return lines

    def end(self) -> list[str]:
        """Of the run. One that took long says where its time went."""
        lines = self._end_play()
        if self.clock() - self.began >= self.interval:
            lines += [self._stamped(line) for line in self.times.lines(NAMED)]
        return lines

    def enter(self, host: str, step: str) -> list[str]:
        """A host begins a task of a step. One that it was in before is a part of a later one."""
        play = self.play
        if step not in play.steps:
            play.steps.append(step)
        before, now = play.position.get(host, -1), play.steps.index(step)
        self.times.enter(host, step)
        if now <= before:
            return []
        play.advance(host, now)
        return self._done()

    def leave(self, host: str, changes: int, failed: bool = False, vms: int | None = None) -> list[str]:
        """A host is through with a task, which has made so many changes, and was about so many VMs, if it tells."""
        if vms is not None:
            # Some tasks are about a part of them.
            self.vms[host] = max(vms, self.vms.get(host, 0))
        if host not in self.play.position:
            self.play.advance(host, 0)
        self.play.changes[self.play.position[host]] += changes
        self.times.leave(host)
        if not failed:
            return []
        self.play.fail(host)
        return self._done()

    def due(self) -> list[str]:
        """After a while in which nothing was said: what is being done, and by whom."""
        waited = self.clock() - self.last >= self.interval
        return [self._line(self.play.current())] if waited and self.play.begun and self.play.steps else []

    def _end_play(self) -> list[str]:
        for host in self.play.hosts:
            self.play.advance(host, len(self.play.steps))
        return self._done()

    def _done(self) -> list[str]:
        """Of each step that changed something and that no host is left for, once."""
        done = [
            step
            for step in range(len(self.play.steps))
            if step not in self.play.said and self.play.changes[step] and self.play.is_done(step)
        ]
        self.play.said.update(done)
        return [self._line(step) for step in done]

    def _line(self, step: int) -> str:
        self.last = self.clock()
        play, left = self.play, self.play.left(step)
        failed = [one for one in play.hosts if one in play.failed]
        done = f"{len(play.begun) - len(left)} of {len(play.begun) + len(failed)} done"
        parts = [done + self._vms_done(left, failed)]
        if play.changes[step]:
            parts.append(f"changes: {play.changes[step]}")
        if left:
            parts.append(f"left: {few(left, ' ')}")
        if failed:
            parts.append(f"failed: {few(failed, ' ')}")
        return self._stamped(f"{play.steps[step]}: {', '.join(parts)}")

    def _vms_done(self, left: list[str], failed: list[str]) -> str:
        """A host may have three VMs or three hundred. Nothing, where not all have said how many."""
        begun = self.play.begun
        if not begun or any(one not in self.vms for one in begun):
            return ""
        total, missing = (sum(self.vms.get(one, 0) for one in hosts) for hosts in (begun + failed, left + failed))
        return f" with {total - missing} of {total} VMs" if total else ""

    def _stamped(self, text: str) -> str:
        return f"[{clock_time(self.clock() - self.began)}] {text}"
