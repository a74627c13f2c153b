# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts by what they have left, so that one with room is found without looking at all."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from ansible_collections.lightiov.nvme.plugins.module_utils._partition.intent import Shape
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.ledger import HostState, Ledger

# Memory, vCPUs, queue pairs of one controller, largest hole, free bytes: the most that any host below has.
Room = tuple[int, int, int, int, int]
NOTHING: Room = (-1, -1, -1, -1, -1)


def need(shape: Shape) -> Room:
    return (
        shape.memory,
        shape.vcpus,
        shape.least if shape.disks else 0,
        max((disk.size for disk in shape.disks), default=0),
        shape.bytes,
    )


class Index:
    """A tree of maxima for one tenant and kind.

    While VMs are placed, resources only become less. So leaves may be too large, never too small, and are corrected
    when a search comes upon them: placing a VM costs nothing here. Who takes a VM away must call `refresh`.
    """

    def __init__(self, ledger: Ledger, tenant: str, kind: str) -> None:
        self.tenant = tenant
        self.kind = kind
        self.hosts = ledger.hosts
        self.width = 1
        while self.width < len(self.hosts):
            self.width *= 2
        self.tree: list[Room] = [NOTHING] * (2 * self.width)
        self.loads: list[float] = []
        for host in self.hosts:
            self.tree[self.width + host.index] = self._room(host)
        for at in range(self.width - 1, 0, -1):
            self.tree[at] = self._best(at)

    def first(self, wanted: Room, start: int) -> Iterator[HostState]:
        """Hosts with room, from this one on, in order. Room is necessary, not sufficient."""
        tree, width = self.tree, self.width
        memory, vcpus, pairs, hole, size = wanted
        # Subtrees that are still to be searched, the next one last.
        todo = self._from(start)
        while todo:
            at = todo.pop()
            has = tree[at]
            if has[0] < memory or has[1] < vcpus or has[2] < pairs or has[3] < hole or has[4] < size:
                continue
            if at < width:
                todo += (2 * at + 1, 2 * at)
                continue
            host = self.hosts[at - width]
            yield host
            # It did not fit, so the leaf may be out of date.
            self.refresh(host)

    def lightest(self, wanted: Room) -> Iterator[HostState]:
        """Hosts with room, the one with the least load first."""
        if not self.loads:
            self._weigh()
        tree, width = self.tree, self.width
        todo = [(self.loads[1], 1)]
        while todo:
            load, at = heapq.heappop(todo)
            if any(has < wants for has, wants in zip(tree[at], wanted)):
                continue
            if at < width:
                for child in (2 * at, 2 * at + 1):
                    heapq.heappush(todo, (self.loads[child], child))
                continue
            host = self.hosts[at - width]
            true = host.load()
            if true > load:
                self.refresh(host)
                heapq.heappush(todo, (true, at))
                continue
            yield host
            self.refresh(host)

    def refresh(self, host: HostState) -> None:
        at = self.width + host.index
        room = self._room(host)
        if self.loads:
            self._lift(at, host.load())
        if room == self.tree[at]:
            return
        self.tree[at] = room
        while at > 1:
            at //= 2
            best = self._best(at)
            if best == self.tree[at]:
                return
            self.tree[at] = best

    def _from(self, start: int) -> list[int]:
        """The subtrees that together are all leaves from `start` on, the leftmost last."""
        if start >= self.width:
            return []
        at = self.width + start
        todo = [at]
        while at > 1:
            if at % 2 == 0:
                todo.insert(0, at + 1)
            at //= 2
        return todo

    def _weigh(self) -> None:
        self.loads = [2.0] * (2 * self.width)
        for host in self.hosts:
            self.loads[self.width + host.index] = host.load()
        for at in range(self.width - 1, 0, -1):
            self.loads[at] = min(self.loads[2 * at], self.loads[2 * at + 1])

    def _lift(self, at: int, load: float) -> None:
        loads = self.loads
        loads[at] = load
        while at > 1:
            at //= 2
            lowest = min(loads[2 * at], loads[2 * at + 1])
            if loads[at] == lowest:
                return
            loads[at] = lowest

    def _room(self, host: HostState) -> Room:
        if host.closed:
            return NOTHING
        pairs = hole = size = 0
        for one in host.controllers:
            if one.closed or not one.serves(self.tenant, self.kind):
                continue
            pairs = max(pairs, one.spare)
            for namespace in one.namespaces:
                if not namespace.closed:
                    hole = max(hole, namespace.extents.largest)
                    size += namespace.extents.free
        return host.memory, host.vcpus, pairs, hole, size

    def _best(self, at: int) -> Room:
        left, right = self.tree[2 * at], self.tree[2 * at + 1]
        return (
            max(left[0], right[0]),
            max(left[1], right[1]),
            max(left[2], right[2]),
            max(left[3], right[3]),
            max(left[4], right[4]),
        )
