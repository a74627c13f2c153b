# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same plan from two runs of Python, in which sets have different orders."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils._partition.fleet import Policy, partition
from fleets import described, host, vm

RACKS = ["rack_a", "rack_b", "rack_c"]


def planned() -> dict[str, Any]:
    """Of a fleet with all that is kept in sets: rules, groups, addresses, tenants; some of it does not fit."""
    pool = {"network": "10.0.0.0/24", "ranges": ["10.0.0.2-10.0.0.5"]}
    names = [f"hv{number}" for number in range(9)]
    hosts = {
        name: host(name, gib=40, groups=[RACKS[at % 3], "all"], address_pool=pool, generation=1, placed=[])
        for at, name in enumerate(names)
    }
    tenants = ["blue", "green", "red", "white"]
    vms = [
        *(vm(f"{one}[1:6]", one, address="pool", pairs={"wanted": 4, "least": 1}) for one in tenants),
        *(
            vm(f"{one}-{at}", one, gib=15, group=RACKS[at], apart={"from": [f"{one}[1:6]", f"{one}-{(at + 1) % 3}"]})
            for one in tenants
            for at in range(3)
        ),
        vm("web[1:5]", "green", apart={"from": ["web[1:5]", "blue1", "red2"], "over": RACKS}),
        vm("large", "red", gib=39),
    ]
    fleet = described(hosts, vms)
    fleet["hv3"]["settings"] = {"cordon": "all"}
    return partition(fleet, Policy(moves_for=["large"], moves_from=["hv0", "hv4"]))


def test_plan_is_the_same_whatever_the_order_of_sets() -> None:
    def told(seed: str) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        return subprocess.run(
            [sys.executable, __file__], env=environment, check=True, capture_output=True, text=True
        ).stdout

    first = told("1")
    result = json.loads(first)
    assert all(result[part] for part in ("files", "unplaced", "moves"))
    assert {told(seed) for seed in ("2", "3")} == {first}


if __name__ == "__main__":
    print(json.dumps(planned()))
