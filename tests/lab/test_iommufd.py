# SPDX-License-Identifier: GPL-3.0-or-later
"""With iommufd in the place of a container of VFIO's type 1 all is as before.

Debian's kernels do not have iommufd; that of the debug flavour has. A program that knows containers only gets
iommufd's own imitation of one under the name that it opens.
"""

from __future__ import annotations

import shlex
from subprocess import CompletedProcess

import pytest
from passthrough import LIOV, OWNER, Controller

pytestmark = pytest.mark.debug

SWAP = 'mount --bind /dev/iommu /dev/vfio/vfio && exec "$@"'


def by_iommufd(controller: Controller, command: str) -> CompletedProcess[str]:
    return controller.host.run(f"unshare --mount sh -c {shlex.quote(SWAP)} sh {command}", timeout=300)


def test_data(controller: Controller) -> None:
    mdev = controller.mdev("1", 2)
    by_iommufd(controller, f"{LIOV} verify {mdev.uuid} --seed 1 --count 1024 --queues 2 --yes-destroy-data")
    # It is where a container of type 1 finds it.
    mdev.liov("verify", "--seed 1 --count 1024 --queues 2 --check-only")
    assert mdev.statistic("pinned_bytes") == 0


@pytest.mark.parametrize("what", ["mailbox", "reset", "queues", "unmap"])
def test_provoked(controller: Controller, what: str) -> None:
    mdev = controller.mdev("1", 2)
    by_iommufd(controller, f"{LIOV} provoke {mdev.uuid} {what}")
    assert mdev.statistic("pinned_bytes") == 0


def test_memory_that_is_taken_back_is_pinned_no_further(controller: Controller) -> None:
    mdev = controller.mdev("1")
    for _ in range(3):
        said = by_iommufd(controller, f"python3 {OWNER} take_back {mdev.uuid}").stdout
        # NO_MEMORY, and no queue had to go. Once it has been given again, all is well.
        assert said.strip() == "result 4, lost 0, then 0"
    assert mdev.statistic("pinned_bytes") == 0


def test_memory_under_live_queues_is_taken_back(controller: Controller) -> None:
    mdev = controller.mdev("1", 8)
    by_iommufd(controller, f"python3 {OWNER} insist {mdev.uuid} {controller.mdev('2').uuid} 5")
    assert mdev.statistic("pinned_bytes") == 0
