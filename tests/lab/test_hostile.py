# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest out of its mind, beside one that works. LIGHTIOV_HOSTILE says how many steps it takes (default 3000)."""

from __future__ import annotations

import os
import re
import secrets

import pytest
from passthrough import MIB_BLOCKS, Controller, Extent, verified_all_the_while

STEPS = int(os.environ.get("LIGHTIOV_HOSTILE", "3000"))
# A run is the same again with the same seed, which the failure shows; a long one takes turns with its neighbour.
STEPS_OF_A_RUN = 1000


# DMA of its commands to memory that it has taken back meanwhile is the IOMMU's to refuse.
@pytest.mark.trespasses
@pytest.mark.usefixtures("lockdep_looks_away")
def test_nobody_else_is_harmed(controller: Controller) -> None:
    """It has a slice beside its neighbour's, of one namespace."""
    own, theirs = (Extent(1, first * MIB_BLOCKS, 64 * MIB_BLOCKS) for first in (0, 64))
    mdev = controller.mdev_of(own, Extent(2), queue_pairs=3)
    neighbour = controller.mdev_of(theirs, queue_pairs=2)
    seed = secrets.randbits(32)
    mdev.liov("verify", f"--disk {own.id} --seed {seed} --yes-destroy-data")
    with verified_all_the_while(neighbour, "--queues 2") as worker:
        for number in range(-(-STEPS // STEPS_OF_A_RUN)):
            steps = min(STEPS_OF_A_RUN, STEPS - number * STEPS_OF_A_RUN)
            options = f"hostile --disk {own.id} --seed {seed + number} --count {steps}"
            done = mdev.liov("provoke", options, check=False, timeout=900)
            assert done.returncode == 0, done.stdout + done.stderr
            assert f"seed {seed + number}, {steps} commands and doorbells" in done.stdout
            created = re.search(r"(\d+) queue pairs created, \d+ doorbells rung", done.stdout)
            assert created and int(created[1]) > 0, done.stdout
            assert worker.running(), worker.output()
    assert controller.read("state") == "live"
    # It has not even harmed itself.
    mdev.liov("verify", f"--disk {own.id} --seed {seed} --check-only")
    assert mdev.statistic("pinned_bytes") == 0
    assert mdev.read("window") == "-"
