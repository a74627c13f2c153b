# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Medians and intervals of all that was measured: what a report is made of, and nothing else."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils._bench import control, counters, estimate, fio
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.contenders import (
    BASELINE,
    CONTENDERS,
    POLLED_BASELINE,
)
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.plan import Visit
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.workloads import WORKLOADS
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError

# Raise it when the summary changes its form.
SCHEMA = 3
# What is compared with the baseline, round by round.
COMPARED = ("iops", "mean_us", "p50_us", "p99_us", "exits", "outside_us")
# Of VMs that share a drive.
SHARED = ("iops", "mean_us", "p99_us", "fairness", "outside_us", "exits")
# Of a start, in seconds.
STARTS = ("set_up_seconds", "boot_seconds", "disk_seconds", "tear_down_seconds")
Results = Mapping[Visit, Mapping[str, Any]]
# What was measured in each round that counts: by the round and the boot of its host.
Rounds = Mapping[tuple[int, str], Mapping[str, float]]


def summarise(settings: Mapping[str, Any], results: Results) -> dict[str, Any]:
    measured = {visit: one for visit, one in results.items() if "measurements" in one}
    failed = _failed(results)
    if not measured:
        reasons = "".join(f"; {what} has failed: {reason}" for what, reason in failed.items())
        raise LightiovError(
            f"Nothing was measured yet, so there is nothing to report: run the playbook bench.yml{reasons}"
        )
    left_out = judge(measured)
    # Of a start nothing else is known.
    busy = {visit for (visit, _workload), reason in left_out.items() if reason == "others"}
    calm = {visit: one for visit, one in measured.items() if visit not in busy}
    names = [name for name in CONTENDERS if any(visit.contender == name for visit in measured)]
    workloads = [name for name in WORKLOADS if any(name in one["measurements"] for one in measured.values())]
    polled = [name for name in names if CONTENDERS[name].polled]
    first = {name: next(one for visit, one in sorted(measured.items()) if visit.contender == name) for name in names}
    values = {workload: {name: _values(measured, left_out, name, workload) for name in names} for workload in workloads}
    return {
        "schema": SCHEMA,
        # Of the results, see order.py.
        "methods": sorted({one["schema"] for one in results.values() if "schema" in one}),
        "settings": dict(settings),
        "host": next(iter(first.values()))["host"],
        "rule": control.RULE,
        "baseline": BASELINE,
        "contenders": {name: CONTENDERS[name].title for name in names},
        # That of the first round; others differ in names that the kernel gave.
        "configurations": {name: one["configuration"] for name, one in first.items()},
        "unavailable": {
            visit.contender: one["unavailable"]
            for visit, one in sorted(results.items())
            if "unavailable" in one and not visit.clients and not visit.vms
        },
        "failed": failed,
        "missing": {name: programs for one in measured.values() for name, programs in one.get("missing", {}).items()},
        "workloads": {name: WORKLOADS[name].title for name in workloads},
        "commands": {name: _command(measured, name) for name in workloads},
        "measurements": {name: _counts(measured, left_out, name) for name in names},
        "figures": {
            workload: {name: _medians(rounds.values()) for name, rounds in of.items() if rounds}
            for workload, of in values.items()
        },
        "ratios": {workload: _all_ratios(of, BASELINE) for workload, of in values.items()},
        "polled_ratios": {
            workload: _all_ratios({name: of[name] for name in polled}, POLLED_BASELINE)
            for workload, of in values.items()
        },
        "exit_reasons": {
            workload: {name: _reasons(measured, left_out, name, workload) for name in names if CONTENDERS[name].virtual}
            for workload in workloads
        },
        "scale": _scale(results),
        "crowd": _crowd(results),
        "starts": {name: _starts(calm, name) for name in names},
        "start_ratios": {name: _start_ratio(calm, name) for name in names if CONTENDERS[name].virtual},
    }


def _failed(results: Results) -> dict[str, str]:
    """Contenders, and workloads of contenders, each with the reason of the last time."""
    found: dict[str, str] = {}
    for visit, one in sorted(results.items()):
        if "failed" in one:
            found[visit.contender] = one["failed"]
        found.update({f"{visit.contender}, {name}": reason for name, reason in one.get("failures", {}).items()})
    return found


def judge(measured: Results, which: str = "measurements") -> dict[tuple[Visit, str], str]:
    """Why measurements are left out, for those that are; `which` are those of one VM, or those that VMs shared."""
    controls: dict[tuple[str, str], list[float]] = {}
    for visit, one in measured.items():
        for workload, found in one[which].items():
            controls.setdefault((visit.contender, workload), []).append(statistics.mean(found["control"]))
    others = [one["others_cpus"] for one in measured.values()]
    reasons = {
        (visit, workload): control.disturbed(
            statistics.mean(found["control"]),
            controls[visit.contender, workload],
            found["steal"],
            one["others_cpus"],
            others,
        )
        for visit, one in measured.items()
        for workload, found in one[which].items()
    }
    return {key: reason for key, reason in reasons.items() if reason}


