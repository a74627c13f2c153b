# SPDX-License-Identifier: GPL-3.0-or-later
"""Fleets to plan: hosts that are alike, VMs of a few kinds and many sizes, the same for the same seed."""

from __future__ import annotations

import random
from dataclasses import dataclass

from ansible_collections.lightiov.nvme.plugins.module_utils._partition.intent import Disk, Intent, Shape
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.resources import Controller, Host, Namespace

GIB = 1 << 30
VMS_PER_HOST = 200
TENANTS_PER_THOUSAND_VMS = 0.5


@dataclass(frozen=True)
class Kind:
    """Of VMs, and how many of a hundred are of it; memory and disk in GiB."""

    name: str
    share: int
    memory: int
    vcpus: int
    queue_pairs: int
    disk: int


KINDS = (
    Kind("web", 60, 1, 1, 1, 20),
    Kind("app", 20, 8, 2, 2, 50),
    Kind("db", 5, 32, 8, 8, 400),
    Kind("cache", 2, 48, 4, 2, 20),
    Kind("batch", 5, 8, 8, 4, 100),
    Kind("archive", 8, 4, 1, 1, 800),
)


def hosts(count: int) -> list[Host]:
    """Of 8 controllers each, with 64 queue pairs and 3.75 TiB."""
    return [
        Host(
            f"hv{number}",
            memory=1152 << 10,
            vcpus=416,
            controllers=tuple(
                Controller(f"S{number}-{slot}", 64, (Namespace("1", 3840 * GIB, 1),)) for slot in range(8)
            ),
        )
        for number in range(count)
    ]


def vms(count: int, seed: int = 1) -> Intent:
    chance = random.Random(seed)
    tenants = max(4, int(count * TENANTS_PER_THOUSAND_VMS / 1000))
    shapes: dict[Shape, Shape] = {}
    wanted = {}
    for number in range(count):
        kind = chance.choices(KINDS, [one.share for one in KINDS])[0]
        # No two customers want the same.
        size = kind.disk + chance.randrange(-kind.disk // 10, kind.disk // 10 + 1)
        one = shape(kind, f"t{chance.randrange(tenants)}", size)
        wanted[f"{kind.name}{number}"] = shapes.setdefault(one, one)
    return Intent(wanted, {})


def shape(kind: Kind, tenant: str, size: int) -> Shape:
    return Shape(
        tenant,
        "passthrough",
        kind.memory << 10,
        kind.vcpus,
        (Disk("data", size * GIB),),
        kind.queue_pairs,
        kind.queue_pairs,
    )
