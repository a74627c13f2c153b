# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Queue pairs beyond the least, for those that have just been placed."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import replace

from ansible_collections.lightiov.nvme.plugins.module_utils._partition.intent import Shape
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.ledger import Ledger
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.names import natural


def share(ledger: Ledger, shapes: Mapping[str, Shape], placed: Iterable[str]) -> None:
    """One by one, each to whoever has the least for its weight.

    Only to new ones: another number of queue pairs takes a running VM's disk away for a moment.
    """
    new = set(placed)
    for host in ledger.hosts:
        for state in host.controllers:
            spare = min(state.queue_pairs, state.vectors)
            if spare <= 0:
                continue
            pairs = {vm: count for vm, count in state.vms.items() if vm in new and count < shapes[vm].queue_pairs}
            waiting = [((count + 1) / shapes[vm].weight, natural(vm), vm) for vm, count in pairs.items()]
            heapq.heapify(waiting)
            while spare and waiting:
                _key, order, vm = heapq.heappop(waiting)
                pairs[vm] += 1
                spare -= 1
                if pairs[vm] < shapes[vm].queue_pairs:
                    heapq.heappush(waiting, ((pairs[vm] + 1) / shapes[vm].weight, order, vm))
            for vm, count in pairs.items():
                if count != state.vms[vm]:
                    placement = host.placed[vm]
                    all_pairs = {**dict(placement.queue_pairs), state.spec.serial: count}
                    ledger.amend(host, replace(placement, queue_pairs=tuple(sorted(all_pairs.items()))))
