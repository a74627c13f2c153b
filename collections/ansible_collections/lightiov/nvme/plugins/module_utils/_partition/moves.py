# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What would have to go elsewhere for a VM to fit, or for a host to be empty. Listed for the operator, never done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ansible_collections.lightiov.nvme.plugins.module_utils._partition import fit
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.ledger import HostState
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.names import natural
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.placement import Placement
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.planner import Planner
from ansible_collections.lightiov.nvme.plugins.module_utils._size import show_size

# Hosts that are tried, and VMs of each that may go.
HOSTS_TRIED = 16
MOST_MOVES = 4


@dataclass(frozen=True)
class Move:
    """A VM with all its disks; `bytes` are what has to be copied while it is off."""

    vm: str
    source: str
    target: Placement
    bytes: int

    def __str__(self) -> str:
        return f"Move VM {self.vm} with {show_size(self.bytes)} from host {self.source} to host {self.target.host}"


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
    hosts = [
        host
        for host in planner.ledger.hosts
        if fit.allowed(host, shape) and host.placed and not planner.ledger.together(vm, host.spec)
    ]
    hosts.sort(key=lambda host: (max(shape.memory - host.memory, 0), max(shape.vcpus - host.vcpus, 0), host.index))
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
            return _elsewhere(trial, sorted(host.placed.values(), key=_heaviest_first))
    finally:
        host.closed = was
        planner.refresh(host)


def _make_room(planner: Planner, vm: str, host: HostState) -> list[Move] | None:
    victims = _victims(planner, vm, host)
    if victims is None:
        return None
    with _Trial(planner) as trial:
        gone = [trial.release(victim) for victim in victims]
        if not trial.place(vm, host):
            return None
        return _elsewhere(trial, sorted(gone, key=_heaviest_first), released=True)


def _victims(planner: Planner, vm: str, host: HostState) -> list[str] | None:
    """The lightest VMs without which the other one fits, and none of them in vain."""
    lightest = sorted(host.placed.values(), key=lambda one: (_bytes(one), one.memory, natural(one.vm)))
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
        with _Trial(planner) as trial:
            for other in fewer:
                trial.release(other)
            if fit.try_place(planner.ledger, host, vm, planner.intent.shapes[vm]):
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
