# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that stay empty, and whether that is enough for the VMs of any one host that is lost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ansible_collections.lightiov.nvme.plugins.module_utils._partition.ledger import HostState
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.names import natural

if TYPE_CHECKING:
    from ansible_collections.lightiov.nvme.plugins.module_utils._partition.planner import Planner


def largest_empty(hosts: Iterable[HostState]) -> list[HostState]:
    empty = [host for host in hosts if not host.placed and not host.closed]
    return sorted(empty, key=lambda host: (-host.spec.memory, -len(host.controllers), -host.index))


def homeless(planner: Planner, reserved: Sequence[HostState]) -> dict[str, list[str]]:
    """By host, those of its VMs that find no room elsewhere when it is lost."""
    found = {}
    with _closed(planner, reserved, False):
        for host in planner.ledger.hosts:
            with _closed(planner, [host], True):
                left = _left_over(planner, host)
            if left:
                found[host.spec.name] = left
    return found


def _left_over(planner: Planner, lost: HostState) -> list[str]:
    """Of the VMs of a host; everything is as before afterwards."""
    gone = [planner.take(one.vm) for one in planner.placed_on(lost)]
    order = planner.order([one.vm for one in gone], without=lost)
    left = [vm for vm in order if not planner.add(vm)]
    others = [(vm, host) for vm in order if (host := planner.where(vm))]
    for vm, _host in others:
        planner.take(vm)
    for host in {host.index: host for _vm, host in others}.values():
        planner.refresh(host)
    for placement in gone:
        planner.restore(placement)
    return sorted(left, key=natural)


@contextmanager
def _closed(planner: Planner, hosts: Sequence[HostState], closed: bool) -> Iterator[None]:
    before = [host.closed for host in hosts]
    for host in hosts:
        host.closed = closed
        planner.refresh(host)
    try:
        yield
    finally:
        for host, was in zip(hosts, before):
            host.closed = was
            planner.refresh(host)
