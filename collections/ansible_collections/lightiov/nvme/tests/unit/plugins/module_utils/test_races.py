# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two control nodes deploy different wishes onto the same hosts at once: two processes, and hosts made of files."""

from __future__ import annotations

import multiprocessing
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.lightiov.nvme.plugins.module_utils._alone import alone
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._generation import accept, applying, generation
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._host_resources import describe
from ansible_collections.lightiov.nvme.plugins.module_utils._mdev import Wanted
from ansible_collections.lightiov.nvme.plugins.module_utils._mdev_difference import Request
from ansible_collections.lightiov.nvme.plugins.module_utils._mdev_plan import plan
from ansible_collections.lightiov.nvme.plugins.module_utils._partition import files, fleet
from ansible_collections.lightiov.nvme.plugins.module_utils._vms import vm_mdevs
from every_case import only_exhaustive
from fake_host import FakeHost
from in_process import InProcess, PlayedHost
from mdev_calls import A

pytestmark = pytest.mark.many_cases

FORK = multiprocessing.get_context("fork")
HOSTS = ("hv1", "hv2")
# Each fleet sees its first deployment and some after it.
# Of all fleets together there are a hundred.
FLEETS, RACES_EACH = 20, 5
MOST_TRIES = 200
TOLD = re.compile(
    r"The placements of (host hv\d were planned from its generation \d+, and it is at \d+|generation \d+ of this host "
    r"are not applied any further), because others have been (applied|accepted) since.*: take their files from version "
    r"control, and plan again with lightiov\.nvme\.plan"
)


def wish(name: str, **pins: str) -> dict[str, Any]:
    disks = [{"name": "data", "size": "1 MiB"}]
    return {"name": name, "tenant": "blue", "memory_mib": 16, "vcpus": 1, "queue_pairs": 1, "disks": disks, **pins}


@dataclass
class Operator:
    """A control node with a folder of placements, and the one through which operators share theirs."""

    directory: Path
    shared: Path
    hosts: dict[str, Host]
    # Where this one's list wants VMs to be.
    pins: dict[str, str] = field(default_factory=dict)
    # What the last plan said.
    told: list[str] = field(default_factory=list)

    def pull(self) -> None:
        with _one_at_a_time(self.shared):
            shutil.copytree(self.shared, self.directory, dirs_exist_ok=True)

    def lose(self) -> None:
        """Its files, which hosts have kept."""
        for path in self.directory.glob("*.yml"):
            path.unlink()

    def push(self, host: str) -> None:
        with _one_at_a_time(self.shared):
            shutil.copy(self.directory / f"{host}.yml", self.shared)

    def plan(self, names: Iterable[str]) -> dict[str, Any]:
        """As role partition asks the hosts, and lightiov.nvme.placements plans."""
        hosts = {}
        for name, host in self.hosts.items():
            path = self.directory / f"{name}.yml"
            written = yaml.safe_load(path.read_text()) if path.exists() else None
            # A file of the fake host is half written for a moment, as no attribute of a kernel is.
            with alone(host):
                found = describe(host, accepted=written is None)
            if written and written["lightiov_generation"] < found["generation"]:
                accept(host, name, written["lightiov_generation"], files.digest(written["lightiov_vms"]), act=False)
            settings = {"memory_mib": 1024, "vcpus": 64}
            vms = [wish(vm, host=self.pins[vm]) if vm in self.pins else wish(vm) for vm in names]
            hosts[name] = {"vms": vms, "found": found, "settings": settings, "placements": written}
        planned = fleet.partition(hosts, fleet.Policy("spread"))
        self.told = planned["refused"] + planned["cautions"]
        assert not planned["unplaced"]
        for name, text in planned["files"].items():
            (self.directory / f"{name}.yml").write_text(text)
        return {name: yaml.safe_load(text) for name, text in planned["files"].items()}

    def apply(self, placements: dict[str, Any], remove: bool = False) -> dict[str, str]:
        """As a deployment calls lightiov.nvme.generation and lightiov.nvme.mdev; what hosts refuse."""
        told = {}
        for name, content in placements.items():
            host, vms = self.hosts[name], content["lightiov_vms"]
            try:
                before, after = accept(host, name, content["lightiov_generation"], files.digest(vms), vms=vms)
                if before != after:
                    self.push(name)
                wanted = [Wanted.parse({"type": "lightiov-passthrough", **one}) for one in vm_mdevs(vms)]
                for phase in ("shrink", "grow"):
                    with applying(host, after.number):
                        for step in plan(host, Request(wanted, phase=phase, remove=remove), predict=False).steps:
                            step.run()
            except LightiovError as error:
                told[name] = str(error)
        return told

    def deploy(self, names: list[str], start: Any, results: Any) -> None:
        """When the other has planned as well."""
        placements = self.plan(names)
        start.wait(300)
        results.put(self.apply(placements))

    def race(self, mine: list[str], everyone: list[str], start: Any, results: Any) -> None:
        """Deploy one's own wishes when the other does; who is told that others were first does what they are told."""
        try:
            placements = self.plan(mine)
            assert not self.told
            [where] = [name for name in placements if mine[-1] in str(placements[name])]
            start.wait(300)
            told = self.apply(placements)
            lost = "were planned from" in told.get(where, "")
            tries = 0
            while told:
                assert all(TOLD.fullmatch(one) for one in told.values()), told
                tries += 1
                assert tries < MOST_TRIES
                self.pull()
                try:
                    told = self.apply(self.plan(everyone))
                    # What another run is about to make is told as well.
                    assert all("which it has accepted" in one for one in self.told), self.told
                except LightiovError as error:
                    told = {"plan": str(error)}
            results.put((where, lost))
        except BaseException as error:
            results.put(("", repr(error)))
            raise


