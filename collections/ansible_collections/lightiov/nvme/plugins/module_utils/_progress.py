# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a run has come, in lines of text."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

# Names of hosts in a line.
NAMED = 5


@dataclass
class Play:
    """Hosts go through its steps in one order, each at its own pace."""

    name: str
    hosts: list[str]
    steps: list[str] = field(default_factory=list)
    # The step that each host is in, by its number; a host that has not begun is in none.
    position: dict[str, int] = field(default_factory=dict)
    failed: dict[str, None] = field(default_factory=dict)
    # Of each step: how many changes, and how many lines have been said.
    changes: dict[int, int] = field(default_factory=dict)
    said: set[int] = field(default_factory=set)

    def left(self, step: int) -> list[str]:
        return [one for one in self.hosts if self.position.get(one, -1) <= step and one not in self.failed]

    def current(self) -> int:
        """The step that the last hosts are in."""
        return min((self.position[one] for one in self.position.keys() - self.failed.keys()), default=0)


class Progress:
    """Takes what happens in a run; what it returns are lines to show."""

    def __init__(self, interval: float, clock: Callable[[], float]) -> None:
        """A line is due after `interval` seconds without one."""
        self.interval = interval
        self.clock = clock
        self.began = self.last = clock()
        self.play = Play("", [])

    def start(self, name: str, hosts: Iterable[str]) -> list[str]:
        """The play before has ended, and this one begins."""
        lines = self.end()
        self.play = Play(name, list(hosts))
        return lines

    def end(self) -> list[str]:
        """No more happens in the play."""
        self.play.position.update({one: len(self.play.steps) for one in self.play.hosts})
        return self._complete()

    def enter(self, host: str, step: str) -> list[str]:
        """A host begins a task of a step. One that it was in before is a part of a later one."""
        play = self.play
        if step not in play.steps:
            play.steps.append(step)
        play.position[host] = max(play.position.get(host, 0), play.steps.index(step))
        return self._complete() or self._due()

    def leave(self, host: str, changes: int, failed: bool = False) -> list[str]:
        """A host is through with a task, which has made so many changes."""
        step = self.play.position.get(host, 0)
        self.play.changes[step] = self.play.changes.get(step, 0) + changes
        if failed:
            self.play.failed[host] = None
        return self._complete() or self._due()

    def _complete(self) -> list[str]:
        """Of each step that changed something and that no host is left for, once."""
        done = [
            step
            for step in range(len(self.play.steps))
            if step not in self.play.said and self.play.changes.get(step) and not self.play.left(step)
        ]
        self.play.said.update(done)
        return [self._line(step) for step in done]

    def _due(self) -> list[str]:
        waited = self.clock() - self.last >= self.interval
        return [self._line(self.play.current())] if waited and self.play.steps else []

    def _line(self, step: int) -> str:
        self.last = self.clock()
        minutes, seconds = divmod(int(self.last - self.began), 60)
        play, left = self.play, self.play.left(step)
        done = len(play.hosts) - len(left) - len(play.failed)
        parts = [f"{done} of {len(play.hosts)} done"]
        if play.changes.get(step):
            parts.append(f"changes: {play.changes[step]}")
        if left:
            parts.append(f"left: {_names(left)}")
        if play.failed:
            parts.append(f"failed: {_names(list(play.failed))}")
        return f"[{minutes:02}:{seconds:02}] {play.name}: {play.steps[step]}: {', '.join(parts)}"


def _names(hosts: list[str]) -> str:
    more = len(hosts) - NAMED
    return " ".join(hosts[:NAMED]) + (f" and {more} more" if more > 0 else "")
