# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which visits are made, in which order; what an interruption loses; which measurements are left out."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.lightiov.nvme.plugins.action import bench
from ansible_collections.lightiov.nvme.plugins.module_utils._bench import control, plan, report
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.plan import Store, Visit
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from bench_results import SETTINGS, measurement, visit

OPTIONS = {
    "serial": "S1",
    "namespace": 1,
    "contenders": ["vfio", "lightiov"],
    "workloads": ["randread-qd1"],
    "rounds": 2,
    "seconds": 3.0,
    "size_mib": 256,
    "minutes": 0,
    "vms": [],
    "shared_workloads": ["randread-qd8"],
    "clients": [],
    "crowd_serial": None,
    "vcpus": 2,
    "memory_mib": 512,
    "kernel_arguments": "",
    "packages": "/packages",
    "version": "1",
}


def test_rounds_alternate() -> None:
    visits = plan.order(["a", "b", "c"], 6)
    rounds = ["".join(one.contender for one in visits if one.round == number) for number in range(6)]
    assert rounds == ["abc", "acb", "cab", "cba", "bca", "bac"]
    # Nobody always follows the same one.
    assert {pair for order in rounds for pair in (order[:2], order[1:])} == {"ab", "bc", "ca", "ba", "cb", "ac"}


def test_what_is_left() -> None:
    visits = plan.order(["a", "b"], 2)
    assert plan.left(visits, [Visit(0, "a")], ["b"]) == [Visit(1, "a")]


def test_time_left() -> None:
    visits = [Visit(1, "a"), Visit(1, "b"), Visit(1, "c")]
    assert plan.seconds_left(visits, {}) is None
    # Of c nothing is known but what the others took.
    assert plan.seconds_left(visits, {"a": [10, 30, 20], "b": [100]}) == 20 + 100 + 25
    assert plan.clock(None) == "time left not known yet"
    assert plan.clock(20) == "less than a minute left"
    assert plan.clock(300) == "5 min left"
    assert plan.clock(3 * 3600 + 240) == "3 h 04 min left"


def test_other_settings_are_not_mixed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.settle(SETTINGS)
    store.settle(dict(SETTINGS))
    with pytest.raises(LightiovError, match="other settings"):
        store.settle({**SETTINGS, "seconds": 4.0})
    assert store.settings() == SETTINGS


def test_half_a_file_is_no_result(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.keep(Visit(0, "vhost-user"), {"x": 1})
    # As an interruption leaves it.
    (tmp_path / "visits/.000-vfio.json.abc").write_text("{")
    assert store.results() == {Visit(0, "vhost-user"): {"x": 1}}


def test_no_measurements(tmp_path: Path) -> None:
    with pytest.raises(LightiovError, match="no measurements"):
        Store(tmp_path).settings()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"control": 0.114}, ""),
        ({"control": 0.116}, "slow"),
        ({"steal": 0.021}, "steal"),
        ({"others": 0.36}, "others"),
        ({"others": 0.34}, ""),
    ],
)
def test_rule_for_what_is_left_out(changes: dict[str, float], reason: str) -> None:
    given = {"control": 0.1, "steal": 0.01, "others": 0.1, **changes}
    all_others = [0.1, 0.1, given["others"]]
    controls = [0.1, 0.1, given["control"]]
    assert control.disturbed(given["control"], controls, given["steal"], given["others"], all_others) == reason


def test_control_does_some_work() -> None:
    assert control.work() > 0


