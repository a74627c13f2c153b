# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes down what a run has cost the machine that runs Ansible."""

from __future__ import annotations

DOCUMENTATION = r"""
name: measured
type: notification
short_description: Measures a run
description:
  - Writes as JSON the seconds of a core of each play, the number of tasks, the seconds that tasks of each role took on
    all hosts, the peak of memory, and the variables that hosts keep with the bytes of the largest of each name.
author: LightIOV contributors
options:
  report:
    description: File to write.
    type: path
    required: true
    env:
      - name: MEASURED_REPORT
"""

import json
import resource
import time
from collections import Counter
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase


def cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "measured"

    def __init__(self) -> None:
        super().__init__()
        # Name of the play, and seconds when it began.
        self.plays: list[tuple[str, float]] = [("(start)", 0.0)]
        self.tasks = 0
        # Bytes of the largest of each name, on whichever host.
        self.variables: Counter[str] = Counter()
        self.roles: Counter[str] = Counter()
        # When the task of each host began.
        self.began: dict[str, float] = {}

    def v2_playbook_on_play_start(self, play: Any) -> None:
        self.plays.append((play.get_name(), cpu_seconds()))

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        self.began[host.get_name()] = time.monotonic()

    def _end(self, result: Any) -> None:
        self.tasks += 1
        role = result._task._role
        name = role.get_name().rpartition(".")[2] if role else "(playbook)"
        self.roles[name] += time.monotonic() - self.began.pop(result._host.get_name(), time.monotonic())

    def v2_runner_on_ok(self, result: Any) -> None:
        self._end(result)
        task = result._task
        kept = {task.register: result._result} if task.register else {}
        kept |= result._result.get("ansible_facts") or {}
        for name, value in kept.items():
            self.variables[name] = max(self.variables[name], len(json.dumps(value, default=str)))

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._end(result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        ends = [*(began for _name, began in self.plays[1:]), cpu_seconds()]
        seconds = {name: round(end - began, 2) for (name, began), end in zip(self.plays, ends)}
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        found = {
            "plays": seconds,
            "roles": {name: round(seconds, 2) for name, seconds in self.roles.most_common()},
            "tasks": self.tasks,
            "peak_mib": peak >> 10,
            "failed": len(stats.failures) + len(stats.dark),
            "variables": dict(self.variables.most_common()),
        }
        Path(self.get_option("report")).write_text(json.dumps(found), encoding="utf-8")
