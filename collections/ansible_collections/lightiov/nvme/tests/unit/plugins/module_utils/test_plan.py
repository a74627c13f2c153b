# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._plan import Plan, execute
from fake_module import Ended, FakeModule


def make(acted: list[str]) -> Plan:
    plan = Plan(before=1, after=2, returned={"things": 2})
    plan.add("make", "a", lambda: acted.append("a"), size=1)
    plan.add("make", "b", lambda: acted.append("b"))
    return plan


ACTIONS = [{"action": "make", "object": "a", "size": 1}, {"action": "make", "object": "b"}]


@pytest.mark.parametrize("check_mode", [False, True])
def test_check_mode_returns_the_same_without_acting(check_mode: bool, host: Host) -> None:
    acted: list[str] = []
    module = FakeModule(check_mode=check_mode, diff=True)
    execute(module, host, lambda: make(acted))
    assert acted == ([] if check_mode else ["a", "b"])
    assert module.journal == ([] if check_mode else ["1 of 2: make a", "2 of 2: make b"])
    assert module.result == {
        "changed": True,
        "actions": ACTIONS,
        "actions_total": 2,
        "things": 2,
        "diff": {"before": 1, "after": 2},
        **({"unmet": []} if check_mode else {}),
    }


def test_what_was_done_survives_a_power_cut(syncs: list[str], host: Host) -> None:
    """Tools write and forget: what they wrote would be in memory for half a minute."""
    execute(FakeModule(), host, Plan)
    execute(FakeModule(check_mode=True), host, lambda: make([]))
    assert syncs == []
    execute(FakeModule(), host, lambda: make(syncs))
    assert syncs == ["a", "b", "sync"]


def test_parameters_are_returned_to_those_who_look_at_them(host: Host) -> None:
    """Registered for hundreds of hosts they would fill the memory of the machine that runs Ansible."""
    quiet, verbose = FakeModule(verbosity=0), FakeModule(verbosity=3)
    for module in (quiet, verbose):
        execute(module, host, Plan)
    assert quiet.result["invocation"] == {}
    assert "invocation" not in verbose.result  # Ansible then returns them


@pytest.mark.parametrize(
    ("returns", "values"),
    [
        (None, {"actions", "things", "unmet"}),
        ([], set()),
        (["unmet"], {"unmet"}),
        (["actions", "things"], {"actions", "things"}),
    ],
)
def test_what_is_not_asked_for_is_not_returned(returns: list[str] | None, values: set[str], host: Host) -> None:
    """How much was done is told all the same, and all of it to who looks at it."""
    verbose = FakeModule(check_mode=True, verbosity=3, returns=returns)
    execute(verbose, host, lambda: make([]))
    assert set(verbose.result) == {"changed", "actions_total", "actions", "things", "unmet"}
    module = FakeModule(check_mode=True, diff=True, verbosity=0, returns=returns)
    execute(module, host, lambda: make([]))
    assert set(module.result) == {"changed", "actions_total", "diff", "invocation"} | values
    assert (module.result["changed"], module.result["actions_total"]) == (True, 2)


def test_an_empty_plan_changes_nothing(host: Host) -> None:
    module = FakeModule()
    execute(module, host, Plan)
    assert module.result == {"changed": False, "actions": [], "actions_total": 0}


def test_a_failure_tells_what_was_done_before(host: Host) -> None:
    def fail() -> None:
        raise LightiovError("the second one failed")

    plan = make([])
    plan.add("break", "c", fail)
    module = FakeModule()
    with pytest.raises(Ended):
        execute(module, host, lambda: plan)
    assert (module.result["actions"], module.result["actions_total"]) == (ACTIONS, 2)
    assert module.result["changed"] is True
    assert module.result["msg"] == "the second one failed"


