# SPDX-License-Identifier: GPL-3.0-or-later
"""The planning part of a deployment, with what hosts are recorded to have; no host is changed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.simulated import REPLAYED
from lab.paths import PROJECT

GIB = 1 << 30
PLACE = {"name": "data", "controller": "HV1", "namespace": "1", "size": "10 GiB", "queue_pairs": 2}
PINNED = {"name": "vm1", "tenant": "blue", "guest_install": "none", "disks": [PLACE]}


def vm(name: str, gib: int = 10, **options: Any) -> dict[str, Any]:
    wish = {"tenant": "blue", "memory_mib": 16, "vcpus": 1, "queue_pairs": 2}
    return {"name": name, **wish, "disks": [{"name": "data", "size": f"{gib} GiB"}], **options}


def recorded(name: str, **found: Any) -> dict[str, Any]:
    """What a host has that has one controller."""
    namespace = {"nsid": 1, "id": "", "bytes": 100 * GIB}
    controller = {"serial": name.upper(), "queue_pairs": 8, "vectors": 8, "numa_node": 0, "namespaces": [namespace]}
    here = {"generation": 0, "digest": "", "memory_mib": 4096, "vcpus": 8, "nodes": {}, "placed": []}
    return {**here, "controllers": [controller], **found}


@dataclass
class Fleet:
    directory: Path
    # By host; for others see `recorded`.
    found: dict[str, dict[str, Any]] = field(default_factory=dict)
    actions: dict[str, list[dict[str, str]]] = field(default_factory=dict)

    def run(
        self, vms: list[dict[str, Any]] | None, *options: str, playbook: str = "deploy.yml", **hosts: dict[str, Any]
    ) -> subprocess.CompletedProcess[str]:
        """Hosts hv1 and hv2 unless others are given, with their own variables: the list too, where there are no VMs."""
        hosts = hosts or {"hv1": {}, "hv2": {}}
        variables = {
            "ansible_connection": "recorded",
            "recording": f"{self.directory}/{{{{ inventory_hostname }}}}.json",
            "ansible_python_interpreter": sys.executable,
            "lightiov_reach_timeout": 1,
            "lightiov_controllers": [],
            **({} if vms is None else {"lightiov_vms": vms}),
        }
        inventory = {"lightiov_hosts": {"hosts": hosts, "vars": variables}, "lightiov_guests": {}}
        (self.directory / "hosts.yml").write_text(yaml.safe_dump(inventory))
        for name in hosts:
            self.record(name)
        return subprocess.run(
            ["ansible-playbook", "--inventory", self.directory / "hosts.yml", PROJECT / "playbooks" / playbook,
             *(("--tags", "partition") if playbook == "deploy.yml" else ()), *options],
            cwd=PROJECT, env={**os.environ, **REPLAYED}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=600, check=False,
        )  # fmt: skip

    def record(self, name: str) -> None:
        """What its modules answer; one that has no answer here fails when it is asked."""
        found = self.found.get(name) or recorded(name)
        taken = [{"serial": one["serial"], "driver": "lightiov"} for one in found["controllers"]]
        modules = {
            "ping": {"ping": "pong"},
            "host_info": found,
            "controller": {"actions": self.actions.get(name, []), "controllers": taken},
        }
        recording = {"modules": modules, "here": ["generation"], "scripts": {}}
        (self.directory / f"{name}.json").write_text(json.dumps(recording))

    @property
    def files(self) -> dict[str, str]:
        return {file.stem: file.read_text() for file in sorted((self.directory / "placements").glob("*.yml"))}

    @property
    def placed(self) -> dict[str, list[str]]:
        return {
            host: [one["name"] for one in yaml.safe_load(text)["lightiov_vms"]] for host, text in self.files.items()
        }


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


def guests(run: subprocess.CompletedProcess[str]) -> set[str]:
    """The VMs that joined the inventory."""
    added = [line for line in run.stdout.splitlines() if "(item=" in line]
    return {line.split("(item=")[1].rstrip(")") for line in added}


def test_intent_alone_is_placed_and_stays(fleet: Fleet) -> None:
    first = fleet.run([vm("web[1:3]")])
    assert first.returncode == 0, first.stdout + first.stderr
    assert fleet.placed == {"hv1": ["web1", "web2", "web3"], "hv2": []}
    assert guests(first) == {"web1 on hv1", "web2 on hv1", "web3 on hv1"}
    # None of which is entered.
    assert "Look at the mediated devices" not in first.stdout
    before = fleet.files

    # No room beside them on hv1. The difference is that of a run, and is of this VM alone.
    more = [vm("web[1:3]"), vm("large", 75)]
    checked = fleet.run(more, "--check", "--diff")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert fleet.files == before
    assert guests(checked) == guests(first) | {"large on hv2"}
    shown = [line for line in checked.stdout.splitlines() if line.startswith(("+  ", "-  "))]
    assert shown[0] == "+  - name: large"
    assert not [line for line in shown if line.startswith("-  ")]
    done = fleet.run(more, "--diff")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith(("+  ", "-  "))] == shown
    assert fleet.placed == {"hv1": ["web1", "web2", "web3"], "hv2": ["large"]}
    assert fleet.files["hv1"] == before["hv1"]

    after = fleet.files
    again = fleet.run(more)
    assert (fleet.files, again.stdout.count("changed=0")) == (after, 6), again.stdout


def test_addresses_are_of_the_pool_of_each_hosts_network(fleet: Fleet) -> None:
    # As docs/planning.md has it.
    subnet = "ansible.utils.ipsubnet(24, groups['lightiov_hosts'].index(inventory_hostname))"
    pool = {"lightiov_address_pool": {"network": f"{{{{ '10.20.0.0/16' | {subnet} }}}}"}}
    fleet.found["hv1"] = recorded("hv1", network={"addresses": ["10.20.0.1"], "leases": {"10.20.0.2": "gone"}})
    run = fleet.run([vm("web[1:2]", 60, address="pool")], hv1=pool, hv2=pool)
    assert run.returncode == 0, run.stdout + run.stderr
    given = {
        host: {one["name"]: one["address"] for one in yaml.safe_load(text)["lightiov_vms"]}
        for host, text in fleet.files.items()
    }
    assert given == {"hv1": {"web1": "10.20.0.3"}, "hv2": {"web2": "10.20.1.2"}}
    assert guests(run) == {"web1 on hv1", "web2 on hv2"}


def test_lists_by_hand_need_no_plan_and_no_connection(fleet: Fleet) -> None:
    away = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
    run = fleet.run([], hv1={"lightiov_vms": [PINNED], **away}, hv2=away)
    assert "Ask the host" not in run.stdout
    assert "TASK [lightiov.nvme.partition : Plan]" not in run.stdout
    assert not (fleet.directory / "placements").exists()


def test_hosts_outside_the_limit_keep_what_they_have(fleet: Fleet) -> None:
    first = fleet.run([vm("web[1:2]", 40)])
    assert fleet.placed == {"hv1": ["web1", "web2"], "hv2": []}, first.stdout
    before = fleet.files
    # web2 has left the list, and web3 would have the room of it.
    limited = fleet.run([vm("web1", 40), vm("web3", 40)], "--limit", "hv2,web3")
    assert limited.returncode == 0, limited.stdout + limited.stderr
    assert fleet.placed == {"hv1": ["web1", "web2"], "hv2": ["web3"]}
    assert fleet.files["hv1"] == before["hv1"]
    assert "Host hv1 does not answer" not in limited.stdout


def test_stale_host_and_one_that_is_away_keep_their_files_and_others_go_on(fleet: Fleet) -> None:
    fleet.run([vm("web[1:2]", 60)], hv1={}, hv2={}, hv3={})
    written = fleet.directory / "placements/hv1.yml"
    # The module asks this machine, which is at 0.
    written.write_text(written.read_text().replace("lightiov_generation: 0", "lightiov_generation: 1"))
    fleet.found["hv1"] = recorded("hv1", generation=2, digest="of others")
    before = fleet.files
    away = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
    # Both would have room for it.
    run = fleet.run([vm("web[1:2]", 60), vm("web3")], hv1={}, hv2=away, hv3={})
    assert run.returncode == 2, run.stdout
    assert "hv1: The placements of host hv1 were planned from its generation 1" in run.stdout
    assert "hv2: hv2 does not answer within 1 seconds" in run.stdout
    assert {name: fleet.files[name] for name in ("hv1", "hv2")} == {name: before[name] for name in ("hv1", "hv2")}
    assert fleet.placed == {"hv1": ["web1"], "hv2": ["web2"], "hv3": ["web3"]}


def test_missing_list_is_not_an_empty_one(fleet: Fleet) -> None:
    fleet.run(None, hv1={"lightiov_vms": [vm("web1")]}, hv2={"lightiov_vms": [vm("db")]})
    before = fleet.files
    lost = fleet.run(None, hv1={"lightiov_vms": [vm("web[1:2]")]}, hv2={})
    assert lost.returncode == 2, lost.stdout
    assert "hv2: hv2 has no lightiov_vms, and is not planned as a host without VMs: " in lost.stdout
    assert fleet.files["hv2"] == before["hv2"]
    assert fleet.placed["hv1"] == ["web1", "web2"]
    empty = fleet.run(None, hv1={"lightiov_vms": [vm("web[1:2]")]}, hv2={"lightiov_vms": []})
    assert empty.returncode == 0, empty.stdout
    assert fleet.placed["hv2"] == []


def test_what_does_not_fit_is_said_at_the_end(fleet: Fleet) -> None:
    wanted = [vm("web1"), vm("huge", 1000)]
    assert fleet.run(wanted, "--check").returncode == 4
    run = fleet.run(wanted)
    assert run.returncode == 4, run.stdout + run.stderr
    assert fleet.placed["hv1"] == ["web1"]
    report = run.stdout.split("TASK [lightiov.nvme.report : Report]")[1]
    assert "WITHOUT A PLACE" in report
    assert "VM huge does not fit (2 hosts, 0 with the bytes)" in report


def test_wrong_intent_is_refused_before_a_host_is_asked(fleet: Fleet) -> None:
    run = fleet.run([vm("web1", tenant=None)])
    assert run.returncode == 2
    assert "VM web1 has no tenant: " in run.stdout
    assert "Reach the host" not in run.stdout


def test_check_mode_does_not_guess_what_a_bare_host_has(fleet: Fleet) -> None:
    fleet.found["hv2"] = recorded("hv2", controllers=[])
    fleet.actions["hv2"] = [{"action": "bind", "serial": "HV2"}]
    run = fleet.run([vm("web1"), vm("large", 95)], "--check")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "What hv2 will have for VMs is known once its controllers are taken" in run.stdout
    assert "WITHOUT A PLACE" not in run.stdout


@pytest.mark.parametrize("playbook", ["verify.yml", "teardown.yml"])
def test_other_playbooks_take_placements_as_they_are(fleet: Fleet, playbook: str) -> None:
    run = fleet.run([vm("web[1:3]")], "--check", playbook=playbook)
    assert "lightiov.nvme.partition : Plan]" not in run.stdout
    assert "web" not in run.stdout
    assert not (fleet.directory / "placements").exists()
