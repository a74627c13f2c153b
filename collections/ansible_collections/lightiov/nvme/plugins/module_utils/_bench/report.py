# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report: goals first, then figures, then how they came about. All its numbers are the summary's or the model's."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils._bench import control, estimate, io_path, model
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.contenders import ALL, CONTENDERS
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.goals import RULE, goals, show
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.order import FORMER
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.plan import Store
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.summary import SCHEMA, summarise
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.workloads import WORKLOADS
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._host import write_atomically

REPORT = "figures.md"
FOLDER = "figures"
# Of VMs that share a drive.
SHARED = (
    ("iops", "IOPS of all", 0),
    ("mean_us", "mean, us", 0),
    ("p99_us", "p99 of the median VM, us", 0),
    ("fairness", "fairness (Jain)", 3),
    ("outside_us", "host CPU outside VMs, us per I/O", 1),
    ("exits", "exits per I/O", 2),
)
# Of crowds.
CROWD = (
    ("create_us", "created, us", 0),
    ("open_us", "opened, us", 0),
    ("close_us", "closed, us", 0),
    ("delete_us", "deleted, us", 0),
    ("kib", "memory of one, KiB", 0),
    ("iops", "IOPS of all", 0),
    ("mean_us", "mean, us", 0),
    ("p99_us", "p99, us", 0),
    ("fairness", "fairness (Jain)", 3),
    ("cpu_us", "host CPU per I/O, us", 1),
)
SUMMARY = f"{FOLDER}/summary.json"
# Plots by name, with what they show.
PLOTS = {
    "iops": "IOPS against the whole device by VFIO (1 is as many), with 95 % intervals",
    "latency": "99th percentile of latency against the whole device by VFIO (1 is as long, less is better)",
    "exits": "VM exits per I/O",
    "cpu": "CPU time of the host outside the VM per I/O",
    "scale": "Mean latency of VMs that share the drive, microseconds",
    "crowd": "What a client costs among many, to what it costs among the fewest",
}
# Of the tables, what is in a column, with its unit and digits.
COLUMNS = (
    ("iops", "IOPS", 0),
    ("mean_us", "mean, us", 0),
    ("p50_us", "p50, us", 0),
    ("p99_us", "p99, us", 0),
    ("exits", "exits per I/O", 2),
    ("trapped", "trapped accesses per I/O", 3),
    ("sq_doorbells", "doorbells of SQs per I/O", 2),
    ("cq_doorbells", "doorbells of CQs per I/O", 2),
    ("guest_interrupts", "interrupts in the VM per I/O", 2),
    ("host_interrupts", "interrupts of the drive on the host per I/O", 2),
    ("outside_us", "host CPU outside the VM, us per I/O", 1),
    ("instructions", "instructions outside the VM per I/O", 0),
)

# Of the summary, by what their column says.
RATIOS = {"ratios": "IOPS to VFIO's", "polled_ratios": "IOPS to polled VFIO's"}


def summary_of(directory: Path) -> dict[str, Any]:
    """Of what was measured into a directory."""
    store = Store(directory)
    return summarise(store.settings(), store.results())


def write(directory: Path, summary: Mapping[str, Any]) -> None:
    write_atomically(directory / SUMMARY, json.dumps(summary, indent=1) + "\n")
    write_atomically(directory / REPORT, render(summary))


def load(path: Path) -> dict[str, Any] | None:
    """A summary of the present schema, None if there is none."""
    if not path.exists():
        return None
    summary: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if summary.get("schema") != SCHEMA:
        raise LightiovError(f"{path} is of schema {summary.get('schema')}, not {SCHEMA}: measure again")
    return summary


