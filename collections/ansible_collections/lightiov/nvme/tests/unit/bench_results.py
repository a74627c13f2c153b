# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measurements as visits return them, of a host on which everything is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils._bench import order, plan
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.contenders import CONTENDERS
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.goals import DEPTHS
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.plan import Visit

SETTINGS = {"serial": "S1", "vcpus": 2, "seconds": 3.0, "workloads": ["randread-qd1"]}
WORKLOADS = DEPTHS


def measurement(iops: float, **changes: Any) -> dict[str, Any]:
    per_io = {"host_interrupts": 1.0, "outside_us": 10.0, "guest_interrupts": 1.0, "exits": 2.0}
    found = {
        "iops": iops,
        "bytes_per_second": iops * 4096,
        "mean_us": 1e6 / iops,
        "p50_us": 0.9e6 / iops,
        "p99_us": 2e6 / iops,
        "steal": 0.0,
        "control": [0.1, 0.1],
        "per_io": {**per_io, **changes.pop("per_io", {})},
        "exit_reasons": {"HLT": 0.75, "interrupt": 0.25},
        "command": "fio --name=read",
    }
    return {**found, **changes}


def visit(measurements: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    found = {
        "schema": order.SCHEMA,
        "boot_id": "first",
        "host": {"kernel": "6.12", "cpu": "2 x CPU", "qemu": "10.0", "emulated": "no", "drive": "Drive   "},
        "others_cpus": 0.1,
        "configuration": {"driver on the host": "vfio-pci"},
        "set_up_seconds": 1.0,
        "boot_seconds": 2.0,
        "disk_seconds": 3.0,
        "tear_down_seconds": 1.0,
        "seconds": 60.0,
        "measurements": dict(measurements),
    }
    return {**found, **changes}


def results(
    iops: Mapping[str, Sequence[float]], workloads: Sequence[str] = WORKLOADS, **changes: Any
) -> dict[Visit, dict[str, Any]]:
    """The same in every workload: of each contender, a value for each round."""
    found = {}
    for one in plan.order(list(iops), max(map(len, iops.values()))):
        if one.round < len(iops[one.contender]):
            measured = measurement(iops[one.contender][one.round], **changes)
            found[one] = visit(dict.fromkeys(workloads, measured))
            if not CONTENDERS[one.contender].virtual:
                del found[one]["boot_seconds"], found[one]["disk_seconds"]
    return found