class Runs:
    """The action, with a host that measures at once."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch, **answers: dict[str, Any]) -> None:
        self.directory, self.answers, self.asked = directory, answers, []
        self.action = bench.ActionModule.__new__(bench.ActionModule)
        self.action._task = SimpleNamespace(check_mode=False)
        monkeypatch.setattr(self.action, "_execute_module", self.execute)

    def execute(self, module_name: str, module_args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        assert module_name == "lightiov.nvme.bench_visit"
        self.asked.append(module_args["contender"])
        if len(self.asked) > 3 and "interrupted" in self.answers:
            raise KeyboardInterrupt
        return self.answers.get(module_args["contender"], {"visit": visit({"randread-qd1": measurement(100)})})

    def run(self, **options: Any) -> dict[str, Any]:
        return self.action._measure({**OPTIONS, "directory": str(self.directory), **options}, {})


def test_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = Runs(tmp_path, monkeypatch)
    assert runs.run() == {"changed": True, "measured": 4, "left": 0, "broken": {}}
    assert runs.asked == ["vfio", "lightiov", "vfio", "lightiov"]
    assert runs.run() == {"changed": False, "measured": 0, "left": 0, "broken": {}}


def test_an_interrupted_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyboardInterrupt):
        Runs(tmp_path, monkeypatch, interrupted={}).run()
    again = Runs(tmp_path, monkeypatch)
    assert again.run()["measured"] == 1
    assert again.asked == ["lightiov"]


def test_more_rounds_of_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Runs(tmp_path, monkeypatch).run()
    assert Runs(tmp_path, monkeypatch).run(rounds=3)["measured"] == 2


def test_others_go_on_without_a_contender_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = Runs(tmp_path, monkeypatch, vfio={"failed": True, "msg": "It does not start."})
    assert runs.run(rounds=3) == {
        "changed": True,
        "measured": 3,
        "left": 3,
        "broken": {"vfio": "It does not start."},
    }
    # It may have had bad luck, once.
    assert runs.asked == ["vfio", "lightiov", "vfio", "lightiov", "lightiov"]
    summary = report.summary_of(tmp_path)
    assert summary["failed"] == {"vfio": "It does not start."}
    assert "| `vfio` | It does not start. |" in report.render(summary)
    # Another run tries it again, and what has failed is forgotten then.
    assert Runs(tmp_path, monkeypatch).run(rounds=3)["measured"] == 3
    assert report.summary_of(tmp_path)["failed"] == {}


def test_when_all_fail_there_is_no_report_to_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = {"failed": True, "msg": "It does not start."}
    found = Runs(tmp_path, monkeypatch, vfio=failed, lightiov=failed).run()
    assert found["failed"] and "vfio: It does not start.; lightiov: It does not start." in found["msg"]
    with pytest.raises(LightiovError, match=r"Nothing was measured yet.*vfio has failed: It does not start"):
        report.summary_of(tmp_path)


def test_a_drive_that_is_refused_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = {"failed": True, "refused": True, "msg": "It has data."}
    runs = Runs(tmp_path, monkeypatch, vfio=refused)
    assert runs.run() == refused
    assert runs.asked == ["vfio"]


def test_what_cannot_be_measured_is_asked_for_once_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    absent = {"visit": {"unavailable": "No poll queues."}}
    runs = Runs(tmp_path, monkeypatch, lightiov=absent)
    assert runs.run()["left"] == 0
    assert runs.asked.count("lightiov") == 1
    # In another run it may be there.
    assert Runs(tmp_path, monkeypatch).run()["measured"] == 2


def test_no_round_begins_that_would_end_too_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A round takes two minutes, as the visits say.
    assert Runs(tmp_path / "late", monkeypatch).run(minutes=1)["measured"] == 2
    assert Runs(tmp_path / "early", monkeypatch).run(minutes=3)["measured"] == 4


def test_many_follow_in_the_first_rounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = Runs(tmp_path, monkeypatch)
    calls = []

    def execute(module_name: str, module_args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        what = module_args.get("clients") or (module_args["contender"], module_args["vms"], *module_args["workloads"])
        calls.append((module_name.rpartition(".")[2], module_args["serial"], what))
        return {"visit": {}}

    monkeypatch.setattr(runs.action, "_execute_module", execute)
    many = {"vms": [1, 16], "clients": [50], "crowd_serial": "S2"}
    assert runs.run(contenders=["vfio", "lightiov"], rounds=4, **many)["measured"] == 4 * 2 + 3 * 3
    # What cannot be shared is not.
    assert calls[2:5] == [
        ("bench_visit", "S1", ("lightiov", 1, "randread-qd8")),
        ("bench_visit", "S1", ("lightiov", 16, "randread-qd8")),
        ("bench_crowd", "S2", 50),
    ]
    assert [call[0] for call in calls].count("bench_crowd") == 3
    kept = Store(tmp_path).results()
    assert kept.keys() >= {Visit(2, "crowd-050"), Visit(2, "vms-16-lightiov")}
    assert [(one.vms, one.clients, one.subject) for one in sorted(kept)][:2] == [
        (0, 50, "crowd-050"),
        (0, 0, "lightiov"),
    ]


def test_check_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = Runs(tmp_path, monkeypatch)
    runs.action._task.check_mode = True
    assert runs.run()["left"] == 4
    assert not runs.asked and not [*tmp_path.iterdir()]


@pytest.mark.parametrize("wrong", [{"contenders": ["spdk"]}, {"workloads": ["randread"]}, {"rounds": 0}])
def test_what_is_unknown_is_refused_first(wrong: dict[str, Any]) -> None:
    with pytest.raises(LightiovError):
        bench._check({**OPTIONS, **wrong})
