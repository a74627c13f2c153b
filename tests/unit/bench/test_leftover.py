# SPDX-License-Identifier: GPL-3.0-or-later
"""What a mix of VMs leaves over however it is packed."""

from __future__ import annotations

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.resources import Controller, Namespace

from bench import workload
from bench.leftover import leftover

CONTROLLER = Controller("S", 64, (Namespace("1", 3840 * workload.GIB, 1),))
WEB, _APP, _DB, CACHE, _BATCH, ARCHIVE = workload.KINDS


def test_what_runs_out_second_is_left_over() -> None:
    # 64 queue pairs have 32 caches, of 20 GiB each; and 3,840 GiB have 4.8 archives, with a queue pair each.
    caches = [workload.shape(CACHE, "blue", CACHE.disk)] * 32
    assert leftover(CONTROLLER, caches) == pytest.approx((0, (3840 - 640) * workload.GIB))
    archives = [workload.shape(ARCHIVE, "green", ARCHIVE.disk)] * 48
    assert leftover(CONTROLLER, archives) == pytest.approx((10 * 64 - 48, 0), abs=1e-3)
    # Tenants share no controller, so what one of them leaves over is of no use to the other.
    assert leftover(CONTROLLER, caches + archives) == pytest.approx((592, (3840 - 640) * workload.GIB), abs=1e-3)


def test_balanced_mix_leaves_nothing() -> None:
    kind = workload.Kind("even", 100, 1, 1, 4, 240)
    assert leftover(CONTROLLER, [workload.shape(kind, "blue", kind.disk)] * 5) == pytest.approx((0, 0))


def test_mix_of_the_benchmark_runs_out_of_bytes_first() -> None:
    shapes = workload.vms(20_000).shapes.values()
    pairs, size = leftover(CONTROLLER, shapes)
    assert size == pytest.approx(0, abs=1)
    assert 0.05 < pairs / (pairs + sum(shape.least for shape in shapes)) < 0.12
