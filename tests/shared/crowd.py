# SPDX-License-Identifier: GPL-3.0-or-later
"""Many VMs' worth of clients that come, go, reset and get other disks, on a controller that is reset all the while.

LIGHTIOV_CROWD_RESETS says how often (default 50), LIGHTIOV_CROWD how many clients (default 20).
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from passthrough import ENOUGH, MIB_BLOCKS, Controller, Extent, Mdev

from lab import Program

RESETS = int(os.environ.get("LIGHTIOV_CROWD_RESETS", "50"))
CLIENTS = int(os.environ.get("LIGHTIOV_CROWD", "20"))
SEEDS = secrets.randbits(48)
# Each client's part of a namespace: a disk that it keeps, and room for one that comes, grows and goes.
PART = 64 * MIB_BLOCKS


def disk(namespaces: Sequence[int], client: int, first: int, count: int) -> Extent:
    """In MiB of the client's part. Each namespace has a client before any is shared."""
    shared_by, number = client // len(namespaces), client % len(namespaces)
    return Extent(namespaces[number], shared_by * PART + first * MIB_BLOCKS, count * MIB_BLOCKS)


def comes_and_goes(mdev: Mdev, kept: Extent) -> Program:
    """I/O, a reset under load, wrong commands, by turns. It may fail, but is not to crash or hang."""
    turns = (
        f"bench {mdev.uuid} --disk {kept.id} --queues 2 --seconds 1",
        f"provoke {mdev.uuid} reset --disk {kept.id}",
        f"provoke {mdev.uuid} queues --disk {kept.id}",
        f"verify {mdev.uuid} --disk {kept.id} --queues 2 --count 1024 --yes-destroy-data",
    )
    turn = "; ".join(f"liov {command} || [ $? -lt 128 ] || exit 1" for command in turns)
    return Program(mdev.host, f"sh -c 'until [ -e {ENOUGH} ]; do {turn}; done'")


def changes(mdev: Mdev, extra: Extent) -> Program:
    """Another disk is added, grows, is asked for, and is taken away unless its owner has gone."""
    larger, sysfs = replace(extra, count=2 * extra.count), mdev.sysfs
    steps = (
        f"echo {extra} > {sysfs}/extent",
        "sleep 0.3",
        f"echo {larger} > {sysfs}/extent",
        f"echo {extra.id} > {sysfs}/release",
        "sleep 0.3",
        # It may go between the look and the deed: then it is gone as well.
        f"{{ ! grep -q {extra.id} {sysfs}/extents || echo {extra.id} > {sysfs}/remove_extent"
        f" || ! grep -q {extra.id} {sysfs}/extents; }}",
    )
    return Program(mdev.host, f"sh -c 'until [ -e {ENOUGH} ]; do {{ {' && '.join(steps)}; }} || exit 1; done'")


@dataclass(frozen=True)
class Crowd:
    controller: Controller
    kept: dict[str, Extent]  # by the mdev's UUID
    mdevs: list[Mdev]
    extras: list[Extent]

    @classmethod
    def gather(cls, controller: Controller, namespaces: Sequence[int], tenant: str = "blue") -> Crowd:
        """On these namespaces of 1 GiB."""
        kept = [disk(namespaces, client, 0, 16) for client in range(CLIENTS)]
        extras = [disk(namespaces, client, 32, 4) for client in range(CLIENTS)]
        mdevs = [controller.mdev_of(extent, queue_pairs=2, tenant=tenant) for extent in kept]
        return cls(controller, {mdev.uuid: extent for mdev, extent in zip(mdevs, kept)}, mdevs, extras)

    def live_through_resets(self) -> None:
        """Whoever of it fails says that the controller was reset, and the controller comes back each time.

        It is reset for nothing else: a queue that went with one reset is no reason for another.
        """
        host = self.controller.host
        host.run(f"rm -f {ENOUGH}")
        log = len(host.kernel_log())
        clients = [comes_and_goes(mdev, self.kept[mdev.uuid]) for mdev in self.mdevs]
        changers = [changes(mdev, extra) for mdev, extra in zip(self.mdevs, self.extras)]
        try:
            for _ in range(RESETS):
                host.run(f"echo 1 > {self.controller.sysfs}/lightiov/reset_controller", timeout=300)
                time.sleep(0.5)
        finally:
            host.run(f"touch {ENOUGH}")
        for program in (*clients, *changers):
            assert program.wait(300) == 0, program.output()

        # A client may fail only because its queues went, or the controller did over its command, and is told so.
        failures = [line for program in clients for line in program.output().splitlines() if line.startswith("liov:")]
        others = [line for line in failures if not any(reason in line for reason in ("reset", "did not answer"))]
        assert not others, "\n".join(others)
        assert self.controller.read("state") == "live"
        reasons = ("does not come back from a reset", "does not delete queue")
        lines = [line for line in host.kernel_log()[log:] if any(reason in line for reason in reasons)]
        assert not lines, "\n".join(lines)

    def is_whole(self) -> None:
        """All have what they had. They write at once, each on its own disk: nobody has another's."""
        for mdev in self.mdevs:
            assert mdev.read("state") == "closed"
            assert list(mdev.extents()) == [self.kept[mdev.uuid].id]
        seeds = {mdev.uuid: SEEDS + number for number, mdev in enumerate(self.mdevs)}

        def options(mdev: Mdev) -> str:
            return f"--disk {self.kept[mdev.uuid].id} --seed {seeds[mdev.uuid]} --queues 2"

        writers = [mdev.start("verify", f"{options(mdev)} --write-only --yes-destroy-data") for mdev in self.mdevs]
        for writer in writers:
            assert writer.wait(300) == 0, writer.output()
        for mdev in self.mdevs:
            mdev.liov("verify", f"{options(mdev)} --check-only", timeout=300)
            assert mdev.statistic("pinned_bytes") == 0