@contextmanager
def _one_at_a_time(directory: Path) -> Iterator[None]:
    with alone(Host(directory.parent / "version-control")):
        yield


def hosts_of(directory: Path) -> dict[str, Host]:
    hosts = {}
    for number, name in enumerate(HOSTS):
        fake = FakeHost(directory / name)
        fake.install("driverctl", "mdevctl", "liov", "udevadm")
        fake.load_driver("lightiov")
        fake.add_controller(A, f"S{number}", driver="lightiov", namespaces=1)
        hosts[name] = PlayedHost(fake.root, InProcess(fake))
    return hosts


def operators_of(directory: Path, hosts: dict[str, Host], *names: str) -> list[Operator]:
    for folder in (*names, "shared"):
        (directory / folder).mkdir()
    return [Operator(directory / name, directory / "shared", hosts) for name in names]


def at_once(calls: Sequence[tuple[Callable[..., None], tuple[Any, ...]]]) -> list[Any]:
    """What processes put into a queue that start what they do at one moment."""
    start, results = FORK.Barrier(len(calls)), FORK.Queue()
    running = [FORK.Process(target=call, args=(*arguments, start, results)) for call, arguments in calls]
    for process in running:
        process.start()
    found = [results.get(timeout=300) for _process in running]
    for process in running:
        process.join()
    return found


def disks(hosts: dict[str, Host]) -> dict[str, list[dict[str, Any]]]:
    return {name: [disk for vm in describe(host)["placed"] for disk in vm["disks"]] for name, host in hosts.items()}


