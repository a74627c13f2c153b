# SPDX-License-Identifier: GPL-3.0-or-later
"""Hundreds of VMs and their mediated devices on one host: what one costs does not grow with their number.

They do not run, for which no lab has the memory: all else of a deployment is done for each.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from fleet import Ansible, changed
from passthrough import Controller, Mdev
from runs import watched

from lab import Host, Lab, wait_until
from lab.paths import PROJECT

pytestmark = pytest.mark.slow

SERIAL = "LIOV5A"
NUMBERS = (10, 100, 300)
QUEUE_PAIRS = 512
SAMPLE = 5
ROUNDS = 3
# That of one VM among hundreds, in what one costs among few: the rest is the slow machine's.
STEEPEST = 1.5
# Of one call that finds nothing to do, beyond what a call takes that asks for nothing.
UNCHANGED_SECONDS = 3
# Less than 2 KiB for each mdev of two rounds.
SLAB_KIB = 1024
UNITS = "systemctl show --property=ActiveEnterTimestampMonotonic,ActiveExitTimestampMonotonic"
SLAB = """
sync; echo 3 > /proc/sys/vm/drop_caches
for cache in /sys/kernel/slab/*/shrink; do echo 1 > $cache; done 2>/dev/null
awk '/SUnreclaim/ { print $2 }' /proc/meminfo
"""


@dataclass(frozen=True)
class Many:
    """VMs of host5, each with a part of a namespace and a queue pair of its own."""

    ansible: Ansible
    host: Host
    inventory: Path

    def write(self, number: int, state: str = "stopped") -> None:
        disk = {"name": "data", "controller": SERIAL, "namespace": 1, "size": "2 MiB"}
        vms = [{"name": f"many{one}", "tenant": "red", "state": state, "disks": [disk]} for one in range(1, number + 1)]
        variables = {
            "lab_ssh_config": str(self.host.ssh_config),  # the lab's inventory looks for it beside itself
            "lightiov_controllers": [{"serial": SERIAL}],
            "lightiov_vms": vms,
            "lightiov_vm_image": "/dev/disk/by-id/virtio-guestbase",
            "lightiov_image_driver": False,
            "lightiov_guest_kernels": [],
            "lightiov_removals_max": 1000,
        }
        self.inventory.write_text(yaml.safe_dump({"lightiov_hosts": {"hosts": {self.host.name: variables}}}))

    @property
    def inventories(self) -> tuple[str, ...]:
        return "-i", str(PROJECT / "inventories/lab-pinned"), "-i", str(self.inventory)

    def deploy(self, number: int, state: str = "stopped") -> tuple[float, int]:
        """So many VMs; seconds that it took, and what it changed on the host."""
        self.write(number, state)
        began = time.monotonic()
        run = self.ansible.playbook("playbooks/deploy.yml", *self.inventories, "--limit", self.host.name)
        took = time.monotonic() - began
        assert run.returncode == 0, run.stdout[-4000:]
        return took, changed(run)[self.host.name]

    def remove(self, number: int) -> None:
        self.deploy(number, "absent")
        self.host.run("rm -f /var/lib/libvirt/images/many*")

    def module(self, name: str, arguments: dict[str, Any], *options: str) -> dict[str, Any]:
        said = self.ansible.module(self.host.name, name, arguments, *self.inventories, *options)
        assert not said["failed"], said
        return said

    def mdev(self, mdevs: list[dict[str, Any]], *options: str) -> tuple[dict[str, Any], float]:
        """A call of the module; what it said, and the seconds that it took on the host."""
        with watched(self.host) as ended:
            said = self.module("mdev", {"mdevs": mdevs, "remove": True}, *options)
        [(name, seconds)] = ended
        assert name == "mdev"
        return said, seconds


@pytest.fixture(scope="module")
def many(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Many]:
    lab.up(("host5",))
    made = Many(Ansible(), lab.host("host5"), tmp_path_factory.mktemp("many") / "hosts.yml")
    made.deploy(0)
    yield made
    lab.reset(("host5",))


@pytest.fixture
def mdevs(many: Many) -> list[dict[str, Any]]:
    """What module mdev makes of the longest list of VMs."""
    many.deploy(max(NUMBERS))
    found = many.module("mdev_info", {})["mdevs"]
    assert len(found) == max(NUMBERS)
    disk = {"name": "data", "namespace": 1, "size": "2 MiB"}
    keys = ("uuid", "label", "tenant", "queue_pairs")
    return [{**{key: mdev[key] for key in keys}, "parent": SERIAL, "disks": [disk]} for mdev in found]


def test_what_a_vm_costs_does_not_grow(many: Many, capsys: pytest.CaptureFixture[str]) -> None:
    made, again = {}, {}
    for number in NUMBERS:
        made[number], _ = many.deploy(number)
        again[number], unchanged = many.deploy(number)
        assert unchanged == 0
        many.remove(number)
        with capsys.disabled():
            print(
                f"\n{number} VMs: {made[number]:.0f} s, {made[number] / number:.2f} s each; again {again[number]:.0f} s"
            )
    few, some, most = NUMBERS
    for times in (made, again):
        early, late = ((times[b] - times[a]) / (b - a) for a, b in ((few, some), (some, most)))
        assert late <= max(STEEPEST * early, 0.1), times


def nothing_is_left(controller: Controller) -> None:
    host = controller.host
    assert host.run("ls /sys/bus/mdev/devices; mdevctl list --defined").stdout == ""
    assert int(controller.read("queue_pairs_free")) == QUEUE_PAIRS
    assert set(controller.namespaces().values()) == {"-"}
    pins = host.run("grep -E '^nr_foll_pin_(acquired|released)' /proc/vmstat").stdout.split()[1::2]
    assert len(set(pins)) == 1, "memory is pinned for nobody"


def vectors(host: Host) -> int:
    """That are requested."""
    return int(host.run("grep -c lightiov /proc/interrupts").stdout)


def test_hundreds_of_mdevs(many: Many, mdevs: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]) -> None:
    host = many.host
    controller = Controller.find(host, SERIAL)
    seen = len(host.kernel_log())

    def show(text: str) -> None:
        with capsys.disabled():
            print(f"\n{text}", flush=True)

    handles = [Mdev(host, controller, mdev["uuid"]) for mdev in mdevs]
    sample = handles[:: len(handles) // SAMPLE]
    listing = host.run("cat /sys/bus/mdev/devices/*/queues").stdout.splitlines()
    assert len({line.split()[1] for line in listing}) == len(mdevs), "a hardware queue pair has two owners"
    for mdev in sample:
        mdev.liov("verify", "--disk data --count 256 --yes-destroy-data", timeout=300)
    base = window_of(sample[0])

    unchanged, with_all = many.mdev(mdevs)
    assert not unchanged["changed"]
    # The same work of Ansible and Python, for a list of nothing.
    _, with_none = many.mdev([], "--check")
    show(f"{len(mdevs)} mdevs, nothing to change: {with_all:.1f} s, of it {with_none:.1f} s for an empty list")
    assert with_all - with_none < UNCHANGED_SECONDS

    began = time.monotonic()
    host.reboot()
    up = time.monotonic() - began
    count = "ls /sys/bus/mdev/devices | wc -l"
    wait_until(lambda: int(host.run(count).stdout) == len(mdevs), "all mdevs after the reboot", 600)
    show(f"rebooted: SSH answers after {up:.0f} s, all mdevs are there after {time.monotonic() - began:.0f} s")
    enters = re.findall(r"ActiveEnter\w+=(\d+)", (units := host.run(f"{UNITS} 'sys-bus-mdev-devices-*.device'").stdout))
    assert len(enters) == len(mdevs) and "0" not in enters
    assert set(re.findall(r"ActiveExit\w+=(\d+)", units)) == {"0"}, "an mdev was started more than once"
    spread = (int(max(enters, key=int)) - int(min(enters, key=int))) / 1e6
    show(f"from the first to the last of them {spread:.1f} s")
    mdev_pins = host.run("cat /sys/bus/mdev/devices/*/statistics/pinned_bytes").stdout.split()
    assert set(mdev_pins) == {"0"}

    left = []
    for number in range(1, ROUNDS + 1):
        gone, seconds_gone = many.mdev([])
        assert gone["changed"]
        nothing_is_left(controller)
        left.append((vectors(host), int(host.run(SLAB).stdout)))
        made, seconds_made = many.mdev(mdevs)
        assert len([one for one in made["actions"] if one["action"] == "start"]) == len(mdevs)
        sample[number].liov("verify", "--disk data --count 256 --yes-destroy-data", timeout=300)
        assert window_of(sample[0]) == base
        show(f"round {number}: removed in {seconds_gone:.1f} s, made in {seconds_made:.1f} s; left {left[-1]}")
    assert len({requested for requested, _ in left}) == 1
    assert left[-1][1] - left[0][1] < SLAB_KIB
    assert host.kernel_problems(since=seen) == []


def window_of(mdev: Mdev) -> str:
    """Where its window is, while it is open."""
    with mdev.held():
        return mdev.read("window")
