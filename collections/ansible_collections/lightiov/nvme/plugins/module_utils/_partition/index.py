# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts by what they have left, so that one with room is found without looking at all."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence

from ansible_collections.lightiov.nvme.plugins.module_utils._partition.intent import Shape
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.ledger import HostState, Ledger

Best = Callable[[float, float], float]
# Memory, vCPUs, queue pairs of one controller, largest hole, free bytes.
Room = tuple[int, int, int, int, int]
# A search that comes upon so many hosts whose memory or vCPUs others have had by now, and this part of all, corrects
# them all at once, which is quicker than one by one.
STALE = 32
# More than any host is loaded.
FULL = 2.0


def need(shape: Shape) -> Room:
    return (
        shape.memory,
        shape.vcpus,
        shape.least if shape.disks else 0,
        max((disk.size for disk in shape.disks), default=0),
        shape.bytes,
    )


def tree_of(leaves: Sequence[float], nothing: float, best: Best) -> list[float]:
    """A tree whose nodes are the best of their children: `at` has 2 * at and 2 * at + 1. Its last row is the leaves."""
    row = [*leaves, *[nothing] * (width_of(leaves) - len(leaves))]
    rows = [row]
    while len(row) > 1:
        row = list(map(best, row[::2], row[1::2]))
        rows.append(row)
    # There is no node 0.
    tree = [nothing]
    for one in reversed(rows):
        tree += one
    return tree


def width_of(leaves: Sequence[object]) -> int:
    """The leaves of a tree, some of them of nothing: a power of two."""
    return 1 << max(len(leaves) - 1, 0).bit_length()


def put(tree: list[float], at: int, value: float, best: Best) -> None:
    """Another value of a leaf, and of what is above it."""
    while tree[at] != value:
        tree[at] = value
        if at == 1:
            return
        at //= 2
        value = best(tree[2 * at], tree[2 * at + 1])


class Trees:
    """Of each of some resources the most that any host below a node has."""

    def __init__(self, hosts: Sequence[HostState], room: Callable[[HostState], tuple[int, ...]]) -> None:
        self.hosts = hosts
        self.room = room
        self.width = width_of(hosts)
        self.trees = self._built()

    def refresh(self, host: HostState) -> None:
        at = self.width + host.index
        for tree, value in zip(self.trees, self.room(host)):
            put(tree, at, value, max)

    def refresh_all(self) -> None:
        for tree, built in zip(self.trees, self._built()):
            tree[:] = built

    def _built(self) -> list[list[float]]:
        return [tree_of(leaves, -1, max) for leaves in zip(*map(self.room, self.hosts))]


def shared_trees(hosts: Sequence[HostState]) -> Trees:
    """Memory and vCPUs, which are whoever's asks first."""
    return Trees(hosts, lambda host: (-1, -1) if host.closed else (host.memory, host.vcpus))


class Index:
    """For one tenant and kind: where it may find room.

    While VMs are placed, resources only become less. So leaves may be too large, never too small, and are corrected
    when a search comes upon them: placing a VM costs nothing here. Who takes a VM away must call `refresh`.
    """

    def __init__(self, ledger: Ledger, shared: Trees, tenant: str, kind: str) -> None:
        self.tenant = tenant
        self.kind = kind
        self.hosts = ledger.hosts
        self.width = shared.width
        self.shared = shared
        self.own = Trees(self.hosts, self._room)
        self.loads: list[float] = []

    def first(self, wanted: Room, start: int) -> Iterator[HostState]:
        """Hosts with room, from this one on, in order. Room is necessary, not sufficient."""
        if not self.hosts:
            return
        width, stale = self.width, 0
        (memories, vcpus), (pairs, holes, sizes) = self.shared.trees, self.own.trees
        memory, vcpu, pair, hole, size = wanted
        # Subtrees that are still to be searched, the next one last.
        todo = self._from(start)
        while todo:
            at = todo.pop()
            if memories[at] < memory or vcpus[at] < vcpu or pairs[at] < pair or holes[at] < hole or sizes[at] < size:
                continue
            if at < width:
                todo += (2 * at + 1, 2 * at)
                continue
            host = self.hosts[at - width]
            if host.memory < memory or host.vcpus < vcpu:
                stale += 1
                if stale > STALE + len(self.hosts) // STALE:
                    self.shared.refresh_all()
                    stale = 0
                else:
                    self.shared.refresh(host)
                continue
            yield host
            # It did not fit, so the leaf may be out of date.
            self.refresh(host)

    def lightest(self, wanted: Room) -> Iterator[HostState]:
        """Hosts with room, the one with the least load first."""
        if not self.hosts:
            return
        if not self.loads:
            self.loads = tree_of([host.load() for host in self.hosts], FULL, min)
        trees = [*self.shared.trees, *self.own.trees]
        todo = [(self.loads[1], 1)]
        while todo:
            load, at = heapq.heappop(todo)
            if any(tree[at] < wants for tree, wants in zip(trees, wanted)):
                continue
            if at < self.width:
                for child in (2 * at, 2 * at + 1):
                    heapq.heappush(todo, (self.loads[child], child))
                continue
            host = self.hosts[at - self.width]
            true = host.load()
            if true > load:
                self.refresh(host)
                heapq.heappush(todo, (true, at))
                continue
            yield host
            self.refresh(host)

    def refresh(self, host: HostState) -> None:
        if self.loads:
            put(self.loads, self.width + host.index, host.load(), min)
        self.shared.refresh(host)
        self.own.refresh(host)

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

    def _room(self, host: HostState) -> tuple[int, ...]:
        """Of controllers that may be this tenant's."""
        if host.closed:
            return (-1, -1, -1)
        pairs = hole = size = 0
        for one in host.controllers:
            if one.closed or not one.serves(self.tenant, self.kind):
                continue
            pairs = max(pairs, one.spare)
            for namespace in one.namespaces:
                if not namespace.closed:
                    hole = max(hole, namespace.extents.largest)
                    size += namespace.extents.free
        return pairs, hole, size
