# SPDX-License-Identifier: GPL-3.0-or-later
"""What VMs leave over on the fewest controllers that they need: the mix's doing, and no plan's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from ansible_collections.lightiov.nvme.plugins.module_utils._partition.intent import Shape
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.resources import Controller


def leftover(controller: Controller, shapes: Iterable[Shape]) -> tuple[float, float]:
    """Queue pairs, and bytes, that nobody can use, since the other of the two is used up there.

    VMs may be cut into pieces, and a tenant's last controller into parts: nothing packs more tightly. A plan that
    strands less has VMs on more controllers.
    """
    has = (controller.queue_pairs, sum(one.bytes for one in controller.namespaces))
    wants: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for shape in shapes:
        wants[shape.tenant][0] += shape.least
        wants[shape.tenant][1] += shape.bytes
    pairs = size = 0.0
    for want in wants.values():
        controllers = max(want[0] / has[0], want[1] / has[1])
        pairs += controllers * has[0] - want[0]
        size += controllers * has[1] - want[1]
    return pairs, size
