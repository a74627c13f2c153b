# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From measurements to figures, goals and a report."""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils._bench import estimate, model, report
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.contenders import CONTENDERS
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.goals import (
    DEPTHS,
    NOT_HERE,
    NOT_MEASURED,
    NOT_REACHED,
    REACHED,
    UNDECIDED,
    goals,
)
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.order import FORMER
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.plan import Visit
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.summary import judge, summarise
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from bench_results import SETTINGS, measurement, results, visit

VFIO = [100, 110, 90, 105, 95, 100, 102, 98, 101, 99]


def summary(**iops: list[float]) -> dict[str, Any]:
    return summarise(SETTINGS, results({name.replace("_", "-"): values for name, values in iops.items()}))


def verdicts(of: dict[str, Any] | None) -> dict[str, str]:
    return {one.number: one.verdict for one in goals(of)}


def test_median_with_its_interval() -> None:
    found = estimate.median(VFIO)
    assert found["median"] == statistics.median(VFIO) == 100
    assert 95 <= found["low"] <= 100 <= found["high"] <= 105
    assert found == estimate.median(list(VFIO))
    assert estimate.median([7.0, 7.0]) == {"median": 7.0, "low": 7.0, "high": 7.0, "rounds": 2}
    with pytest.raises(ValueError, match="nothing"):
        estimate.median([])


def test_interval_covers_the_truth_as_often_as_it_says() -> None:
    """Nearly: of ten values the bootstrap of the median is known to be a little narrow."""
    import random  # noqa: PLC0415 - of this test only

    chance = random.Random(3)
    samples = ([chance.gauss(10, 3) for _value in range(10)] for _sample in range(60))
    covered = sum(one["low"] <= 10 <= one["high"] for one in map(estimate.median, samples))
    assert covered >= 50


def test_ratios_are_of_one_round() -> None:
    """A day on which all is slower changes none."""
    slow = [value / 3 for value in VFIO]
    found = summary(vfio=VFIO[:5] + slow[5:], lightiov=[value * 2 for value in VFIO[:5] + slow[5:]])
    ratio = found["ratios"]["randread-qd1"]["lightiov"]["iops"]
    assert ratio["low"] == pytest.approx(2) and ratio["high"] == pytest.approx(2)
    assert ratio["rounds"] == 10
    assert "vfio" not in found["ratios"]["randread-qd1"]


def test_a_round_over_a_restart_is_no_pair() -> None:
    given = results({"vfio": [100, 100], "lightiov": [100, 200]})
    given[Visit(1, "lightiov")]["boot_id"] = "second"
    assert summarise(SETTINGS, given)["ratios"]["randread-qd1"]["lightiov"]["iops"]["rounds"] == 1


def test_disturbed_measurements_are_left_out_and_counted() -> None:
    given = results({"vfio": [100, 100, 100], "lightiov": [100, 100, 500]})
    given[Visit(2, "lightiov")]["measurements"] = {
        **given[Visit(2, "lightiov")]["measurements"],
        "randread-qd1": measurement(500, control=[0.1, 0.2]),
    }
    assert judge(given) == {(Visit(2, "lightiov"), "randread-qd1"): "slow"}
    found = summarise(SETTINGS, given)
    assert found["measurements"]["lightiov"] == {"all": 3 * len(DEPTHS), "slow": 1, "steal": 0, "others": 0}
    assert found["figures"]["randread-qd1"]["lightiov"]["iops"]["high"] == 100
    assert found["figures"]["randread-qd8"]["lightiov"]["iops"]["high"] == 500


def test_a_polling_thread_is_no_disturbance_of_itself() -> None:
    given = results({"vfio": [100] * 4, "virtio-polled": [100] * 4})
    for one, found in given.items():
        if one.contender == "virtio-polled":
            found["measurements"] = {"randread-qd1": measurement(100, control=[0.2, 0.2])}
    assert judge(given) == {}


def test_trapped_accesses() -> None:
    """Exits for device memory and I/O ports, as they were traced; without a trace there is no such figure."""
    reasons = {"HLT": 0.4, "page fault or MMIO": 0.5, "I/O port": 0.1}
    given = results({"vfio": [100]}, per_io={"exits": 2.0}, exit_reasons=reasons)
    assert summarise(SETTINGS, given)["figures"]["randread-qd1"]["vfio"]["trapped"]["median"] == pytest.approx(1.2)
    untraced = summarise(SETTINGS, results({"lightiov": [100]}, exit_reasons={}))
    assert "trapped" not in untraced["figures"]["randread-qd1"]["lightiov"]
    assert verdicts(untraced)["3b"] == NOT_MEASURED


