# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan, then act: what every changing module does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError


@dataclass(frozen=True)
class Step:
    """One change: what it is called, and how it is made."""

    action: str
    object: str
    run: Callable[[], None]
    details: dict[str, Any] = field(default_factory=dict)

    def describe(self) -> dict[str, Any]:
        return {"action": self.action, "object": self.object, **self.details}


@dataclass
class Plan:
    """All changes in order, and the state that they lead to.

    `predict` is check mode: preceding tasks have not acted, so a refusal that one of them may have made
    void is a warning, and what is not there yet is taken as made.
    """

    predict: bool = False
    steps: list[Step] = field(default_factory=list)
    before: Any = None
    after: Any = None
    returned: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def add(self, action: str, object_: str, run: Callable[[], None], **details: Any) -> None:
        self.steps.append(Step(action, object_, run, details))

    def refuse(self, sentence: str) -> None:
        """Refuse what another task of the same play may have made possible before."""
        if not self.predict:
            raise LightiovError(sentence)
        self.warnings.append(f"Unless a preceding task changes that, the task would be refused: {sentence}")


def execute(module: Any, make_plan: Callable[[], Plan]) -> None:
    """Run a module: make its plan, act on it unless in check mode, and report."""
    done: list[dict[str, Any]] = []
    try:
        plan = make_plan()
        for warning in plan.warnings:
            module.warn(warning)
        for step in plan.steps:
            if not module.check_mode:
                step.run()
            done.append(step.describe())
    except PermissionError as error:
        message = f"{error.filename} is not accessible to this user: run the task as root with become"
        module.fail_json(msg=message, actions=done, changed=bool(done))
    except (LightiovError, OSError) as error:
        module.fail_json(msg=str(error), actions=done, changed=bool(done))
    result: dict[str, Any] = {"changed": bool(plan.steps), "actions": done, **plan.returned}
    if module._diff:
        result["diff"] = {"before": plan.before, "after": plan.after}
    module.exit_json(**result)
