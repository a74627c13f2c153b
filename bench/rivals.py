# SPDX-License-Identifier: GPL-3.0-or-later
"""First-fit and best-fit as everyone would write them, on the same ledger."""

from __future__ import annotations

from ansible_collections.lightiov.nvme.plugins.module_utils._partition import fit
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.intent import Intent
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.ledger import Ledger
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.resources import Host


def first_fit(hosts: list[Host], intent: Intent) -> Ledger:
    ledger = Ledger(hosts, intent.shapes)
    for vm, shape in intent.shapes.items():
        for host in ledger.hosts:
            if fit.place(ledger, host, vm, shape):
                break
    return ledger


def best_fit(hosts: list[Host], intent: Intent) -> Ledger:
    ledger = Ledger(hosts, intent.shapes)
    for vm, shape in intent.shapes.items():
        for host in sorted(ledger.hosts, key=lambda host: (host.memory + host.vcpus, host.index)):
            if fit.place(ledger, host, vm, shape):
                break
    return ledger


def used(ledger: Ledger) -> int:
    return sum(bool(host.placed) for host in ledger.hosts)