def test_exits_by_reason_are_shares_of_all() -> None:
    found = summary(vfio=[100])["exit_reasons"]["randread-qd1"]["vfio"]
    assert found == {"HLT": 1.5, "interrupt": 0.5}


def test_starts() -> None:
    given = results({"host": [100, 100], "virtio-blk": [100, 100], "lightiov": [100, 100]})
    for one, found in given.items():
        if one.contender == "lightiov":
            found["disk_seconds"] = 3.6
    found = summarise(SETTINGS, given)
    assert found["start_ratios"]["lightiov"]["median"] == pytest.approx(1.2)
    assert "host" not in found["start_ratios"] and "disk_seconds" not in found["starts"]["host"]
    assert verdicts(found)["6"] == NOT_REACHED


def test_nothing_measured() -> None:
    with pytest.raises(LightiovError, match="Nothing was measured"):
        summarise(SETTINGS, {Visit(0, "lightiov-polled"): {"unavailable": "No poll queues."}})


def test_goals_reached() -> None:
    found = verdicts(summary(vfio=VFIO, lightiov=VFIO))
    assert {number: found[number] for number in ("1a", "1b", "3a", "3b", "3c")} == dict.fromkeys(
        ("1a", "1b", "3a", "3b", "3c"), REACHED
    )
    assert found["2a"] == found["4"] == found["5"] == found["6"] == NOT_MEASURED


@pytest.mark.parametrize(("number", "polled"), [("1a", ""), ("2a", "-polled")])
def test_iops_are_reached_by_the_lower_end_of_the_interval(number: str, polled: str) -> None:
    wide = [value * factor for value, factor in zip(VFIO, [0.5, 1.5] * 5)]
    given = results({f"vfio{polled}": VFIO, f"lightiov{polled}": wide})
    assert verdicts(summarise(SETTINGS, given))[number] == UNDECIDED


def test_each_is_compared_with_what_waits_as_it_does() -> None:
    given = results({"vfio": [100.0] * 4, "vfio-polled": [200.0] * 4, "lightiov-polled": [300.0] * 4})
    found = summarise(SETTINGS, given)
    for of in found["polled_ratios"].values():
        assert of.keys() == {"lightiov-polled"} and of["lightiov-polled"]["iops"]["median"] == 1.5
    for of in found["ratios"].values():
        assert of["lightiov-polled"]["iops"]["median"] == 3


@pytest.mark.parametrize(
    ("exits", "verdict"),
    [([0.9] * 10, REACHED), ([0.5, 1.4] * 5, REACHED), ([0.5, 1.8] * 5, UNDECIDED), ([1.05] * 10, NOT_REACHED)],
    ids=["fewer", "fewer in the median", "rounds that differ", "more"],
)
def test_noise_reaches_no_goal(exits: Sequence[float], verdict: str) -> None:
    """An interval that begins below the limit is no sign that what is in it is."""
    given = results({"vfio": VFIO, "lightiov": VFIO})
    for one, found in given.items():
        if one.contender == "lightiov":
            for measured in found["measurements"].values():
                measured["per_io"]["exits"] = 2.0 * exits[one.round]
    assert verdicts(summarise(SETTINGS, given))["3a"] == verdict


def test_a_goal_is_of_all_its_workloads() -> None:
    [found] = [
        one
        for one in goals(summarise(SETTINGS, results({"vfio": VFIO, "lightiov": VFIO}, DEPTHS[:5])))
        if one.number == "1a"
    ]
    assert found.verdict == UNDECIDED and found.found.endswith(f"; not measured: {DEPTHS[5]}")


def test_few_rounds_have_no_interval() -> None:
    found = summary(vfio=VFIO[:3], lightiov=[1.1 * value for value in VFIO[:3]])
    assert "1.10 (1.10 to 1.10 of 3)" in report.render(found)
    assert "| LightIOV | 1.10 | 1.00 |" in report.render(summary(vfio=VFIO[:1], lightiov=[1.1 * VFIO[0]]))


