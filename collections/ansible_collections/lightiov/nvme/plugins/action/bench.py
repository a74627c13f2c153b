# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action of lightiov.nvme.bench: round after round, one visit after the other, each kept as soon as it was made."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.lightiov.nvme.plugins.module_utils._bench import plan
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.arguments import DRIVE, VM
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.contenders import CONTENDERS, QUICK
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.plan import Store, Visit
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.workloads import QUICK as QUICK_WORKLOADS
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.workloads import WORKLOADS
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError, sentence

# What is not said: for a first look, and for figures that others rely on.
QUICK_DEFAULTS = {
    "contenders": QUICK,
    "workloads": QUICK_WORKLOADS,
    "rounds": 3,
    "seconds": 3.0,
    "size_mib": 256,
    "vms": (),
    "shared_workloads": (),
    "clients": (),
}
DEFAULTS = {
    "contenders": tuple(CONTENDERS),
    "workloads": tuple(WORKLOADS),
    "rounds": 10,
    "seconds": 10.0,
    "size_mib": 65536,
    "vms": (1, 2, 4, 8, 16),
    "shared_workloads": ("randread-qd1",),
    "clients": (50, 100, 200, 350, 500),
}
# So often in a row a contender may fail before it is left out.
FAILURES = 2
# What the module on the host is given as it is, and what makes two measurements comparable.
PASSED = ("serial", "namespace", "size_mib", "seconds", "vcpus", "memory_mib", "kernel_arguments")


