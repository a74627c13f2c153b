# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What would have to go elsewhere for a VM to fit, or for a host to be empty. Listed for the operator, never done."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from ansible_collections.lightiov.nvme.plugins.module_utils._partition import fit
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.ledger import HostState
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.names import natural
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.placement import Placement
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.planner import Planner
from ansible_collections.lightiov.nvme.plugins.module_utils._size import show_size

# Hosts that are tried, VMs of each that may go, and choices of these that are looked at and tried.
HOSTS_TRIED = 16
MOST_MOVES = 4
MOST_CHOICES = 20_000
MOST_TRIES = 500


@dataclass(frozen=True)
class Move:
    """A VM with all its disks; `bytes` are what is copied while it is off, which is how long that takes."""

    vm: str
    source: str
    target: Placement
    bytes: int

    def __str__(self) -> str:
        copied = f"{show_size(self.bytes)} of its disks are copied" if self.bytes else "it is defined there"
        where = f"from host {self.source} to host {self.target.host}"
        if self.target.host == self.source:
            serials = " and ".join(serial for serial, _count in self.target.queue_pairs)
            where = f"within host {self.source}, to controller {serials}"
        return f"Move VM {self.vm} {where}: it is off while {copied}"


class _Trial:
    """Changes of a planner's fleet, all taken back at the end."""

    def __init__(self, planner: Planner) -> None:
        self.planner = planner
        self.undo: list[Callable[[], object]] = []

    def __enter__(self) -> _Trial:
        return self

    def __exit__(self, *_error: object) -> None:
        for step in reversed(self.undo):
            step()

    def release(self, vm: str) -> Placement:
        placement = self.planner.release(vm)
        self.undo.append(lambda: self.planner.restore(placement))
        return placement

    def add(self, vm: str) -> Placement | None:
        placement = self.planner.add(vm)
        if placement:
            self.undo.append(lambda: self.planner.release(vm))
        return placement

    def place(self, vm: str, host: HostState) -> Placement | None:
        placement = self.planner.place(vm, host)
        if placement:
            self.undo.append(lambda: self.planner.release(vm))
        return placement


def moves_for(planner: Planner, vm: str) -> list[Move] | None:
    """The fewest bytes that have to go for the VM to fit; none if it fits or is placed; None if moves do not help."""
    with _Trial(planner) as trial:
        if planner.where(vm) or trial.add(vm):
            return []
    shape = planner.intent.shapes[vm]
    hosts = [host for host in planner.ledger.hosts if fit.allowed(host, shape) and planner.placed_on(host)]

    def most_likely_first(host: HostState) -> tuple[object, ...]:
        # One that the VM is to be apart from may be among those that can go.
        apart = bool(planner.ledger.together(vm, host.spec))
        return apart, max(shape.memory - host.memory, 0), max(shape.vcpus - host.vcpus, 0), host.index

    hosts.sort(key=most_likely_first)
    found = [moves for host in hosts[:HOSTS_TRIED] if (moves := _make_room(planner, vm, host)) is not None]
    return min(found, key=lambda moves: (sum(one.bytes for one in moves), len(moves)), default=None)


def moves_from(planner: Planner, name: str) -> list[Move] | None:
    """All that is on a host, elsewhere; None if there is no room for all of it."""
    host = planner.ledger.by_name[name]
    was = host.closed
    host.closed = True
    planner.refresh(host)
    try:
        with _Trial(planner) as trial:
            return _elsewhere(trial, sorted(planner.placed_on(host), key=_heaviest_first))
    finally:
        host.closed = was
        planner.refresh(host)


def _make_room(planner: Planner, vm: str, host: HostState) -> list[Move] | None:
    """The cheapest, if that is found soon; else what goes without the lightest VMs."""
    shape = planner.intent.shapes[vm]
    tries = 0
    for chosen in islice(_by_cost(planner.placed_on(host)), MOST_CHOICES):
        memory = host.memory + sum(one.memory for one in chosen)
        vcpus = host.vcpus + sum(one.vcpus for one in chosen)
        if memory < shape.memory or vcpus < shape.vcpus:
            continue
        names = [one.vm for one in chosen]
        if _fits_without(planner, vm, host, names) and (moves := _without(planner, vm, host, names)) is not None:
            return moves
        tries += 1
        if tries == MOST_TRIES:
            break
    victims = _victims(planner, vm, host)
    return None if victims is None else _without(planner, vm, host, victims)


def _fits_without(planner: Planner, vm: str, host: HostState, victims: Sequence[str]) -> bool:
    """Whether the VM has room on a host that these have left, wherever they go."""
    gone = [planner.take(victim) for victim in victims]
    fits = fit.try_place(planner.ledger, host, vm, planner.intent.shapes[vm])
    for placement in reversed(gone):
        planner.restore(placement)
    return fits


def _without(planner: Planner, vm: str, host: HostState, victims: Sequence[str]) -> list[Move] | None:
    """The moves of these VMs that let the other one in."""
    with _Trial(planner) as trial:
        gone = [trial.release(victim) for victim in victims]
        if not trial.place(vm, host):
            return None
        return _elsewhere(trial, sorted(gone, key=_heaviest_first), released=True)


def _by_cost(placements: Iterable[Placement]) -> Iterator[list[Placement]]:
    """All choices of a few, the one with the fewest bytes first, and of those the one of the fewest VMs."""
    lightest = sorted(placements, key=_lightest_first)
    todo: list[tuple[int, int, tuple[int, ...]]] = [(_bytes(one), 1, (at,)) for at, one in enumerate(lightest[:1])]
    while todo:
        cost, count, chosen = heapq.heappop(todo)
        yield [lightest[at] for at in chosen]
        last = chosen[-1]
        if last + 1 == len(lightest):
            continue
        # Each choice follows from one other alone: its last one is exchanged for the next, or the next is added.
        following = _bytes(lightest[last + 1])
        heapq.heappush(todo, (cost - _bytes(lightest[last]) + following, count, (*chosen[:-1], last + 1)))
        if count < MOST_MOVES:
            heapq.heappush(todo, (cost + following, count + 1, (*chosen, last + 1)))


def _victims(planner: Planner, vm: str, host: HostState) -> list[str] | None:
    """The lightest VMs without which the other one fits, and none of them in vain."""
    lightest = sorted(planner.placed_on(host), key=_lightest_first)
    with _Trial(planner) as trial:
        chosen: list[str] = []
        for one in lightest:
            # A controller of another tenant's is of use only when all of that tenant are gone.
            chosen.append(one.vm)
            trial.release(one.vm)
            if fit.try_place(planner.ledger, host, vm, planner.intent.shapes[vm]):
                break
        else:
            return None
    for victim in chosen[:-1][::-1]:
        fewer = [other for other in chosen if other != victim]
        if _fits_without(planner, vm, host, fewer):
            chosen = fewer
    return chosen if len(chosen) <= MOST_MOVES else None


def _elsewhere(trial: _Trial, leaving: Sequence[Placement], released: bool = False) -> list[Move] | None:
    moves = []
    for one in leaving:
        if not released:
            trial.release(one.vm)
        target = trial.add(one.vm)
        if target is None:
            return None
        moves.append(Move(one.vm, one.host, target, _bytes(one)))
    return moves


def _bytes(placement: Placement) -> int:
    return sum(one.size for one in placement.slices)


def _heaviest_first(placement: Placement) -> tuple[object, ...]:
    return -_bytes(placement), -placement.memory, natural(placement.vm)


def _lightest_first(placement: Placement) -> tuple[object, ...]:
    return _bytes(placement), placement.memory, natural(placement.vm)
