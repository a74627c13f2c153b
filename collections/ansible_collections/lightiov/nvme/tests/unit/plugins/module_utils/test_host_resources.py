# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._host_resources import cpus, describe
from fake_host import GRANULARITY, FakeHost
from mdev_calls import U1, U2, A, B, act, disk, one

MIB = 1 << 20
NGUID = "eui.0123456789abcdef0123456789abcdef"


def test_what_the_host_has(host: Host, fake: FakeHost) -> None:
    fake.write("/proc/meminfo", "MemTotal:       16384000 kB\nMemFree: 1 kB\n")
    fake.write("/sys/devices/system/cpu/online", "0-3,8\n")
    fake.add_controller("0000:01:00.0", "S1", driver="lightiov", namespaces=1)
    fake.add_controller("0000:02:00.0", "S2")
    found = describe(host)
    assert (found["generation"], found["memory_mib"], found["vcpus"]) == (0, 16000, 5)
    told_of = [(one["serial"], one["queue_pairs"], one["windows"]) for one in found["controllers"]]
    assert told_of == [("S1", 64, 510 << 30)]
    [namespace] = found["controllers"][0]["namespaces"]
    assert (namespace["nsid"], namespace["granularity"]) == (1, GRANULARITY)
    assert namespace["bytes"] > 0
    assert (found["nodes"], found["placed"]) == ({}, [])


def told(
    name: str, pairs: int, namespace: tuple[str, str], place: tuple[int, int] = (0, 0), read_only: bool = False
) -> dict[str, object]:
    """A disk; a whole namespace has no bytes."""
    of = dict(zip(("controller", "namespace", "first", "bytes"), namespace + place))
    return {"name": name, "queue_pairs": pairs, **of, "read_only": read_only}


def test_what_vms_have_is_told_of_mdevs_that_are_active_or_only_defined(host: Host, fake: FakeHost) -> None:
    fake.add_controller(A, "S1", driver="lightiov", ids={1: NGUID})
    fake.add_controller(B, "S2", driver="lightiov")
    parts = [disk("2", "log", size="100 MiB"), disk("2", "tmp", size="30 MiB")]
    act(host, one(U1, disks=[disk("1"), *parts]), one(U2, parent="S2", label="vm2", tenant="red", queue_pairs=3))
    vm1 = {
        "vm": "vm1",
        "tenant": "blue",
        "disks": [
            told("data", 2, ("S1", NGUID)),
            told("log", 2, ("S1", "2"), (0, 100 * MIB)),
            told("tmp", 2, ("S1", "2"), (100 * MIB, 30 * MIB)),
        ],
    }
    vm2 = {"vm": "vm2", "tenant": "red", "disks": [told("data", 3, ("S2", "1"))]}
    assert describe(host)["placed"] == [vm1, vm2]
    for uuid in (U1, U2):
        fake.mdevctl("stop", "--uuid", uuid)
    assert describe(host)["placed"] == [vm1, vm2]
    fake.mdevctl("start", "--uuid", U1, "--parent", A)
    for uuid, address in ((U1, A), (U2, B)):
        fake.mdevctl("undefine", "--uuid", uuid, "--parent", address)
    assert describe(host)["placed"] == [vm1]


def test_disks_of_a_vm_on_two_controllers_are_told_together(host: Host, fake: FakeHost) -> None:
    for address, serial in ((A, "S1"), (B, "S2")):
        fake.add_controller(address, serial, driver="lightiov")
    act(
        host,
        one(U1, disks=[disk("1", read_only=True)]),
        one(U2, parent="S2", queue_pairs=1, disks=[disk("3", "log", size="1 MiB")]),
    )
    disks = [told("data", 2, ("S1", "1"), read_only=True), told("log", 1, ("S2", "3"), (0, MIB))]
    assert describe(host)["placed"] == [{"vm": "vm1", "tenant": "blue", "disks": disks}]


def test_nodes_are_told_when_there_are_several(host: Host, fake: FakeHost) -> None:
    for node in range(2):
        fake.write(f"/sys/devices/system/node/node{node}/meminfo", f"Node {node} MemTotal:       1024000 kB\n")
        fake.write(f"/sys/devices/system/node/node{node}/cpulist", f"{node * 2}-{node * 2 + 1}\n")
    assert describe(host)["nodes"]["1"] == {"memory_mib": 1000, "vcpus": 2, "cpus": "2-3"}


def test_cpus_are_counted() -> None:
    assert cpus("0-3,8,10-11") == [0, 1, 2, 3, 8, 10, 11]
    assert cpus("") == []