class ActionModule(ActionBase):  # type: ignore[misc]
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        _checked, options = self.validate_argument_spec(
            argument_spec={
                **DRIVE,
                **VM,
                "directory": {"type": "path", "required": True},
                "quick": {"type": "bool", "default": False},
                "contenders": {"type": "list", "elements": "str"},
                "workloads": {"type": "list", "elements": "str"},
                "rounds": {"type": "int"},
                "seconds": {"type": "float"},
                "size_mib": {"type": "int"},
                "minutes": {"type": "float", "default": 0},
                "vms": {"type": "list", "elements": "int"},
                "shared_workloads": {"type": "list", "elements": "str"},
                "clients": {"type": "list", "elements": "int"},
                "crowd_serial": {"type": "str"},
            }
        )
        chosen = {**options, **_defaults(options)}
        try:
            _check(chosen)
            return {**result, **self._measure(chosen, variables)}
        except (LightiovError, OSError) as error:
            return {**result, "failed": True, "msg": sentence(error)}

    def _measure(self, options: Mapping[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        store = Store(Path(options["directory"]))
        sharing = [name for name in options["contenders"] if CONTENDERS[name].sharing]
        many = plan.many(sharing, options["vms"], options["clients"])
        wanted = plan.order(options["contenders"], options["rounds"], many)
        if self._task.check_mode:
            return {"changed": False, "left": len(plan.left(wanted, store.results())), "broken": {}}
        store.settle(_settings(options))
        # What was not there in an earlier run, or has failed in it, may do by now.
        done = {visit: one for visit, one in store.results().items() if not {"unavailable", "failed"} & one.keys()}
        broken: dict[str, str] = {}
        failures: dict[str, int] = {}
        tried: set[Visit] = set()
        absent: set[str] = set()
        measured = 0
        deadline = time.monotonic() + options["minutes"] * 60 if options["minutes"] else None
        while todo := plan.left(wanted, {*done, *tried}, {*absent, *_given_up(failures)}):
            visit = todo[0]
            if deadline and _begins_round(visit, {*done, *tried}) and time.monotonic() + _round(todo, done) > deadline:
                break
            self._say(visit, options, variables, done, todo)
            answer: dict[str, Any] = self._execute_module(**_call(options, visit), task_vars=variables)
            if answer.get("unreachable") or answer.get("refused"):
                return answer
            if answer.get("failed"):
                reason = broken[visit.contender] = str(answer.get("msg", answer))
                store.keep(visit, {"failed": reason, "round": visit.round})
                tried.add(visit)
                failures[visit.contender] = failures.get(visit.contender, 0) + 1
                left_out = " and is left out from now on" if visit.contender in _given_up(failures) else ""
                Display().warning(f"{visit.contender} has failed{left_out}: {reason}")
                continue
            failures.pop(visit.contender, None)
            found = {**answer["visit"], "round": visit.round}
            store.keep(visit, found)
            for workload, reason in found.get("failures", {}).items():
                Display().warning(f"{visit.contender} without {workload}: {reason}")
            if "unavailable" in found:
                absent.add(visit.contender)
            done[visit] = found
            measured += 1
        if broken and not done:
            sentences = "; ".join(f"{contender}: {sentence}" for contender, sentence in broken.items())
            return {"failed": True, "msg": f"No contender could be measured: {sentences}"}
        return {
            # On the machine that runs Ansible.
            "changed": measured > 0,
            "measured": measured,
            "left": len(plan.left(wanted, done, absent)),
            "broken": broken,
        }

    def _say(
        self,
        visit: Visit,
        options: Mapping[str, Any],
        variables: Mapping[str, Any],
        done: Mapping[Visit, Mapping[str, Any]],
        todo: list[Visit],
    ) -> None:
        left = plan.clock(plan.seconds_left(todo, _took(done)))
        Display().display(
            f"{variables.get('inventory_hostname', '')}: round {visit.round + 1} of {options['rounds']}, "
            f"{visit.contender}; {left}"
        )


def _defaults(options: Mapping[str, Any]) -> dict[str, Any]:
    defaults = QUICK_DEFAULTS if options["quick"] else DEFAULTS
    return {name: value for name, value in defaults.items() if options[name] is None}


def _check(options: Mapping[str, Any]) -> None:
    for name, known in (("contenders", CONTENDERS), ("workloads", WORKLOADS), ("shared_workloads", WORKLOADS)):
        unknown = [one for one in options[name] if one not in known]
        if unknown:
            raise LightiovError(f"There is no {name[:-1]} {unknown[0]!r}: choose from {', '.join(known)}")
    if not options["contenders"] or not options["workloads"] or options["rounds"] < 1 or options["seconds"] <= 0:
        raise LightiovError(
            "Nothing would be measured: give contenders, workloads, rounds and seconds, or leave them out"
        )


def _settings(options: Mapping[str, Any]) -> dict[str, Any]:
    """What two measurements have in common that may be compared."""
    settings = {name: options[name] for name in PASSED}
    workloads = {name: list(options[name]) for name in ("workloads", "shared_workloads")}
    return {**settings, **workloads, "crowd_serial": _crowd_serial(options)}


def _crowd_serial(options: Mapping[str, Any]) -> str:
    return str(options["crowd_serial"] or options["serial"])


def _call(options: Mapping[str, Any], visit: Visit) -> dict[str, Any]:
    """The module that makes a visit, with its arguments."""
    if visit.clients:
        passed = {name: options[name] for name in ("namespace", "size_mib", "seconds")}
        arguments = {**passed, "serial": _crowd_serial(options), "clients": visit.clients}
        return {"module_name": "lightiov.nvme.bench_crowd", "module_args": arguments}
    passed = {name: options[name] for name in (*PASSED, "packages", "version")}
    workloads = list(options["shared_workloads" if visit.vms else "workloads"])
    arguments = {**passed, "contender": visit.subject, "workloads": workloads, "vms": visit.vms}
    return {"module_name": "lightiov.nvme.bench_visit", "module_args": arguments}


def _took(done: Mapping[Visit, Mapping[str, Any]]) -> dict[str, list[float]]:
    took: dict[str, list[float]] = {}
    for visit, one in done.items():
        if "seconds" in one:
            took.setdefault(visit.contender, []).append(one["seconds"])
    return took


def _given_up(failures: Mapping[str, int]) -> set[str]:
    return {contender for contender, count in failures.items() if count >= FAILURES}


def _begins_round(visit: Visit, done: Collection[Visit]) -> bool:
    """Whether it is the first of its round, and not of the first one."""
    return visit.round > 0 and all(one.round != visit.round for one in done)


def _round(todo: list[Visit], done: Mapping[Visit, Mapping[str, Any]]) -> float:
    return plan.seconds_left([one for one in todo if one.round == todo[0].round], _took(done)) or 0.0