def flat(found: Mapping[str, Any]) -> dict[str, float]:
    """All measures of one measurement, by name; per I/O what is counted."""
    per_io = found["per_io"]
    measures = {name: found[name] for name in fio.MEASURES}
    measures.update(per_io)
    reasons = found["exit_reasons"]
    if reasons and "exits" in per_io:
        measures["trapped"] = per_io["exits"] * sum(reasons.get(name, 0.0) for name in counters.TRAPS)
    return measures


def _values(
    measured: Results, left_out: Mapping[tuple[Visit, str], str], contender: str, workload: str
) -> dict[tuple[int, str], dict[str, float]]:
    """Of each round that counts; a round in another boot of the host is another one."""
    return {
        (visit.round, one["boot_id"]): flat(one["measurements"][workload])
        for visit, one in sorted(measured.items())
        if visit.contender == contender and workload in one["measurements"] and (visit, workload) not in left_out
    }


def _medians(rounds: Iterable[Mapping[str, float]]) -> dict[str, Any]:
    every = list(rounds)
    names = sorted({name for one in every for name in one})
    return {name: estimate.median([one[name] for one in every if name in one]) for name in names}


def _all_ratios(of: Mapping[str, Rounds], baseline: str) -> dict[str, Any]:
    """Of all other contenders to this one."""
    return {name: _ratios(rounds, of.get(baseline, {})) for name, rounds in of.items() if name != baseline}


def _ratios(rounds: Rounds, baseline: Rounds) -> dict[str, Any]:
    found = {}
    for name in COMPARED:
        ratios = [
            one[name] / baseline[key][name]
            for key, one in rounds.items()
            if name in one and baseline.get(key, {}).get(name)
        ]
        if ratios:
            found[name] = estimate.median(ratios)
    return found


def _reasons(
    measured: Results, left_out: Mapping[tuple[Visit, str], str], contender: str, workload: str
) -> dict[str, float]:
    """Exits per I/O by reason: of all there were, the shares that were traced."""
    rounds = [
        (one["measurements"][workload]["per_io"]["exits"], one["measurements"][workload]["exit_reasons"])
        for visit, one in measured.items()
        if visit.contender == contender
        and workload in one["measurements"]
        and (visit, workload) not in left_out
        and one["measurements"][workload]["exit_reasons"]
        and "exits" in one["measurements"][workload]["per_io"]
    ]
    names = sorted({name for _exits, reasons in rounds for name in reasons})
    return {name: statistics.median([exits * reasons.get(name, 0) for exits, reasons in rounds]) for name in names}


def _command(measured: Results, workload: str) -> str:
    return next(
        str(one["measurements"][workload]["command"])
        for _visit, one in sorted(measured.items())
        if workload in one["measurements"]
    )


def _counts(measured: Results, left_out: Mapping[tuple[Visit, str], str], contender: str) -> dict[str, int]:
    """How many measurements there are, and how many of them were left out for which reason."""
    counts = {"all": 0, "slow": 0, "steal": 0, "others": 0}
    for visit, one in measured.items():
        if visit.contender == contender:
            for workload in one["measurements"]:
                counts["all"] += 1
                if (visit, workload) in left_out:
                    counts[left_out[visit, workload]] += 1
    return counts


def _scale(results: Results) -> dict[str, Any]:
    """By workload, contender, and number of VMs as text."""
    left_out = judge({visit: one for visit, one in results.items() if "shared" in one}, "shared")
    rounds: dict[str, dict[str, dict[int, list[Mapping[str, float]]]]] = {}
    for visit, one in sorted(results.items(), key=lambda item: item[0].vms):
        for workload, found in one.get("shared", {}).items():
            if (visit, workload) in left_out:
                continue
            contenders = rounds.setdefault(workload, {})
            contenders.setdefault(visit.subject, {}).setdefault(visit.vms, []).append(found)
    return {
        workload: {
            name: {
                str(count): {measure: estimate.median([one[measure] for one in every]) for measure in SHARED}
                for count, every in of.items()
            }
            for name, of in contenders.items()
        }
        for workload, contenders in rounds.items()
    }


def _crowd(results: Results) -> dict[str, Any]:
    """By the number of clients, as text."""
    rounds: dict[int, list[Mapping[str, float]]] = {}
    for visit, one in sorted(results.items(), key=lambda item: item[0].clients):
        if "crowd" in one and one["steal"] <= control.STEAL:
            rounds.setdefault(visit.clients, []).append(one["crowd"])
    return {
        str(count): {name: estimate.median([one[name] for one in every]) for name in every[0]}
        for count, every in rounds.items()
    }


def _starts(measured: Results, contender: str) -> dict[str, Any]:
    of = [one for visit, one in measured.items() if visit.contender == contender]
    return {name: estimate.median([one[name] for one in of]) for name in STARTS if all(name in one for one in of)}


def _start_ratio(measured: Results, contender: str) -> dict[str, Any] | None:
    """From QEMU's start to the disk, against virtio-blk in the same round."""
    virtio = {
        (visit.round, one["boot_id"]): one["disk_seconds"]
        for visit, one in measured.items()
        if visit.contender == "virtio-blk"
    }
    ratios = [
        one["disk_seconds"] / virtio[visit.round, one["boot_id"]]
        for visit, one in measured.items()
        if visit.contender == contender and (visit.round, one["boot_id"]) in virtio
    ]
    return estimate.median(ratios) if ratios else None
