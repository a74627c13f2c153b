# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._host_resources import cpus, describe
from fake_host import FakeHost


def test_what_the_host_has(host: Host, fake: FakeHost) -> None:
    fake.write("/proc/meminfo", "MemTotal:       16384000 kB\nMemFree: 1 kB\n")
    fake.write("/sys/devices/system/cpu/online", "0-3,8\n")
    fake.add_controller("0000:01:00.0", "S1", driver="lightiov", namespaces=1)
    fake.add_controller("0000:02:00.0", "S2")
    found = describe(host)
    assert (found["generation"], found["memory_mib"], found["vcpus"]) == (0, 16000, 5)
    assert [(one["serial"], one["queue_pairs"]) for one in found["controllers"]] == [("S1", 64)]
    assert found["controllers"][0]["namespaces"][0]["bytes"] > 0
    assert (found["nodes"], found["placed"]) == ({}, [])


def test_nodes_are_told_when_there_are_several(host: Host, fake: FakeHost) -> None:
    for node in range(2):
        fake.write(f"/sys/devices/system/node/node{node}/meminfo", f"Node {node} MemTotal:       1024000 kB\n")
        fake.write(f"/sys/devices/system/node/node{node}/cpulist", f"{node * 2}-{node * 2 + 1}\n")
    assert describe(host)["nodes"]["1"] == {"memory_mib": 1000, "vcpus": 2, "cpus": "2-3"}


def test_cpus_are_counted() -> None:
    assert cpus("0-3,8,10-11") == [0, 1, 2, 3, 8, 10, 11]
    assert cpus("") == []