def render(summary: Mapping[str, Any] | None) -> str:
    """As Markdown; without a summary, what is going to be measured and how."""
    figures = _figures(summary) if summary else ()
    parts = [*_goals(summary), *figures, *_paths(summary), *_method(summary), *_model(summary)]
    return "\n\n".join(["<!-- SPDX-License-Identifier: GPL-3.0-or-later -->\n# Figures", *parts]) + "\n"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def _goals(summary: Mapping[str, Any] | None) -> Iterator[str]:
    if summary:
        host = summary["host"]
        emulated = (
            " All of it was emulated, the drive too: an exit costs far more than a server's, and the drive takes next "
            "to no time. Counts carry over; of times only ratios do, and of these only those of contenders that take "
            "the same steps, as LightIOV and VFIO do. What others would be on a server is for the "
            "[model](#a-model-of-hardware) to guess."
            if host["emulated"] == "yes"
            else ""
        )
        if int(host["cpu"].split()[0]) <= summary["settings"]["vcpus"]:
            emulated += (
                " The host has no CPU that the VM does not have: threads of QEMU and of targets share them with it, as "
                "they should not on a server. LightIOV and VFIO have no such threads."
            )
        yield (
            f"Measured on {host['cpu']}, kernel {host['kernel']}, QEMU {host['qemu']}, drive {host['drive'].strip()}, "
            f"{summary['settings']['vcpus']} CPUs in the VM.{emulated}"
        )
    else:
        yield (
            "Nothing has been measured for this page yet. `make bench` does it in the lab, the playbook `bench.yml` "
            "on a server."
        )
    rows = [[one.number, one.text, f"**{one.verdict}**", _line(one.found)] for one in goals(summary)]
    yield "## Goals"
    yield table(["", "goal", "", "ratio to VFIO: median (95 % interval)"], rows)
    yield RULE
    if summary and summary["failed"]:
        yield "Not all could be measured in all rounds. What failed, with the reason of the last time:"
        yield table(["", "reason"], [[f"`{what}`", _line(reason)] for what, reason in summary["failed"].items()])


def _line(text: str) -> str:
    """In a table's cell there is one."""
    return " ".join(text.split())


def _figures(summary: Mapping[str, Any]) -> Iterator[str]:
    yield "## Plots"
    for name, text in _comparisons(summary).items():
        yield f"{text}:\n\n![{text}]({FOLDER}/{name}.png)"
    yield "## Tables"
    yield f"Medians of all rounds that count. Intervals, ratios and counts of rounds are in `{SUMMARY}`."
    for workload, title in summary["workloads"].items():
        of = summary["figures"][workload]
        shown = [column for column in COLUMNS if any(column[0] in measures for measures in of.values())]
        rows = [
            [
                summary["contenders"][name],
                *(f"{measures[key]['median']:,.{digits}f}" if key in measures else "" for key, _title, digits in shown),
                *(_ratio(summary[which], workload, name) for which in RATIOS),
            ]
            for name, measures in of.items()
        ]
        yield f"### {title}"
        yield table(["", *(title for _key, title, _digits in shown), *RATIOS.values()], rows)
        reasons = summary["exit_reasons"].get(workload, {})
        if any(reasons.values()):
            names = sorted({name for one in reasons.values() for name in one})
            yield "Exits per I/O by reason:"
            yield table(
                ["", *names],
                [
                    [summary["contenders"][contender], *(f"{one.get(name, 0):.3f}" for name in names)]
                    for contender, one in reasons.items()
                    if one
                ],
            )
    yield "### Starts"
    yield "Seconds until the drive was prepared on the host, and from QEMU's start until the VM ran and had its disk."
    yield table(
        ["", "prepared", "VM", "disk", "disk, to virtio-blk's", "given back"],
        [
            [
                summary["contenders"][name],
                *(show(of[key], 1) if key in of else "" for key in ("set_up_seconds", "boot_seconds", "disk_seconds")),
                show(summary["start_ratios"][name]) if summary["start_ratios"].get(name) else "",
                show(of["tear_down_seconds"], 1),
            ]
            for name, of in summary["starts"].items()
        ],
    )
    yield from _scale(summary)
    if summary["crowd"]:
        yield from _crowd(summary)


