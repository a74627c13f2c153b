# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark of the machine that runs Ansible measures what it says."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from bench import simulated
from bench.simulated import Cost, Fleet, exponent, judge
from lab.paths import PROJECT


def cost(hosts: int, seconds: float, size: int = 1) -> Cost:
    return Cost(hosts, seconds, seconds, 60, 10, {"Plan": seconds}, {"found": size, "small": 1})


def test_hosts_are_planned_from_their_recordings(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, hosts=3, vms=2)
    planned = fleet.run("plan.yml")
    assert planned.hosts == 3
    # Of each the arguments and the list are checked, and it is asked; three tasks are done once.
    assert planned.tasks == 3 + 3 + 3 + 3
    assert 0 < planned.plays["Plan"] < planned.cpu
    fleet.deployed()
    told = [json.loads((tmp_path / f"recordings/hv{host}.json").read_text())["modules"] for host in range(3)]
    assert [len(one["mdev_info"]["mdevs"]) for one in told] == [2, 2, 2]


def test_no_host_keeps_what_is_planned_for_all(tmp_path: Path) -> None:
    """Nor in check mode, where the plan writes no files among the placements and hosts go by it all the same."""
    checked = Fleet(tmp_path, hosts=2, vms=20).run("deploy.yml", "--check")
    assert 0 < checked.variables["__lightiov_plan"] < checked.variables["lightiov_vms"]
    assert not (tmp_path / "inventory/placements").exists()


@pytest.mark.parametrize(("power", "wrong"), [(1, 0), (2, 1)])
def test_work_for_each_pair_of_hosts_is_told(power: int, wrong: int) -> None:
    costs = [cost(hosts, 0.01 * hosts**power) for hosts in (50, 100, 1000)]
    assert exponent(costs) == pytest.approx(power)
    assert len(judge("plan", costs)) == wrong


def test_large_variable_is_told() -> None:
    assert judge("plan", [cost(1, 1), cost(2, 2, simulated.LARGEST + 1)]) == [
        f"plan: found has {simulated.LARGEST + 1} bytes a host"
    ]


def measurements() -> set[str]:
    """Targets of the Makefile; bench-docs writes what another has measured."""
    targets = re.findall(r"^(bench[a-z-]*): .*##", (PROJECT / "Makefile").read_text(), re.MULTILINE)
    return {*targets} - {"bench-docs"}


def test_the_readme_has_every_measurement() -> None:
    rows = re.findall(r"^\| `make (bench[a-z-]*)[ `]", (PROJECT / "README.md").read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(measurements())


def test_what_else_is_measured_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["simulated", "--crowds", "--hosts", "--no-picture"])
    simulated.main()
    named = re.findall(r"^  make (\S+)", capsys.readouterr().out, re.MULTILINE)
    assert {"bench-hundreds", "bench-setup", "bench-starts", "bench-lab"} <= set(named) <= measurements()