def test_goals_not_reached() -> None:
    worse = results({"vfio": VFIO})
    slow = [value * 0.9 for value in VFIO]
    worse |= results({"lightiov": slow}, per_io={"exits": 3.0}, exit_reasons={"HLT": 0.5, "MMIO": 0.5})
    found = verdicts(summarise(SETTINGS, worse))
    assert [found[number] for number in ("1a", "1b", "3a", "3b")] == [NOT_REACHED] * 4


def test_what_cannot_be_measured_here_says_why() -> None:
    given = results({"vfio": VFIO})
    given[Visit(0, "lightiov-polled")] = {"unavailable": "The guest driver has no poll queues."}
    [goal] = [one for one in goals(summarise(SETTINGS, given)) if one.number == "2a"]
    assert (goal.verdict, goal.found) == (NOT_HERE, "The guest driver has no poll queues.")


def test_polled_goals() -> None:
    given = results({"vfio": VFIO, "vfio-polled": VFIO})
    given.update(results({"lightiov-polled": [value * 2 for value in VFIO]}, per_io={"guest_interrupts": 0.0}))
    found = verdicts(summarise(SETTINGS, given))
    assert [found[number] for number in ("2a", "2b", "2c")] == [REACHED] * 3
    given.update(results({"lightiov-polled": [value * 1.2 for value in VFIO]}))
    found = verdicts(summarise(SETTINGS, given))
    assert [found[number] for number in ("2a", "2b", "2c")] == [REACHED, NOT_REACHED, NOT_REACHED]


def test_report_has_the_numbers_of_its_summary() -> None:
    found = summary(vfio=VFIO, lightiov=[value * 1.25 for value in VFIO], host=[3210.0] * 10)
    text = report.render(found)
    assert "| LightIOV | 125 |" in text and "1.25 (1.25 to 1.25)" in text and "| bare host | 3,210 |" in text
    # Another number in the summary is another one in the report.
    found["figures"]["randread-qd8"]["lightiov"]["iops"]["median"] = 98765.0
    found["ratios"]["randread-qd8"]["lightiov"]["iops"]["median"] = 7.77
    assert "| LightIOV | 98,765 |" in report.render(found) and "7.77 (" in report.render(found)


def test_report_begins_with_goals_and_says_what_is_emulated() -> None:
    found = summary(vfio=VFIO)
    assert re.findall("^## (.*)", report.render(found), re.MULTILINE)[:3] == ["Goals", "Plots", "Tables"]
    assert "was emulated" not in report.render(found) and "no CPU that the VM does not have" in report.render(found)
    found["host"].update(emulated="yes", cpu="4 x CPU")
    assert "was emulated" in report.render(found) and "no CPU that the VM does not have" not in report.render(found)


def test_report_before_anything_was_measured() -> None:
    text = report.render(None)
    assert "Nothing has been measured" in text and "make bench" in text
    assert set(verdicts(None).values()) == {NOT_MEASURED}
    for contender in CONTENDERS.values():
        assert f"**{contender.title}**" in text


def test_summary_survives_its_file(tmp_path: Path) -> None:
    found = summary(vfio=VFIO, lightiov=VFIO)
    report.write(tmp_path, found)
    loaded = report.load(tmp_path / report.SUMMARY)
    assert loaded == found and report.render(loaded) == (tmp_path / report.REPORT).read_text(encoding="utf-8")


def test_summary_of_another_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    path.write_text(json.dumps({"schema": 0}))
    with pytest.raises(LightiovError, match="schema 0"):
        report.load(path)


def test_one_visit_is_enough() -> None:
    given = {Visit(0, "vfio"): visit({"randread-qd1": measurement(100)})}
    found = summarise(SETTINGS, given)
    assert found["figures"]["randread-qd1"]["vfio"]["iops"]["rounds"] == 1
    assert list(found["workloads"]) == ["randread-qd1"]


def shared(ours: dict[str, float], theirs: dict[str, float], workload: str = "randread-qd1") -> dict[Visit, Any]:
    every = {"iops": 100.0, "mean_us": 100.0, "p99_us": 100.0, "fairness": 1.0, "outside_us": 100.0, "exits": 2.0}
    return {
        Visit(0, f"vms-16-{name}"): {
            "others_cpus": 0.1,
            "shared": {workload: {**every, "control": [0.1, 0.1], "steal": 0.0, **of}},
        }
        for name, of in (("lightiov", ours), ("vhost-user", theirs))
    }


