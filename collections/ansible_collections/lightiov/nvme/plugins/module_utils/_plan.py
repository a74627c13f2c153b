# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan, then act: what every changing module does."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError, sentence
from ansible_collections.lightiov.nvme.plugins.module_utils._generation import applying
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._returned import chosen, parameters


@dataclass(frozen=True)
class Step:
    """One change: what it is called, and how it is made."""

    action: str
    object: str
    run: Callable[[], None]
    details: dict[str, Any] = field(default_factory=dict)

    def describe(self) -> dict[str, Any]:
        return {"action": self.action, "object": self.object, **self.details}


@dataclass(frozen=True)
class Unmet:
    """What a run would refuse, unless an earlier task of the deployment makes it possible before."""

    sentence: str
    until: str
    object: str = ""

    def describe(self) -> dict[str, str]:
        return {"sentence": self.sentence, "until": self.until, "object": self.object}


@dataclass
class Plan:
    """All changes in order, and the state that they lead to.

    `predict` is check mode: earlier tasks have not acted, and what they will make is taken as made. `provisional` is
    a plan that ends where the host has to be looked at again, because only its steps bring to light what comes next.
    """

    predict: bool = False
    provisional: bool = False
    steps: list[Step] = field(default_factory=list)
    before: Any = None
    after: Any = None
    returned: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    unmet: list[Unmet] = field(default_factory=list)

    def add(self, action: str, object_: str, run: Callable[[], None], **details: Any) -> None:
        self.steps.append(Step(action, object_, run, details))

    def refuse(self, sentence: str, until: str = "", object_: str = "") -> None:
        """Refuse, in check mode too unless `until` names who of the deployment may make it possible before.

        That is a module, or "packages", "reboot", "reload" or "source" for what roles do by other means.
        """
        if not self.predict or not until:
            raise LightiovError(sentence)
        self.unmet.append(Unmet(sentence, until, object_))

    def warn_of_unmet(self) -> list[str]:
        """A sentence for each task that has to come before, however many VMs or devices wait for it."""
        first: dict[str, str] = {}
        for one in self.unmet:
            first.setdefault(one.until, one.sentence)
        others = Counter(one.until for one in self.unmet)
        return [
            f"Unless that has changed before ({until}), the task will be refused: {sentence}"
            + (f"; and for {others[until] - 1} more reasons" if others[until] > 1 else "")
            for until, sentence in first.items()
        ]


def execute(module: Any, host: Host, make_plan: Callable[[], Plan], generation: int | None = None) -> None:
    """Run a module: make its plan, act on it unless in check mode, and report. Others wait meanwhile.

    `generation` is that of the placements which the plan is of, if it is of any.
    """
    done: list[dict[str, Any]] = []
    before: list[Any] = []
    try:
        with applying(host, generation, act=not module.check_mode):
            while True:
                plan = make_plan()
                before.append(plan.before)
                for warning in plan.warnings + plan.warn_of_unmet():
                    module.warn(warning)
                for number, step in enumerate(plan.steps, 1):
                    if not module.check_mode:
                        # For the host's journal: Ansible says nothing before the end, which may be an untimely one.
                        module.log(f"{number} of {len(plan.steps)}: {step.action} {step.object}")
                        step.run()
                    done.append(step.describe())
                if plan.steps and not module.check_mode:
                    # The tools that a step runs leave what they wrote in memory for half a minute, and a power cut
                    # would then leave empty files.
                    os.sync()
                if module.check_mode or not (plan.provisional and plan.steps):
                    break
    except (LightiovError, OSError) as error:
        module.fail_json(msg=sentence(error), actions=done, actions_total=len(done), changed=bool(done))
    values: dict[str, Any] = {"actions": done, **plan.returned}
    if module.check_mode:
        values["unmet"] = [one.describe() for one in plan.unmet]
    result = {"changed": bool(done), "actions_total": len(done), **chosen(module, values)}
    if module._diff:
        result["diff"] = {"before": before[0], "after": plan.after}
    module.exit_json(**result, **parameters(module))