def _scale(summary: Mapping[str, Any]) -> Iterator[str]:
    for workload, contenders in summary["scale"].items():
        yield f"### Several VMs, each with its share: {WORKLOADS[workload].title}"
        yield table(
            ["", "VMs", *(title for _key, title, _digits in SHARED)],
            [
                [CONTENDERS[name].title, count, *(show(one[key], digits) for key, _title, digits in SHARED)]
                for name, of in contenders.items()
                for count, one in of.items()
            ],
        )


def _crowd(summary: Mapping[str, Any]) -> Iterator[str]:
    yield "### Many clients"
    yield (
        "Clients are `liov` on the host, each with a mediated device, a queue pair and a part of a namespace. Created, "
        "opened (until its first read), closed and deleted one by one, among so many; then all read at once, "
        "4 KiB at queue depth 1, with what the host's CPUs do for it, the clients' own work included."
    )
    yield table(
        ["clients", *(title for _key, title, _digits in CROWD)],
        [[count, *(show(of[key], digits) for key, _title, digits in CROWD)] for count, of in summary["crowd"].items()],
    )


def _paths(summary: Mapping[str, Any] | None) -> Iterator[str]:
    yield "## One I/O followed"
    yield (
        "What a 4 KiB read crosses at queue depth 1, in order. Counts are of this run, per I/O; what only the drive "
        "sees has one where the drive counts, as the lab's does. In the last column is what a server with posted "
        "interrupts does otherwise."
    )
    drawn = plots_of(summary) if summary else {}
    for contender in ALL:
        yield f"### {contender.title}, step by step"
        name = path_plot(contender.name)
        if name in drawn:
            yield f"![{drawn[name]}]({FOLDER}/{name}.png)"
        yield table(
            ["", "from", "to", "what", "per I/O", "on a server"],
            [
                [str(number), one.source, one.goal, one.what, _counted(summary, contender.name, one), one.hardware]
                for number, one in enumerate(contender.io_path, 1)
            ],
        )


def _counted(summary: Mapping[str, Any] | None, contender: str, crossing: io_path.Crossing) -> str:
    count = io_path.counted(summary, contender, crossing) if summary else None
    return "" if count is None else f"{count:.2f}"


def path_plot(contender: str) -> str:
    return f"path-{contender}"


def plots_of(summary: Mapping[str, Any]) -> dict[str, str]:
    """Those that there is something to see in."""
    followed = summary["figures"].get(io_path.WORKLOAD, {})
    paths = {path_plot(name): f"What a 4 KiB read crosses: {CONTENDERS[name].title}" for name in followed}
    return {**_comparisons(summary), **paths}


def _comparisons(summary: Mapping[str, Any]) -> dict[str, str]:
    there = {"scale": bool(summary["scale"]), "crowd": len(summary["crowd"]) > 1}
    return {name: text for name, text in PLOTS.items() if there.get(name, True)}


def _ratio(ratios: Mapping[str, Any], workload: str, name: str) -> str:
    ratio = ratios.get(workload, {}).get(name, {}).get("iops")
    return show(ratio) if ratio else ""


