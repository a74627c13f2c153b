# SPDX-License-Identifier: GPL-3.0-or-later
"""The fewest hosts that any plan needs: a linear program, solved by HiGHS."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.intent import Intent
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.resources import Host
from scipy.optimize import linprog


def fewest_hosts(host: Host, intent: Intent) -> float:
    """VMs and controllers may be cut into pieces; a tenant's share of a controller is still its own."""
    wants: dict[str, Any] = defaultdict(lambda: numpy.zeros(2))
    memory = vcpus = 0
    for shape in intent.shapes.values():
        memory += shape.memory
        vcpus += shape.vcpus
        wants[shape.tenant] += (shape.least, shape.bytes)
    controller = host.controllers[0]
    has = numpy.array([controller.queue_pairs, sum(one.bytes for one in controller.namespaces)])
    # Variables: hosts, then the controllers of each tenant. Rows: A x <= b.
    tenants = sorted(wants)
    rows = [[-host.memory, *[0] * len(tenants)], [-host.vcpus, *[0] * len(tenants)]]
    limits = [-memory, -vcpus]
    rows.append([-len(host.controllers), *[1] * len(tenants)])
    limits.append(0)
    for at, tenant in enumerate(tenants):
        for want, each in zip(wants[tenant] / has, (1, 1)):
            row = [0] * (len(tenants) + 1)
            row[at + 1] = -each
            rows.append(row)
            limits.append(-want)
    cost = [1, *[0] * len(tenants)]
    solved = linprog(cost, A_ub=numpy.array(rows), b_ub=numpy.array(limits), method="highs")
    return float(solved.fun)