def test_who_may_not_is_told_to_become(host: Host) -> None:
    def fail() -> Plan:
        raise PermissionError(13, "Permission denied", "/etc/modprobe.d/a.conf")

    module = FakeModule()
    with pytest.raises(Ended):
        execute(module, host, fail)
    assert (
        module.result["msg"]
        == "/etc/modprobe.d/a.conf is not accessible to this user: run the task as root with become"
    )


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            OSError(28, "No space left on device", "/etc/lightiov/controllers.json"),
            "/etc/lightiov/controllers.json cannot be used, because the system says No space left on device: "
            "free some space",
        ),
        (
            OSError(16, "Device or resource busy"),
            "A file or command of this task cannot be used, because the system says Device or resource busy: "
            "see the kernel log, and whether the file is what it should be",
        ),
    ],
)
def test_errors_of_the_system_are_a_sentence(error: OSError, message: str, host: Host) -> None:
    def fail() -> Plan:
        raise error

    module = FakeModule()
    with pytest.raises(Ended):
        execute(module, host, fail)
    assert module.result["msg"] == message


def test_a_refusal_is_a_warning_only_where_an_earlier_task_can_help(host: Host) -> None:
    for predict, until in ((False, ""), (False, "mdev"), (True, "")):
        with pytest.raises(LightiovError, match="no"):
            Plan(predict=predict).refuse("no", until)
    plan = Plan(predict=True)
    plan.refuse("no", until="mdev", object_="x")
    module = FakeModule(check_mode=True)
    execute(module, host, lambda: plan)
    assert "no" in module.warnings[0]
    assert module.result["unmet"] == [{"sentence": "no", "until": "mdev", "object": "x"}]


def test_what_waits_for_one_task_is_one_warning(host: Host) -> None:
    plan = Plan(predict=True)
    for number in range(300):
        plan.refuse(f"no {number}", until="mdev")
    plan.refuse("nor that", until="packages")
    module = FakeModule(check_mode=True)
    execute(module, host, lambda: plan)
    assert module.warnings == [
        "Unless that has changed before (mdev), the task will be refused: no 0; and for 299 more reasons",
        "Unless that has changed before (packages), the task will be refused: nor that",
    ]


def test_a_provisional_plan_is_followed_by_the_next(host: Host) -> None:
    acted: list[str] = []
    look = Plan(provisional=True, before="dark", after="light")
    look.add("look", "x", lambda: acted.append("x"))
    plans = [look, make(acted)]
    module = FakeModule(diff=True)
    execute(module, host, lambda: plans.pop(0))
    assert acted == ["x", "a", "b"]
    assert module.result["actions"] == [{"action": "look", "object": "x"}, *ACTIONS]
    assert module.result["diff"] == {"before": "dark", "after": 2}


def test_check_mode_ends_with_a_provisional_plan(host: Host) -> None:
    module = FakeModule(check_mode=True)
    look = Plan(provisional=True)
    look.add("look", "x", lambda: None)
    plans = [look]
    execute(module, host, lambda: plans.pop(0))
    assert module.result["changed"] is True


def test_those_who_may_help_exist() -> None:
    """Who is named in `until` is a module, or one of the ways of roles that are not modules of the collection."""
    collection = Path(__file__).resolve().parents[4]
    modules = {path.stem for path in (collection / "plugins/modules").glob("*.py")}
    named = {
        name
        for path in (collection / "plugins/module_utils").glob("*.py")
        for name in re.findall(r'until="(\w+)"', path.read_text(encoding="utf-8"))
    }
    assert {"controller", "dkms_module", "mdev", "packages"} <= named
    assert named <= modules | {"packages", "reboot", "reload", "source"}
    helpers = (collection / "roles/preflight/vars/main.yml").read_text(encoding="utf-8")
    lists = re.search(r"__lightiov_tasks_to_come: >-\n((?:  .*\n)+)", helpers)
    assert lists
    assert set(re.findall(r"'(\w+)'(?=[],])", lists[1])) - {"detach"} <= named
