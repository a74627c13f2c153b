# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import shlex
from typing import Any

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils._fleet import guests, refusals


def vm(name: object, address: str = "192.168.122.11", **options: Any) -> dict[str, Any]:
    return {"name": name, "tenant": "blue", "address": address, **options}


def fleet(**hypervisors: dict[str, Any]) -> list[dict[str, Any]]:
    return guests(hypervisors, hypervisors)


def hypervisor(*vms: dict[str, Any], **variables: Any) -> dict[str, Any]:
    return {"lightiov_vms": list(vms), **variables}


def test_one_address_behind_two_hypervisors_is_two_machines() -> None:
    first, second = fleet(hv1=hypervisor(vm("a")), hv2=hypervisor(vm("b")))
    assert first["address"] == second["address"]
    assert first["control_path"] != second["control_path"]
    assert shlex.split(first["ssh_args"]) == ["-o", "HostKeyAlias=a", "-o", "ProxyJump=hv1"]
    assert shlex.split(second["ssh_args"]) == ["-o", "HostKeyAlias=b", "-o", "ProxyJump=hv2"]
    assert refusals([first, second], ["hv1", "hv2"]) == []


def test_one_name_in_two_inventories_is_two_machines() -> None:
    [staging] = fleet(hv1=hypervisor(vm("a"), ansible_host="10.0.0.1"))
    [production] = fleet(hv1=hypervisor(vm("a"), ansible_host="10.0.0.2"))
    assert staging["control_path"] != production["control_path"]


def test_control_path_fits_into_a_socket_address() -> None:
    [guest] = fleet(hv1=hypervisor(vm("x" * 60)))
    directory = "/home/somebody-with-a-long-name/.ansible/cp"
    assert len(guest["control_path"] % {"directory": directory}) + len(".0123456789abcdef") < 104


@pytest.mark.parametrize(
    ("variables", "jump"),
    [
        ({}, "hv1"),
        ({"ansible_host": "10.0.0.1"}, "10.0.0.1"),
        ({"ansible_host": "10.0.0.1", "ansible_port": 2222, "ansible_user": "ops"}, "ops@10.0.0.1:2222"),
        ({"ansible_host": "fd00::1", "ansible_port": 22}, "[fd00::1]:22"),
    ],
)
def test_jump_goes_where_ansible_goes(variables: dict[str, Any], jump: str) -> None:
    [guest] = fleet(hv1=hypervisor(vm("a"), **variables))
    assert f"ProxyJump={jump}" in shlex.split(guest["ssh_args"])


def test_no_jump_from_the_hypervisor_itself() -> None:
    [guest] = fleet(hv1=hypervisor(vm("a"), ansible_connection="local"))
    assert "ProxyJump" not in guest["ssh_args"]


@pytest.mark.parametrize(
    ("options", "variables", "entered"),
    [
        ({}, {}, True),
        ({"state": "stopped"}, {}, False),
        ({"guest_install": "none"}, {}, False),
        ({}, {"lightiov_guest_install": "none"}, False),
        ({"guest_install": "dkms"}, {"lightiov_guest_install": "none"}, True),
    ],
)
def test_who_is_entered(options: dict[str, Any], variables: dict[str, Any], entered: bool) -> None:
    [guest] = fleet(hv1=hypervisor(vm("a", **options), **variables))
    assert guest["entered"] == entered


def test_number_is_a_name() -> None:
    [guest] = fleet(hv1={"lightiov_vms": [{"name": 101, "tenant": "blue"}]})
    assert (guest["name"], guest["address"], guest["vm"]["name"]) == ("101", "101", "101")


@pytest.mark.parametrize("listed", [{}, {"lightiov_vms": None}, {"lightiov_vms": [{"tenant": "blue"}]}])
def test_wrong_list_is_no_other_hypervisors_concern(listed: dict[str, Any]) -> None:
    assert [guest["name"] for guest in fleet(hv1=listed, hv2=hypervisor(vm("b")))] == ["b"]


@pytest.mark.parametrize(
    ("hypervisors", "sentence"),
    [
        (
            {"hv1": hypervisor(vm("hv2")), "hv2": hypervisor()},
            "VM hv2 of hv1 has the name of a hypervisor: give the VM another name in lightiov_vms.",
        ),
        (
            {"hv1": hypervisor(vm(7)), "hv2": hypervisor(vm("7"))},
            "VMs of hv1 and hv2 have the same name 7: give each VM of the fleet its own in lightiov_vms.",
        ),
        (
            {"hv1": hypervisor(vm("a"), vm("b")), "hv2": hypervisor(vm("c"))},
            "VMs a and b on hv1 have the same address 192.168.122.11: give each its own in lightiov_vms.",
        ),
    ],
    ids=["hypervisor", "twice", "address"],
)
def test_refused(hypervisors: dict[str, Any], sentence: str) -> None:
    assert refusals(fleet(**hypervisors), hypervisors) == [sentence]


def test_vm_that_moved_is_not_there_twice() -> None:
    hypervisors = {"hv1": hypervisor(vm("a", state="absent"), vm("b")), "hv2": hypervisor(vm("a"))}
    assert refusals(fleet(**hypervisors), hypervisors) == []