def test_goal_of_many_vms() -> None:
    given = results({"vfio": VFIO})
    assert verdicts(summarise(SETTINGS, given))["4"] == NOT_MEASURED
    both = shared({"mean_us": 60.0, "outside_us": 9.0}, {})
    for name, more in shared({"iops": 128.0}, {}, "rocksdb").items():
        both[name]["shared"].update(more["shared"])
    found = summarise(SETTINGS, given | both)
    assert "| LightIOV | 16 | 100 | 60 |" in report.render(found)
    # The target that many VMs can share here does not poll, so it is not the one that the goal is about.
    [goal] = [one for one in goals(found) if one.number == "4"]
    assert goal.verdict == NOT_HERE and "latency 0.60; OPS 1.28; host CPU 0.09" in goal.found


def test_what_many_measured_is_left_out_by_the_same_rule() -> None:
    given = results({"vfio": VFIO})
    calm, stolen = shared({}, {}), shared({"steal": 0.5}, {})
    found = summarise(SETTINGS, {**given, **calm})["scale"]["randread-qd1"]
    assert found.keys() == {"lightiov", "vhost-user"}
    found = summarise(SETTINGS, {**given, **stolen})["scale"]["randread-qd1"]
    assert found.keys() == {"vhost-user"}


def test_a_start_beside_others_is_left_out() -> None:
    given = results({"vfio": VFIO, "virtio-blk": VFIO, "lightiov": VFIO})
    given[Visit(0, "lightiov")].update(others_cpus=1.5, disk_seconds=300.0)
    found = summarise(SETTINGS, given)
    assert found["starts"]["lightiov"]["disk_seconds"]["rounds"] == len(VFIO) - 1
    assert found["start_ratios"]["lightiov"]["high"] == 1


def test_report_of_a_former_method_says_what_it_was() -> None:
    given = results({"vfio": VFIO})
    assert FORMER[1] not in report.render(summarise(SETTINGS, given))
    given[Visit(0, "vfio")]["schema"] = 1
    assert FORMER[1] in report.render(summarise(SETTINGS, given))


def test_goals_without_what_they_are_about_say_why() -> None:
    given = results({"lightiov": VFIO}) | {Visit(0, "vfio"): {"failed": "The VM did not start.\nNo memory"}}
    found = {one.number: one.found for one in goals(summarise(SETTINGS, given))}
    assert found["1a"] == found["3c"] == "vfio: The VM did not start.\nNo memory"
    assert "vfio: The VM did not start. No memory |" in report.render(summarise(SETTINGS, given))


# The model


def test_model_keeps_to_what_was_published() -> None:
    """How far off it is, is part of what the report says: nobody changes an assumption unseen."""
    off = [round(one["off"], 2) for one in model.predictions(None)]
    assert off == [0.0, 0.14, 0.0, 0.23]


def test_model_knows_every_way_to_a_vm_that_it_speaks_of() -> None:
    hardware = model.Hardware()
    alone = {name: model.latency(name, hardware) for name in CONTENDERS if name not in ("host", "virtio-nvme")}
    assert alone["lightiov-polled"] < alone["lightiov"] == alone["vfio"] < alone["virtio-polled"]
    assert alone["virtio-polled"] < alone["virtio-blk"] == alone["vhost-user"]
    with pytest.raises(ValueError, match="no contender"):
        model.latency("spdk", hardware)


def test_model_of_many_vms() -> None:
    hardware = model.Hardware(drive_iops=1e9)
    target = [model.latency("virtio-polled", hardware, vms) for vms in (1, 10, 50, 100, 200)]
    assert target == sorted(target) and target[-1] > 2 * target[0]
    # Who has queues of his own does not wait for others, but for the drive.
    assert model.latency("lightiov", hardware, 200) == model.latency("lightiov", hardware)
    assert model.latency("lightiov", model.Hardware(drive_iops=1e5), 200) == 2000


def test_model_counts_what_was_trapped() -> None:
    found = summarise(SETTINGS, results({"vfio": [100]}) | results({"lightiov": [100]}, exit_reasons={"MMIO": 1.0}))
    assert model.predictions(found)[0]["model"] < model.predictions(None)[0]["model"] == 1
    assert model.iops("lightiov", model.Hardware(), 1000) == 200_000