@pytest.mark.parametrize("fleets", [FLEETS // 5, only_exhaustive(FLEETS)])
def test_of_two_control_nodes_one_wins_and_the_other_is_told(tmp_path: Path, fleets: int) -> None:
    for fleet_number in range(fleets):
        directory = tmp_path / str(fleet_number)
        hosts = hosts_of(directory)
        operators = operators_of(directory, hosts, "one", "other")
        there: list[str] = []
        for number in range(RACES_EACH):
            new = [f"{owner}{number}" for owner in ("one", "other")]
            before = {name: generation(host).number for name, host in hosts.items()}
            operators[0].pull()
            operators[1].lose()
            ended = at_once([(operator.race, ([*there, vm], [*there, *new])) for operator, vm in zip(operators, new)])
            # Both wanted the same host for theirs: one got it.
            [(where, won), (same, lost)] = sorted(ended)
            assert (same, won, lost) == (where, False, True)
            there += new
            found = [vm["vm"] for host in hosts.values() for vm in describe(host)["placed"]]
            assert Counter(found) == Counter(there)
            for of in disks(hosts).values():
                parts = sorted((disk["first"], disk["first"] + disk["bytes"]) for disk in of)
                assert all(end <= after[0] for (_first, end), after in zip(parts, parts[1:]))
            after = {name: generation(host).number for name, host in hosts.items()}
            assert sum(after.values()) - sum(before.values()) >= 2
        shutil.rmtree(directory)


def test_deployment_that_was_interrupted_is_told_and_goes_on(tmp_path: Path) -> None:
    """Before its host has accepted its file, which is then only newer than the host, and after that."""
    hosts = hosts_of(tmp_path)
    [operator] = operators_of(tmp_path, hosts, "one")
    wishes = ["vm1", "vm2"]
    written = operator.plan(wishes)
    assert operator.plan(wishes) == written
    assert not operator.told
    for name, content in written.items():
        vms = content["lightiov_vms"]
        accept(hosts[name], name, content["lightiov_generation"], files.digest(vms), vms=vms)
    assert operator.plan(wishes) == written
    assert operator.told == [
        f"VM {vm} has disks by the placements of host {host}, which it has accepted, and none by the host itself: "
        "lightiov.nvme.deploy makes them; take out of lightiov_vms what is to be gone"
        for vm, host in (("vm1", "hv1"), ("vm2", "hv2"))
    ]
    assert not operator.apply(operator.plan(wishes))
    assert operator.plan(wishes) == written
    assert not operator.told


@pytest.mark.parametrize("races", [3, only_exhaustive(30)])
def test_vm_that_two_lists_put_on_two_hosts_at_once_is_on_both_and_the_next_plan_names_it(
    tmp_path: Path, races: int
) -> None:
    """No host knows what another has accepted, so none can refuse it."""
    for number in range(races):
        directory = tmp_path / str(number)
        hosts = hosts_of(directory)
        operators = operators_of(directory, hosts, "one", "other")
        there = ["vm1", "vm2"]
        assert not operators[0].apply(operators[0].plan(there))
        for operator, host in zip(operators, HOSTS):
            operator.pull()
            operator.pins = {"new": host}
        # Who comes to the other's host second is told that it has changed; at the own one nothing is wrong.
        refused = at_once([(operator.deploy, ([*there, "new"],)) for operator in operators])
        told = [one for by_host in refused for one in by_host.items()]
        assert len({host for host, _sentence in told}) == len(told)
        assert all(TOLD.fullmatch(sentence) for _host, sentence in told), told
        for name, host in hosts.items():
            assert "new" in [vm["vm"] for vm in describe(host)["placed"]], name
        # Whoever plans next, whatever their list says.
        for operator in operators:
            operator.pull()
            planned = operator.plan([*there, "new"])
            # Of a list that pins it to the other host, this is said after it.
            assert operator.told[0] == (
                "VM new is placed on host hv1 and on host hv2: remove it from the placements of the one that does not "
                "run it"
            )
            assert [name for name, content in planned.items() if "new" in str(content)] == ["hv1", "hv2"]
        # One of the two is taken away, whichever it is.
        kept, other = HOSTS[number % 2], HOSTS[1 - number % 2]
        operator = operators[number % 2]
        operator.pull()
        written = yaml.safe_load((operator.directory / f"{other}.yml").read_text())
        written["lightiov_vms"] = [vm for vm in written["lightiov_vms"] if vm["name"] != "new"]
        # As lightiov.nvme.plan notes that the file was changed with the host as it is.
        written["lightiov_generation"] = generation(hosts[other]).number
        (operator.directory / f"{other}.yml").write_text(yaml.safe_dump(written))
        assert not operator.apply(operator.plan([*there, "new"]), remove=True)
        assert not operator.told
        found = {name: [vm["vm"] for vm in describe(host)["placed"]] for name, host in hosts.items()}
        assert ("new" in found[kept], "new" in found[other]) == (True, False)
        operator.plan([*there, "new"])
        assert not operator.told
