# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plots: each as PNG for a screen and as SVG for print, narrow enough for a phone. They alone need matplotlib."""

from __future__ import annotations

import importlib.util
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils._bench.contenders import CONTENDERS
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.crowd import COSTS
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.goals import DEPTHS
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.io_path import PARTIES, counted
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.report import CROWD, FOLDER, path_plot, plots_of
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.workloads import WORKLOADS

# Told apart by those who see no colours, too, and by their shape on paper.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#999999", "#f0e442")
MARKERS = "osD^vP*Xd"
WIDTH = 6.0
DPI = 160


def possible() -> bool:
    return importlib.util.find_spec("matplotlib") is not None


def draw(directory: Path, summary: Mapping[str, Any]) -> list[Path]:
    import matplotlib as mpl  # noqa: PLC0415 - a report does without

    mpl.use("Agg")
    # The same summary gives the same files.
    mpl.rcParams.update({"font.size": 11, "svg.hashsalt": "lightiov", "svg.fonttype": "none"})
    from matplotlib import pyplot  # noqa: PLC0415

    folder = directory / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    measures = {
        "iops": ("ratios", "iops"),
        "latency": ("ratios", "p99_us"),
        "exits": ("figures", "exits"),
        "cpu": ("figures", "outside_us"),
    }
    followed = {path_plot(contender): contender for contender in CONTENDERS}
    written = []
    for name, text in plots_of(summary).items():
        curves = {"scale": _scale, "crowd": _crowd}
        if name in curves:
            figure = curves[name](pyplot, summary, text)
        elif name in followed:
            figure = _steps(pyplot, summary, followed[name], text)
        else:
            figure = _dots(pyplot, summary, *measures[name], text)
        for kind in ("png", "svg"):
            path = folder / f"{name}.{kind}"
            figure.savefig(path, dpi=DPI, metadata={"Date": None} if kind == "svg" else {"Software": None})
            written.append(path)
        pyplot.close(figure)
    return written


def _dots(pyplot: Any, summary: Mapping[str, Any], part: str, measure: str, title: str) -> Any:
    """A line for each workload, in it a mark with its interval for each contender."""
    workloads = [
        workload
        for workload in summary["workloads"]
        # Of the others there are tables: a picture of all would be longer than a page.
        if workload in DEPTHS and any(measure in one for one in summary[part].get(workload, {}).values())
    ]
    names = [
        name
        for name in summary["contenders"]
        # The bare host is no way to give a VM a drive.
        if CONTENDERS[name].virtual and any(measure in summary[part][workload].get(name, {}) for workload in workloads)
    ]
    height = 1.8 + 0.14 * max(1, len(workloads)) * (len(names) + 1)
    figure, axes = pyplot.subplots(figsize=(WIDTH, height), layout="constrained")
    step = 1 / (len(names) + 1)
    for number, name in enumerate(names):
        points = [
            (row + (number + 1) * step, summary[part][workload][name][measure])
            for row, workload in enumerate(workloads)
            if measure in summary[part][workload].get(name, {})
        ]
        values = [one["median"] for _row, one in points]
        index = list(summary["contenders"]).index(name)
        axes.errorbar(
            values,
            [row for row, _one in points],
            xerr=[
                [one["median"] - one["low"] for _row, one in points],
                [one["high"] - one["median"] for _row, one in points],
            ],
            linestyle="none",
            marker=MARKERS[index % len(MARKERS)],
            color=COLOURS[index % len(COLOURS)],
            markersize=6,
            capsize=3,
            label=summary["contenders"][name],
        )
    if part == "ratios":
        axes.axvline(1, color="black", linewidth=1, linestyle="--")
    axes.set_yticks(
        [row + 0.5 for row in range(len(workloads))],
        [summary["workloads"][one].replace(", ", "\n", 1) for one in workloads],
    )
    for row in range(1, len(workloads)):
        axes.axhline(row, color="#dddddd", linewidth=0.8)
    axes.set_ylim(max(1, len(workloads)), 0)
    axes.set_xlim(left=0)
    axes.grid(axis="x", color="#eeeeee")
    axes.set_axisbelow(True)
    axes.set_xlabel({"exits": "exits per I/O", "outside_us": "microseconds per I/O"}.get(measure, "ratio to VFIO"))
    figure.suptitle(textwrap.fill(title, 52), fontsize=11)
    if names:
        figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure


def _steps(pyplot: Any, summary: Mapping[str, Any], contender: str, title: str) -> Any:
    """A line for each party, between them an arrow for each step, and beside it what it is and how often it was."""
    steps = CONTENDERS[contender].io_path
    parties = [party for party in PARTIES if any(party in (step.source, step.goal) for step in steps)]
    figure, axes = pyplot.subplots(figsize=(WIDTH, 1.2 + 0.42 * len(steps)), layout="constrained")
    for column, party in enumerate(parties):
        axes.vlines(column, -0.5, len(steps) - 0.5, color="#bbbbbb", linewidth=1)
        axes.text(column, -0.6, party.replace(" ", "\n"), ha="center", va="bottom", fontsize=9)
    for row, step in enumerate(steps):
        count = counted(summary, contender, step)
        ends = {"xy": (parties.index(step.goal), row), "xytext": (parties.index(step.source), row)}
        axes.annotate("", **ends, arrowprops={"arrowstyle": "->", "color": COLOURS[0], "linewidth": 1.6})
        often = "" if count is None else f" ({count:.2f} per I/O)"
        axes.text(len(parties) - 0.6, row, textwrap.fill(f"{row + 1}. {step.what}{often}", 44), va="center", fontsize=8)
    axes.set(xlim=(-0.5, len(parties) + 3.4), ylim=(len(steps) - 0.5, -0.8))
    axes.axis("off")
    figure.suptitle(textwrap.fill(title, 52), fontsize=11)
    return figure


def _scale(pyplot: Any, summary: Mapping[str, Any], title: str) -> Any:
    figure, axes = pyplot.subplots(figsize=(WIDTH, 4.5), layout="constrained")
    workload, contenders = next(iter(summary["scale"].items()))
    for number, (name, of) in enumerate(contenders.items()):
        counts = [int(count) for count in of]
        latencies = [one["mean_us"]["median"] for one in of.values()]
        label = CONTENDERS[name].title
        axes.plot(counts, latencies, marker=MARKERS[number], color=COLOURS[number], label=label)
    axes.set(xlabel=f"VMs ({WORKLOADS[workload].title} in each)", ylabel="microseconds", xlim=(0, None), ylim=(0, None))
    axes.grid(color="#eeeeee")
    figure.suptitle(textwrap.fill(title, 52), fontsize=11)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure


def _crowd(pyplot: Any, summary: Mapping[str, Any], title: str) -> Any:
    """Curves that should be level."""
    counts = list(map(int, summary["crowd"]))
    figure, axes = pyplot.subplots(figsize=(WIDTH, 4.5), layout="constrained")
    titles = {key: text.partition(",")[0] for key, text, _digits in CROWD}
    for number, cost in enumerate(COSTS):
        values = [summary["crowd"][str(count)][cost]["median"] for count in counts]
        if values[0] > 0:
            relative = [value / values[0] for value in values]
            axes.plot(counts, relative, marker=MARKERS[number], color=COLOURS[number], label=titles[cost])
    axes.axhline(1, color="black", linewidth=1, linestyle="--")
    axes.set(xlabel="clients", ylabel=f"to that among {counts[0]}", xlim=(0, None), ylim=(0, None))
    axes.grid(color="#eeeeee")
    figure.suptitle(textwrap.fill(title, 52), fontsize=11)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return figure
