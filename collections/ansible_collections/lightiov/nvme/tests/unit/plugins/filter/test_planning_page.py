# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What docs/planning.md shows does what it says there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible.vars.manager import VariableManager
from ansible_collections.lightiov.nvme.plugins.filter import partition as plugin
from fleets import host, vm

PAGE = (Path(plugin.__file__).parents[2] / "docs/planning.md").read_text()

partition = plugin.FilterModule().filters()["partition"]


def shown(heading: str) -> str:
    """The first block of YAML below a heading."""
    found: str = re.split(r"^```(?:yaml)?\n", PAGE.partition(f" {heading}\n")[2], flags=re.MULTILINE)[1]
    return found


def planned(hosts: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """The plan of hosts that have told what they have, with their lists."""
    found = {name: {**host(name), "generation": 1, "placed": []} for name in hosts}
    return partition({name: {"vms": vms, "found": found[name]} for name, vms in hosts.items()})


class TestListThatIsSpreadOverGroups:
    GROUPS = {"shop": ["hv1", "hv2"], "build": ["hv2", "hv3"]}

    @pytest.fixture
    def written(self, tmp_path: Path) -> Path:
        """An inventory with the files that the page shows."""
        groups = {name: {"hosts": dict.fromkeys(hosts)} for name, hosts in self.GROUPS.items()}
        (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"lightiov_hosts": {"children": groups}}))
        (tmp_path / "group_vars").mkdir()
        for name, content in re.findall(
            r"^# (group_vars/\S+)\n(.*?)(?=^# group_vars|\Z)", shown("A list that is spread over groups"), re.M | re.S
        ):
            (tmp_path / name).write_text(content)
        return tmp_path

    def lists(self, written: Path) -> dict[str, list[dict[str, Any]]]:
        """Each host's lightiov_vms, as Ansible has it."""
        loader = DataLoader()
        inventory = InventoryManager(loader, sources=[str(written / "hosts.yml")])
        manager = VariableManager(loader, inventory)
        found = {}
        for one in inventory.get_hosts("lightiov_hosts"):
            variables = manager.get_vars(host=one)
            found[one.name] = Templar(loader, variables=variables).template(variables["lightiov_vms"])
        return found

    def test_each_host_sees_the_parts_of_its_groups(self, written: Path) -> None:
        lists = self.lists(written)
        assert {name: [vm["name"] for vm in vms] for name, vms in lists.items()} == {
            "hv1": ["web[1:2]"],
            "hv2": ["web[1:2]", "ci"],
            "hv3": ["ci"],
        }
        plan = planned(lists)
        assert not plan["unplaced"]
        placed = {vm["name"]: name for name, vms in plan["placements"].items() for vm in vms}
        assert placed.keys() == {"web1", "web2", "ci"}
        assert all(placed[vm] in self.GROUPS["shop"] for vm in ("web1", "web2"))
        assert placed["ci"] in self.GROUPS["build"]

    def test_without_names_of_their_own_a_host_in_both_sees_one(self, written: Path) -> None:
        (written / "group_vars/lightiov_hosts.yml").unlink()
        for name in self.GROUPS:
            path = written / f"group_vars/{name}.yml"
            path.write_text(path.read_text().replace(f"{name}_vms", "lightiov_vms"))
        assert [len(vms) for vms in self.lists(written).values()] == [1, 1, 1]


def test_plan_is_asked_with_json_query() -> None:
    jmespath = pytest.importorskip("jmespath", reason="only the Python of the machine that runs Ansible has it")
    found = {name: {**host(name, controllers=1), "generation": 1, "placed": []} for name in ("hv1", "hv2")}
    found["hv1"]["controllers"][0]["serial"] = "S5XANA0R700001"
    vms = [
        vm("web[1:2]", "shop", pairs=3, disks=[{"name": name, "size": "1 GiB"} for name in ("data", "log")]),
        vm("bare", "shop", disks=[]),
        vm("ci", "build", host="hv2"),
        vm("large", "shop", gib=1000),
    ]
    plan = partition({name: {"vms": vms, "found": one} for name, one in found.items()})
    [task] = yaml.safe_load(shown("Asking the plan"))
    answers = {what: jmespath.search(query, plan) for what, query in task["vars"]["queries"].items()}
    [unplaced] = plan["unplaced"]
    assert answers == {
        "VMs of host hv1": ["bare", "web1", "web2"],
        "VMs of a tenant": ["bare", "web1", "web2"],
        "disks of a controller": [{"vm": name, "disks": ["data", "log"]} for name in ("web1", "web2")],
        "queue pairs that VMs have of it": 6,
        "VMs without a place, and what helps": [{"vm": "large", "remedy": unplaced["remedy"]}],
    }
    # As the page quotes what is no plain name.
    [quoted] = re.findall(r"`(placements\.\"\S+)`", PAGE)
    assert jmespath.search(quoted, {"placements": {"hv-a1.example.org": [{"name": "vm1"}]}}) == ["vm1"]
