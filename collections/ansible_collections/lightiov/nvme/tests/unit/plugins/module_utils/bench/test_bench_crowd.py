# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many clients on one controller: what is made of it, and that nothing is left of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils._bench import crowd, report
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.contenders import lightiov
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.crowd import Order, clients
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.estimate import jain
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.goals import (
    NOT_MEASURED,
    NOT_REACHED,
    REACHED,
    goals,
)
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.plan import Visit
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.summary import summarise
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from bench_host import ADDRESS, BenchHost, hypervisor
from bench_results import SETTINGS, results
from fake_host import FakeHost

MIB = 1 << 20
SETUP = {"open_ms": 20.5, "close_ms": 3.5}
BENCH = {"ios": 1000, "iops": 500.0, "latency_us": {"mean": 900.0, "p99": 2000.0}}
# As liov does: it has its queues, and at SIGTERM gives them back and says what it has measured.
LIOV = """#!/bin/sh
state={mdevs}/$2/state
[ $1 = setup ] && echo {setup} && exit
trap 'echo closed > $state; echo {result}; exit' TERM
echo ready > $state
while :; do sleep 0.02; done
"""


class CrowdHost(BenchHost):
    """Mdevs that are made here are files."""

    def write_attribute(self, absolute: str, text: str) -> None:
        mdevs = self.path(lightiov.MDEVS)
        if absolute.endswith("/create"):
            (mdevs / text).mkdir(parents=True)
            (mdevs / text / "state").write_text("closed\n")
        elif absolute.startswith(lightiov.MDEVS):
            path = self.path(absolute)
            path.write_text(text)
            if path.name == "remove":
                assert (path.parent / "state").read_text().strip() == "closed"
                path.parent.rename(self.path(f"/removed-{path.parent.name}"))
        else:
            super().write_attribute(absolute, text)


@pytest.fixture
def priorities(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Process and priority, as they were set: only root may have a higher one."""
    found: list[tuple[int, int]] = []
    monkeypatch.setattr(crowd.os, "setpriority", lambda _which, process, priority: found.append((process, priority)))
    return found


@pytest.fixture
def host(fake: FakeHost, priorities: list[tuple[int, int]]) -> CrowdHost:
    made = hypervisor(fake)
    fake.write("/proc/stat", "cpu  1000 50 300 4000 200 30 20 100 400 40\n")
    fake.write("/proc/interrupts", "           CPU0\n")
    fake.write("/proc/meminfo", "MemTotal:  4000 kB\nMemAvailable:   3000 kB\n")
    says = {"result": BENCH, "setup": SETUP}
    quoted = {name: json.dumps(json.dumps(one)) for name, one in says.items()}
    (fake.bin / "liov").write_text(LIOV.format(mdevs=fake.path(lightiov.MDEVS), **quoted))
    (fake.bin / "sleep").symlink_to("/bin/sleep")
    return CrowdHost(fake.root, made.runner)


def test_who_counts_comes_before_those_who_read(
    host: CrowdHost, priorities: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = 5  # of a run that was started with `nice`
    monkeypatch.setattr(crowd.os, "getpriority", lambda _which, _process: usual)
    crowd.crowd(host, Order("S1", 1, 256 * MIB, 4, 0.1))
    first, *readers, last = priorities
    assert (first, last) == ((0, crowd.HIGHEST), (0, usual))
    assert len({process for process, _priority in readers} - {0}) == 4
    assert {priority for _process, priority in readers} == {usual}


def test_a_crowd(host: CrowdHost, fake: FakeHost) -> None:
    visited = crowd.crowd(host, Order("S1", 1, 256 * MIB, 4, 0.1))
    found = visited["crowd"]
    assert found.keys() == set(crowd.MEASURES) and visited["steal"] == 0
    assert (found["iops"], found["mean_us"], found["fairness"], found["kib"]) == (2000, 900, 1, 0)
    assert (found["open_us"], found["close_us"]) == (20500, 3500) and found["delete_us"] > 0
    assert fake.driver(ADDRESS) == "nvme"
    extents = sorted(path.read_text() for path in fake.root.glob("removed-*/extent"))
    parts = sorted(int(text.partition("first=")[2].partition(",")[0]) for text in extents)
    assert parts == [(1 + 64 * number) * MIB // 4096 for number in range(4)]


@pytest.mark.parametrize(
    ("command", "sentence"),
    [("setup", "--json' failed: liov: no window"), ("bench", "liov ended with 3, and said: liov: no window")],
)
def test_client_that_fails(host: CrowdHost, fake: FakeHost, command: str, sentence: str) -> None:
    liov = fake.bin / "liov"
    fails = f"[ $1 = {command} ] && echo 'liov: no window' >&2 && exit 3"
    liov.write_text(liov.read_text().replace("#!/bin/sh", f"#!/bin/sh\n{fails}"))
    with pytest.raises(LightiovError, match=sentence):
        crowd.crowd(host, Order("S1", 1, 256 * MIB, 2, 0.1))
    assert fake.driver(ADDRESS) == "nvme"


def test_more_clients_than_queue_pairs(host: CrowdHost, fake: FakeHost) -> None:
    found = crowd.crowd(host, Order("S1", 1, 256 * MIB, 65, 0.1))
    assert found["unavailable"] == "Controller S1 has 64 queue pairs, not 65."
    assert fake.driver(ADDRESS) == "nvme"


def test_fairness() -> None:
    assert jain([5, 5, 5]) == 1
    assert jain([9, 0, 0]) == pytest.approx(1 / 3)
    one: dict[str, Any] = {**BENCH, "ios": 3000, "iops": 1500.0, "latency_us": {"mean": 100.0, "p99": 300.0}}
    found = clients([one, BENCH])
    assert found == {"iops": 2000, "mean_us": 300, "p99_us": 1150, "fairness": pytest.approx(0.8)}


def summary(**grown: float) -> dict[str, Any]:
    given: dict[Visit, Any] = dict(results({"vfio": [100.0]}))
    for count in (50, 500):
        costs = dict.fromkeys(crowd.MEASURES, 100.0)
        given[Visit(0, f"crowd-{count:03}")] = {"steal": 0.0, "crowd": {**costs, **(grown if count == 500 else {})}}
    return summarise(SETTINGS, given)


def goal(of: dict[str, Any]) -> tuple[str, str]:
    [found] = [one for one in goals(of) if one.number == "5"]
    return found.verdict, found.found


def test_goal_of_level_costs() -> None:
    # Latency grows, for the drive is one.
    assert goal(summary(mean_us=1000.0, create_us=120.0))[0] == REACHED
    verdict, found = goal(summary(delete_us=160.0))
    assert verdict == NOT_REACHED and "500 to 50 clients" in found and "delete_us 1.60" in found
    fewer = summary()
    fewer["crowd"]["400"] = fewer["crowd"].pop("500")
    assert goal(fewer)[0] == NOT_MEASURED


def test_report_of_crowds() -> None:
    found = summary(create_us=12345.0)
    assert "| 500 | 12345 |" in report.render(found)
    assert "figures/crowd.png" in report.render(found)
    alone = summarise(SETTINGS, results({"vfio": [100.0]}))
    assert "Many clients" not in report.render(alone) and "figures/crowd.png" not in report.render(alone)
