# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be measured, in which order, and what is left of it."""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._host import write_atomically

SETTINGS = "settings.json"
VISITS = "visits"
CROWD = "crowd-"
VMS = re.compile(r"vms-(\d+)-(.+)")
# Figures of many are of many already.
MANY_ROUNDS = 3


class Visit(NamedTuple):
    """One contender in one round: set up, measured with all workloads, torn down."""

    round: int
    contender: str

    @property
    def clients(self) -> int:
        """How many there are, if it is a crowd's."""
        return int(self.contender[len(CROWD) :]) if self.contender.startswith(CROWD) else 0

    @property
    def vms(self) -> int:
        """How many there are, if they share the drive."""
        match = VMS.fullmatch(self.contender)
        return int(match[1]) if match else 0

    @property
    def subject(self) -> str:
        """The contender that they have their disks by."""
        match = VMS.fullmatch(self.contender)
        return match[2] if match else self.contender

    @property
    def file(self) -> str:
        return f"{self.round:03}-{self.contender}.json"


def order(contenders: Sequence[str], rounds: int, many: Sequence[str] = ()) -> list[Visit]:
    """Alternating: each round begins with another contender, and every second one goes backwards.

    In the first rounds those of many VMs or clients follow.
    """
    visits = []
    for number in range(rounds):
        turned = [*contenders[number % len(contenders) :], *contenders[: number % len(contenders)]]
        visits += [Visit(number, name) for name in (reversed(turned) if number % 2 else turned)]
        if number < MANY_ROUNDS:
            visits += [Visit(number, name) for name in many]
    return visits


def many(sharing: Iterable[str], vms: Iterable[int], clients: Iterable[int]) -> list[str]:
    """Names of visits in which VMs share the drive by these contenders, and of those of crowds."""
    together = [f"vms-{count:02}-{contender}" for count in vms for contender in sharing]
    return together + [f"{CROWD}{count:03}" for count in clients]


def left(wanted: Iterable[Visit], done: Iterable[Visit], failed: Iterable[str] = ()) -> list[Visit]:
    """Visits that are to be made yet, without contenders that have failed."""
    measured, broken = set(done), set(failed)
    return [visit for visit in wanted if visit not in measured and visit.contender not in broken]


def seconds_left(visits: Sequence[Visit], took: Mapping[str, Sequence[float]]) -> float | None:
    """From how long the same contender took, or any; None while none was measured."""
    every = [seconds for one in took.values() for seconds in one]
    if not every:
        return None
    return sum(statistics.median(took.get(visit.contender) or every) for visit in visits)


def clock(seconds: float | None) -> str:
    if seconds is None:
        return "time left not known yet"
    minutes = round(seconds / 60)
    if minutes < 1:
        return "less than a minute left"
    return f"{minutes // 60} h {minutes % 60:02} min left" if minutes >= 60 else f"{minutes} min left"


class Store:
    """What was measured, a file for each visit, so that no interruption loses more than the visit it is in."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def settle(self, settings: Mapping[str, Any]) -> None:
        """Begin, or go on with what was begun with these settings."""
        path = self.directory / SETTINGS
        text = json.dumps(settings, indent=1, sort_keys=True) + "\n"
        if path.exists() and json.loads(path.read_text(encoding="utf-8")) != json.loads(text):
            raise LightiovError(
                f"{self.directory} has what was measured with other settings, as {SETTINGS} there says: have "
                "lightiov_bench_directory elsewhere, or remove it"
            )
        write_atomically(path, text)

    def keep(self, visit: Visit, result: Mapping[str, Any]) -> None:
        write_atomically(self.directory / VISITS / visit.file, json.dumps(result, indent=1, sort_keys=True) + "\n")

    def settings(self) -> dict[str, Any]:
        path = self.directory / SETTINGS
        if not path.exists():
            raise LightiovError(f"{self.directory} has no measurements: run the playbook bench.yml first")
        settings: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return settings

    def results(self) -> dict[Visit, dict[str, Any]]:
        """Whole files only: one is there or it is not."""
        found = {}
        for path in sorted((self.directory / VISITS).glob("*.json")):
            number, _dash, contender = path.stem.partition("-")
            found[Visit(int(number), contender)] = json.loads(path.read_text(encoding="utf-8"))
        return found
