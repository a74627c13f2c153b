# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says how far a run has come, beside what the output of the user's choice says."""

from __future__ import annotations

DOCUMENTATION = r"""
name: progress
type: notification
short_description: Says how far a run has come
version_added: 0.2.0
author:
  - LightIOV contributors (@lightiov)
description:
  - Writes a line when no host is left for a step that changed something. A step is what a task of the playbook imports
    or includes, such as a role, or the task itself. The line has the time since the run began, on how many of how many
    hosts how much was changed, and, once the hosts have been asked, how many of how many VMs these have.
  - Where that takes long, a line a while says how many hosts are done with it, which are left, and which failed. A run
    that changes nothing and is quick says nothing.
  - A run that took long says at its end where the time of the slowest hosts went.
  - What a module of this collection did is counted by its C(actions_total), so that one task for fifty VMs is not one
    change. While it does them, it tells the host's journal of each.
  - Lines go to standard error, so that programs may go on reading what the output of your choice writes to standard
    output.
requirements:
  - Listed in C(callbacks_enabled) of C(ansible.cfg).
options:
  interval:
    description: Seconds after which a line is written that says which hosts are left, and that a run is long by.
    type: float
    default: 30
    ini:
      - section: callback_lightiov_progress
        key: interval
    env:
      - name: LIGHTIOV_PROGRESS_INTERVAL
"""

import threading
import time
from collections.abc import Callable
from functools import cached_property
from typing import Any

from ansible import constants as C
from ansible.plugins.callback import CallbackBase
from ansible_collections.lightiov.nvme.plugins.module_utils._progress import Progress

# So often it looks whether a line is due.
WATCH_SECONDS = 1


class CallbackModule(CallbackBase):  # type: ignore[misc]
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "lightiov.nvme.progress"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # For `progress`, which the thread that looks at the clock has, too.
        self.lock = threading.Lock()
        self.ended = threading.Event()

    @cached_property
    def progress(self) -> Progress:
        return Progress(self.get_option("interval"), time.monotonic)

    def v2_playbook_on_start(self, playbook: Any) -> None:
        # From now on time is counted. A task that takes minutes on all hosts brings no event meanwhile.
        self._show(Progress.due)
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while not self.ended.wait(WATCH_SECONDS):
            self._show(Progress.due)

    def v2_playbook_on_play_start(self, play: Any) -> None:
        hosts = play.get_variable_manager().get_vars(play=play)["ansible_play_hosts_all"]
        self._show(Progress.start, hosts)

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        self._show(Progress.enter, host.get_name(), step_of(task))

    def v2_runner_on_ok(self, result: Any) -> None:
        told = result._result
        self._show(Progress.leave, result._host.get_name(), changes(told), False, told.get("domains_total"))

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._show(Progress.leave, result._host.get_name(), 0)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._show(Progress.leave, result._host.get_name(), changes(result._result), not ignore_errors)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._show(Progress.leave, result._host.get_name(), 0, not result._task.ignore_unreachable)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        self.ended.set()
        self._show(Progress.end)

    def _show(self, event: Callable[..., list[str]], *arguments: Any) -> None:
        with self.lock:
            for line in event(self.progress, *arguments):
                self._display.display(line, color=C.COLOR_HIGHLIGHT, stderr=True)


def step_of(task: Any) -> str:
    """What of the playbook it belongs to: what a task there imports or includes, or a role, or it is one itself."""
    include, outermost = task.get_first_parent_include(), None
    while include:
        outermost, include = include, include.get_first_parent_include()
    return str((outermost or task._role or task).get_name())


def changes(result: dict[str, Any]) -> int:
    """That a task made: those of its items, or those that a module of this collection counts, or one."""
    if not result.get("changed"):
        return 0
    if result.get("results"):
        return sum(changes(one) for one in result["results"] if isinstance(one, dict))
    return int(result.get("actions_total") or 1)
