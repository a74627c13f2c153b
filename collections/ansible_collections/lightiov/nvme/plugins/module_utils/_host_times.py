# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the time of a run went, by host and step."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

# Steps of a host that are named, and the seconds that one must have taken.
NAMED_STEPS = 3
WORTH_NAMING = 1


class HostTimes:
    """Of each host, the seconds in which a task of it ran or waited for its turn, by step."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.seconds: dict[str, dict[str, float]] = {}
        # The step of each host's task, and when that began.
        self.running: dict[str, tuple[str, float]] = {}

    def enter(self, host: str, step: str) -> None:
        self.running[host] = (step, self.clock())

    def leave(self, host: str) -> None:
        if host in self.running:
            step, began = self.running.pop(host)
            self.seconds.setdefault(host, defaultdict(float))[step] += self.clock() - began

    def lines(self, most: int) -> list[str]:
        """The slowest hosts, so many at most, each with its longest steps; and what the others took."""
        slowest = sorted(self.seconds, key=lambda host: -sum(self.seconds[host].values()))
        lines = [self._line(host) for host in slowest[:most]]
        if others := [clock_time(sum(self.seconds[host].values())) for host in slowest[most:]]:
            lines.append(f"{len(others)} more took {others[-1]} to {others[0]}")
        return lines

    def _line(self, host: str) -> str:
        longest = sorted(self.seconds[host].items(), key=lambda one: -one[1])[:NAMED_STEPS]
        steps = [(step, took) for step, took in longest if took >= WORTH_NAMING]
        most = f", of it {', '.join(f'{step} {clock_time(took)}' for step, took in steps)}" if steps else ""
        return f"{host} took {clock_time(sum(self.seconds[host].values()))}{most}"


def clock_time(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes:02}:{rest:02}"
