# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin, read by Ansible from a directory of files as operators have them."""

from __future__ import annotations

import json
import resource
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.paths import PROJECT

# The goal, and what a core for which it holds takes to parse the same files and nothing else. A slower core, or one
# that shares its caches with a lab, takes longer for both.
SECONDS = 5
PARSING_SECONDS = 0.6
VM = {"name": "vm1", "tenant": "blue", "address": "192.168.122.11", "disks": []}
DISK = {"name": "data", "controller": "S1", "namespace": 1}
VARIABLES = (
    "ansible_control_path",
    "ansible_host",
    "lightiov_guest_install",
    "lightiov_hypervisor",
    "lightiov_ssh_args",
    "lightiov_vm",
)


class Inventory:
    def __init__(self, path: Path, hosts: dict[str, Any], file: str = "lightiov_guests.yml", **group: Any) -> None:
        self.path = path / "inventory"
        self.write("hosts.yml", {"lightiov_hosts": {"hosts": hosts, "vars": group}})
        self.write(file, {"plugin": "lightiov.nvme.guests"})

    def write(self, file: str, content: object) -> None:
        target = self.path / file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(yaml.safe_dump(content))

    def call(self, program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        called = subprocess.run(
            [program, "--inventory", self.path, *arguments],
            cwd=PROJECT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip
        assert called.returncode == 0, called.stdout + called.stderr
        return called

    def read(self) -> tuple[dict[str, list[str]], dict[str, dict[str, Any]]]:
        """The hosts of each group that has some itself, and the variables of all hosts."""
        listed = self.call("ansible-inventory", "--list").stdout
        # Newer Ansible marks what it would not take for a template.
        found = json.loads(listed, object_hook=lambda one: one.get("__ansible_unsafe", one))
        variables = found.pop("_meta")["hostvars"]
        return {name: sorted(group["hosts"]) for name, group in found.items() if "hosts" in group}, variables


def test_vms_are_hosts_of_their_groups(tmp_path: Path) -> None:
    inventory = Inventory(tmp_path, {"hv-a.example.org": {}, "hv-b.example.org": {}}, ansible_user="deploy")
    red = {"name": "vm2", "tenant": "red-co", "guest_install": "dkms"}
    gone = {"name": "vm3", "tenant": "red-co", "state": "absent"}
    inventory.write("host_vars/hv-a.example.org.yml", {"lightiov_vms": [VM, red, gone]})
    inventory.write("host_vars/hv-b.example.org.yml", {"lightiov_vms": [{**VM, "name": 7}]})
    inventory.write("group_vars/lightiov_guests.yml", {"of": "guests", "by": "guests"})
    inventory.write("group_vars/lightiov_tenant_blue.yml", {"by": "tenant"})
    groups, variables = inventory.read()
    del groups["lightiov_hosts"]
    assert groups == {
        "lightiov_on_hv_a_example_org": ["vm1", "vm2"],
        "lightiov_on_hv_b_example_org": ["7"],
        "lightiov_tenant_blue": ["7", "vm1"],
        "lightiov_tenant_red_co": ["vm2"],
    }
    assert variables["vm1"]["lightiov_ssh_args"] == "-o HostKeyAlias=vm1 -o ProxyJump=deploy@hv-a.example.org"
    assert (variables["vm1"]["of"], variables["vm1"]["by"], variables["vm2"]["by"]) == ("guests", "tenant", "guests")


def test_vms_have_the_variables_that_a_deployment_gives_them(tmp_path: Path) -> None:
    """Also by placements; and the deployment may find them there already."""
    wish = {**VM, "name": "unplaced", "disks": [{"name": "data", "size": "1 GiB"}]}
    inventory = Inventory(tmp_path, {"hv1": {"ansible_port": 2222}, "hv2": {}, "hv3": {}}, lightiov_vms=[wish])
    placed = {**VM, "disks": [DISK], "guest_install": "dkms", "memory_mib": 1024}
    inventory.write("placements/hv1.yml", {"lightiov_vms": [placed], "lightiov_generation": 1})
    inventory.write("host_vars/hv2.yml", {"lightiov_vms": [{**VM, "name": 7}]})
    _groups, variables = inventory.read()
    shown = ", ".join(f"'{name}': {name} | default(none)" for name in VARIABLES)
    play = {
        "hosts": "lightiov_guests",
        "gather_facts": False,
        "tasks": [{"ansible.builtin.debug": {"msg": f"{{{{ {{{shown}}} }}}}"}}],
    }
    guests = str(PROJECT / "playbooks/guests.yml")
    inventory.write("../play.yml", [{"ansible.builtin.import_playbook": guests}, play])
    for beside in (True, False):
        if not beside:
            (inventory.path / "lightiov_guests.yml").unlink()
        text = inventory.call("ansible-playbook", tmp_path / "play.yml").stdout
        assert "unplaced" not in text
        for name in ("vm1", "7"):
            given = json.JSONDecoder().raw_decode(text.split(f"ok: [{name}] => ")[-1])[0]["msg"]
            assert given == {variable: variables[name].get(variable) for variable in VARIABLES}


def test_a_run_is_limited_to_a_group(tmp_path: Path) -> None:
    vms = [{**VM, "name": f"{name}1", "tenant": name, "address": name} for name in ("blue", "red")]
    inventory = Inventory(tmp_path, {"hv1": {"lightiov_vms": vms}, "hv2": {}})
    listed = inventory.call("ansible", "all", "--list-hosts", "--limit", "hv1:lightiov_tenant_red").stdout
    assert listed.split()[2:] == ["hv1", "red1"]


def test_host_variables_win_over_those_of_groups_and_all_may_be_templates(tmp_path: Path) -> None:
    templated = {**VM, "name": "{{ inventory_hostname }}-vm", "address": "{{ net }}.7"}
    inventory = Inventory(tmp_path, {"hv1": {"net": "10.0.0"}, "hv2": {}}, net="10.9.9", lightiov_vms=[VM])
    inventory.write("group_vars/lightiov_hosts.yml", {"lightiov_vms": [templated], "ansible_port": 22})
    inventory.write("host_vars/hv2.yml", {"ansible_port": 2222, "lightiov_placements": "{{ inventory_dir }}/../other"})
    inventory.write("../other/hv2.yml", {"lightiov_vms": [{**VM, "name": "elsewhere"}]})
    groups, variables = inventory.read()
    assert (groups["lightiov_on_hv1"], groups["lightiov_on_hv2"]) == (["hv1-vm"], ["elsewhere"])
    assert variables["hv1-vm"]["ansible_host"] == "10.0.0.7"
    assert variables["elsewhere"]["lightiov_ssh_args"].endswith("ProxyJump=hv2:2222")


def test_placements_may_be_below_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    inventory = Inventory(tmp_path, {"hv1": {}}, lightiov_placements="~/mine", lightiov_vms=[{**VM, "name": "listed"}])
    inventory.write("../mine/hv1.yml", {"lightiov_vms": [VM]})
    assert inventory.read()[0]["lightiov_on_hv1"] == ["vm1"]


def test_wrong_list_is_no_other_hypervisors_concern(tmp_path: Path) -> None:
    hosts = {
        "hv1": {"lightiov_vms": [{"tenant": "blue"}]},
        "hv2": {"lightiov_vms": "{{ nothing }}"},
        "hv3": {"lightiov_vms": [VM]},
        "hv4": {},
    }
    inventory = Inventory(tmp_path, hosts)
    assert inventory.read()[0]["lightiov_on_hv3"] == ["vm1"]
    warned = inventory.call("ansible-inventory", "--graph").stderr
    assert "The VMs of hv2 are left out: " in warned


@pytest.mark.parametrize(
    ("hosts", "file", "sentence"),
    [
        ({"hv1": {"lightiov_vms": [{**VM, "name": "hv1"}]}}, "lightiov_guests.yml", "has the name of a hypervisor"),
        ({"hv1": {"lightiov_vms": [VM]}}, "a_lightiov_guests.yml", "give it a name that comes after those of the"),
    ],
    ids=["name", "order"],
)
def test_refused(hosts: dict[str, Any], file: str, sentence: str, tmp_path: Path) -> None:
    inventory = Inventory(tmp_path, hosts, file=file)
    assert sentence in " ".join(inventory.call("ansible-inventory", "--list").stderr.split())
    assert "ansible_host" not in inventory.read()[1]["hv1"]


def seconds(directory: Path, hosts: int) -> float:
    """Of a core, for `ansible-inventory` to find one VM among 50 a host."""
    inventory = Inventory(directory / str(hosts), {f"hv{host}": {} for host in range(hosts)})
    for host in range(hosts):
        vms = [
            {**VM, "name": f"vm{host}-{vm}", "address": f"10.0.0.{vm}", "disks": [{**DISK, "namespace": vm + 1}]}
            for vm in range(50)
        ]
        inventory.write(f"placements/hv{host}.yml", {"lightiov_vms": vms, "lightiov_generation": 1})
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = inventory.call("ansible-inventory", "--host", f"vm{hosts - 1}-49")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert json.loads(found.stdout)["lightiov_hypervisor"] == f"hv{hosts - 1}"
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def parsing_seconds(directory: Path) -> float:
    """Of a core, now."""
    texts = [file.read_text() for file in directory.glob("inventory/placements/*.yml")]
    before = time.process_time()
    for text in texts:
        yaml.load(text, Loader=yaml.CSafeLoader)
    return time.process_time() - before


def test_ten_thousand_vms(tmp_path: Path) -> None:
    """Whatever else the core does meanwhile; twice the VMs take about twice as long."""
    start, half, all_ = (seconds(tmp_path, hosts) for hosts in (1, 100, 200))
    slowdown = max(1, parsing_seconds(tmp_path / "200") / PARSING_SECONDS)
    assert all_ < SECONDS * slowdown, f"{all_:.1f} s of a core that takes {slowdown:.1f} times as long as it could"
    assert all_ - start < 3 * (half - start), f"{start:.1f} s, {half:.1f} s, {all_:.1f} s"