def _method(summary: Mapping[str, Any] | None) -> Iterator[str]:
    yield "## Method"
    yield (
        "All contenders are measured on the same controller and the same namespace, in rounds, in each of which "
        "each has its turn; every round begins with another, and every second one goes backwards. A turn takes "
        "the controller to the driver that the contender needs, starts a VM, runs all workloads in it, and gives "
        "the controller back. The VM is made of the host's own kernel, fio and modules, boots from memory, and "
        "has no other disk and no network. All contenders have the same VM, but those that share its memory with "
        "a program."
    )
    yield (
        "Before the first round the whole area is written once. The workloads' first 1.5 s are not counted. In "
        "the middle of fio's run the host's counters are read twice: exits from KVM's statistics, interrupts from "
        "`/proc/interrupts`, CPU time from `/proc/stat` (guests' own time taken off, so that a polling thread counts "
        "in full; in ticks of 10 ms, so little time is few ticks), instructions by `perf` where the CPU counts them. "
        "What exits were for is traced (`kvm_exit`) before that, since tracing costs time. Doorbells that go straight "
        "to the drive are seen by nobody but the drive: they are counted where it counts them, as the lab's does, in "
        "its configuration space. A trapped access is one that does not: an exit for device memory or an I/O port. "
        "IOPS and latency (from submission to completion; of writes without the fsync after them) are fio's. Of polled "
        "contenders nothing is measured that does not poll: applications, which do not ask for it, and writes with "
        "fsync, since a ring of io_uring that is polled takes none."
    )
    yield control.RULE
    if summary:
        yield from (FORMER[method] for method in summary["methods"] if method in FORMER)
    yield (
        f"Ratios are of two measurements of one round. A figure is the median of rounds, its interval the middle "
        f"{estimate.CONFIDENCE:.0%} of the medians of {estimate.RESAMPLES:,} resamples (bootstrap). "
        "What changes of the guest driver did to one I/O, before and after, is in `driver.md` beside this report in "
        "the collection's documentation."
    )
    if summary:
        yield table(
            ["", "measurements", "left out: slow", "steal", "others"],
            [
                [summary["contenders"][name], *(str(of[key]) for key in ("all", "slow", "steal", "others"))]
                for name, of in summary["measurements"].items()
            ],
        )
        for workload, programs in summary["missing"].items():
            yield f"{WORKLOADS[workload].title}: not measured, since the host does not have {' and '.join(programs)}."
    yield "## Contenders"
    for contender in ALL:
        text = f"**{contender.title}** (`{contender.name}`): {' '.join((type(contender).__doc__ or '').split())}"
        if summary and contender.name in summary["unavailable"]:
            text += f" Not measurable here: {summary['unavailable'][contender.name]}"
        configuration = summary["configurations"].get(contender.name) if summary else None
        if configuration:
            text += "\n\n" + table(["", ""], [[key, f"`{value}`"] for key, value in configuration.items()])
        yield text
    if summary:
        yield "## Commands"
        yield "```\n" + "\n".join(summary["commands"].values()) + "\n```"


def _model(summary: Mapping[str, Any] | None) -> Iterator[str]:
    yield "## A model of hardware"
    yield (
        "This is a model and no measurement. Of what was counted it takes the accesses that leave the VM; what a "
        "server with posted interrupts needs for the steps that an I/O takes is assumed (microseconds, but for what is "
        "counted):"
    )
    hardware = model.Hardware()
    yield table(
        ["", "assumed", "what it is"],
        [[name, f"{getattr(hardware, name):,.10g}", what] for name, what in model.ASSUMPTIONS.items()],
    )
    if summary:
        yield "IOPS at queue depth 1 to the whole device's by VFIO, as measured above and as the model has them:"
        measured = summary["ratios"].get(io_path.WORKLOAD, {})
        yield table(
            ["", "measured", "model"],
            [
                [CONTENDERS[name].title, show(measured[name]["iops"]), f"{model.against_vfio(name, hardware):.2f}"]
                for name in model.KNOWN
                if "iops" in measured.get(name, {})
            ],
        )
    others = [model.predictions(summary, replace(hardware, drive=hardware.drive * times)) for times in (0.5, 2)]
    yield "What it predicts, beside what was published; and with drives that take half and twice as long:"
    yield table(
        ["source", "claim", "published", "model", "off by", "half", "twice"],
        [
            [
                one["source"],
                one["claim"],
                f"{one['published_low']:g}"
                + (f" to {one['published_high']:g}" if one["published_high"] > one["published_low"] else ""),
                f"{one['model']:.3f}",
                f"{one['off']:.3f}",
                *(f"{other[number]['model']:.3f}" for other in others),
            ]
            for number, one in enumerate(model.predictions(summary))
        ],
    )
    yield (
        "That LightIOV has VFIO's IOPS is no prediction: the model has both take the same steps. It is off where many "
        "VMs share a target: it lets one core serve them all, each with one command outstanding, on a drive of its own "
        "assumed speed, and the papers had other drives, cores and depths. That core is busy nearly all the time then, "
        "so what it predicts there is what the core needs for an I/O against what the drive does. Their applications' "
        "operations a second (+27.1 %, +68 %) it does not predict, since it knows no application."
    )
