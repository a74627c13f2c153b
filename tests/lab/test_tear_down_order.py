# SPDX-License-Identifier: GPL-3.0-or-later
"""The order in which the host module takes things away, as the kernel's own trace tells it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from passthrough import OWNER, Controller, Mdev, under_load
from tracing import Event, traced

from lab import Program

PAGE = 4096
# The function is VT-d's, which the lab's hosts have.
FLUSH = {"flush": "intel_iommu_tlb_sync"}
UNPIN = {"unpin": "vfio_unpin_pages gpa=%si:x64 pages=%dx:s32"}

TEAR_DOWNS: dict[str, Callable[[Mdev], object]] = {
    "kill": lambda mdev: end(under_load(mdev), "KILL"),
    "reset": lambda mdev: mdev.liov("provoke", "reset"),
    "queues": lambda mdev: mdev.liov("provoke", "queues"),
    "unmap": lambda mdev: mdev.liov("provoke", "unmap"),
}


def end(load: Program, signal: str) -> None:
    load.signal(signal)
    load.wait()


@pytest.mark.parametrize("how", TEAR_DOWNS)
def test_doorbells_then_queues_then_mappings_then_pins(
    controller: Controller, how: str, request: pytest.FixtureRequest
) -> None:
    if how == "unmap":
        request.getfixturevalue("lockdep_looks_away")
    mdev = controller.mdev("1", 2)
    ours = (f"lightiov/liov_{event}" for event in ("window_open", "queue_create", "queue_delete"))
    with traced(controller.host, (*ours, "iommu/unmap"), {"revoke": "unmap_mapping_range"} | FLUSH | UNPIN) as trace:
        TEAR_DOWNS[how](mdev)
        check_order(trace.events("liov"))


def test_many_ranges_go_with_one_flush(controller: Controller) -> None:
    mdev, ranges = controller.mdev("1"), 16
    with traced(controller.host, ("iommu/unmap",), FLUSH | UNPIN) as trace:
        controller.host.run(f"python3 {OWNER} scatter {mdev.uuid} {ranges}")
        steps = [event.name for event in trace.events("python3")]
    assert steps.count("unmap") == ranges
    assert steps.count("flush") == 1
    assert steps.index("unpin") > steps.index("flush")
    assert mdev.statistic("pinned_bytes") == 0


def check_order(events: list[Event]) -> None:
    """No step of a tear-down comes before the one that it relies on, and none is left out."""
    revoked, queues, window, unmapped, flushed, pages = False, set(), 0, set(), False, set()
    for event in events:
        if event.name == "liov_window_open":
            window = event.number("base")
        elif event.name == "liov_queue_create":
            queues.add(event.fields["qid"])
            revoked = False
        elif event.name == "revoke":
            revoked = True
        elif event.name == "liov_queue_delete":
            assert revoked, "a queue pair was deleted while its owner could write doorbells"
            queues.remove(event.fields["qid"])
        elif event.name == "unmap":
            assert not queues, f"memory was unmapped under queue pairs {queues}"
            start = event.number("iova") - window
            unmapped |= set(range(start, start + event.number("unmapped_size"), PAGE))
            flushed = False
        elif event.name == "flush":
            flushed = True
        elif event.name == "unpin":
            pages = set(range(event.number("gpa"), event.number("gpa") + event.number("pages") * PAGE, PAGE))
            assert flushed, "memory was unpinned while the IOMMU might still know it"
            assert pages <= unmapped, "memory was unpinned while the controller could reach it"
            unmapped -= pages
    assert pages, "nothing was unpinned"
    assert not queues, f"queue pairs {queues} are left"
    assert not unmapped, "what was unmapped is still pinned"
