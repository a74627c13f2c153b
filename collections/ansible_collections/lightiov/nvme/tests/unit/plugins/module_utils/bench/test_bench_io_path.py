# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way of one I/O through each contender, and its counts."""

from __future__ import annotations

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils._bench import io_path, report
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.contenders import ALL
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.contenders.base import Contender
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.summary import summarise
from bench_results import SETTINGS, results

VIRTUAL = [contender for contender in ALL if contender.virtual]


@pytest.mark.parametrize("contender", VIRTUAL, ids=lambda one: one.name)
def test_it_begins_in_the_vm_reaches_the_drive_and_comes_back(contender: Contender) -> None:
    steps = contender.io_path
    assert {party for step in steps for party in (step.source, step.goal)} <= set(io_path.PARTIES)
    assert steps[0].source == io_path.VM
    assert any(step.goal == io_path.DRIVE for step in steps) and any(step.goal == io_path.VM for step in steps)
    # Whoever does something was reached before.
    reached = {io_path.VM}
    for step in steps:
        assert step.source in reached, step
        reached.add(step.goal)


def test_only_who_polls_needs_no_interrupt() -> None:
    """A polling target sees the drive's completions by itself, and its VM is interrupted all the same."""
    without = {one.name for one in VIRTUAL if not any("interrupt" in step.what for step in one.io_path)}
    assert without == {"vfio-polled", "lightiov-polled"}


def test_lightiov_crosses_what_a_whole_device_does() -> None:
    paths = {one.name: one.io_path for one in ALL}
    assert (paths["lightiov"], paths["lightiov-polled"]) == (paths["vfio"], paths["vfio-polled"])


def test_counts_are_those_of_the_summary() -> None:
    reasons = {"HLT": 0.5, "page fault or MMIO": 0.5}
    per_io = {
        "exits": 3.0,
        "guest_interrupts": 0.9,
        "host_interrupts": 0.8,
        "sq_doorbells": 0.7,
        "halt_exits": 0.6,
        "commands": 1.0,
    }
    summary = summarise(SETTINGS, results({"virtio-blk": [100.0]}, exit_reasons=reasons, per_io=per_io))
    page = report.render(summary)
    section = page[page.index("### virtio-blk, step by step") :]
    rows = [line.split(" | ") for line in section.split("\n\n")[2].splitlines()[2:]]
    counts = {row[3].partition(":")[0]: row[4] for row in rows}
    assert counts == {
        "kick": "1.50", "ioeventfd, which wakes a thread": "", "HLT": "0.60", "io_uring, a system call": "",
        "doorbell of the SQ": "0.70", "data, by DMA into the VM's memory": "1.00", "doorbell of the CQ": "",
        "completion in the ring, which wakes the thread": "", "irqfd, a system call": "", "interrupt": "0.90",
    }  # fmt: skip
    assert ["interrupt", "0.80"] in [row[3:5] for row in rows]


def test_what_was_not_measured_has_no_count_and_no_picture() -> None:
    page = report.render(summarise(SETTINGS, results({"vfio": [100.0]}, exit_reasons={})))
    assert "path-vfio.png" in page and "path-lightiov.png" not in page
    section = page[page.index("### LightIOV, step by step") :].split("\n\n")[1]
    assert all(line.split(" | ")[4] == "" for line in section.splitlines()[2:])
