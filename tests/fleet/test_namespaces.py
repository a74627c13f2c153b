# SPDX-License-Identifier: GPL-3.0-or-later
"""Namespaces by one list, on a controller that VMs use: what QEMU's controllers can, which create and delete none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fleet import VM, Ansible, changed, mark, marked, stock_disk

from lab import Host

SERIAL, OTHER = "LIOV1A", "LIOV1B"
SPARE = 8  # no VM's


def wwid(host: Host, serial: str, nsid: int) -> str:
    [controller] = [one for one in host.spec.controllers if one.serial == serial]
    return controller.wwid(nsid)


@pytest.fixture
def spare(host1: Host, ansible: Ansible) -> Iterator[dict[str, Any]]:
    """As the list has it; attached again at the end."""
    listed = {"name": "spare", "controller": SERIAL, "namespace": wwid(host1, SERIAL, SPARE)}
    yield listed
    call(ansible, {**listed, "state": "attached"})


def call(ansible: Ansible, *namespaces: dict[str, Any], **consents: Any) -> dict[str, Any]:
    return ansible.module("host1", "namespace", {"namespaces": list(namespaces), **consents})


def done(result: dict[str, Any]) -> list[str]:
    assert not result["failed"], result
    return [action["action"] for action in result["actions"]]


def active(ansible: Ansible, serial: str = SERIAL) -> list[int]:
    found = ansible.module("host1", "controller_info", {})["controllers"]
    [controller] = [one for one in found if one["serial"] == serial]
    return [namespace["nsid"] for namespace in controller["namespaces"]]


def refused(result: dict[str, Any], sentence: str) -> None:
    message = result.get("msg", "").strip()
    assert result.get("failed"), result
    assert re.fullmatch(sentence, message), message


def test_detached_and_attached_while_vms_run(ansible: Ansible, vm1: VM, spare: dict[str, Any]) -> None:
    before = active(ansible)
    assert SPARE in before
    assert done(call(ansible, spare)) == []
    with vm1.verified_load():
        assert done(call(ansible, {**spare, "state": "detached"})) == ["detach"]
        assert active(ansible) == [nsid for nsid in before if nsid != SPARE]
        # It is known although the controller does not show it.
        assert done(call(ansible, {**spare, "state": "detached"})) == []
        assert done(call(ansible, spare)) == ["attach"]
        vm1.goes_on("after a namespace came back")
    assert active(ansible) == before


def test_in_use_is_left(ansible: Ansible, host1: Host, vm1: VM) -> None:
    used = {"name": "used", "controller": SERIAL, "namespace": wwid(host1, SERIAL, 1), "state": "detached"}
    refused(
        call(ansible, used, destroy=[used["namespace"]]),
        rf"Namespace used of controller {SERIAL} .* is to be detached, and mdev {vm1.uuid} \(vm1\) has it: .*",
    )
    assert vm1.state == "ready"


def test_what_cannot_be_made_is_an_extent(ansible: Ansible, spare: dict[str, Any]) -> None:
    refused(
        call(ansible, {"name": "new", "controller": SERIAL, "size": "64 MiB"}),
        rf"Namespace new of controller {SERIAL} .* cannot be made, because the controller cannot create namespaces: .*"
        "give disks a size: .*",
    )
    refused(
        call(ansible, {**spare, "state": "absent"}, destroy=[spare["namespace"]]),
        r"Namespace spare .* cannot be deleted, because the controller cannot delete namespaces: .*",
    )
    assert SPARE in active(ansible)


def test_controller_of_the_stock_driver_is_left(ansible: Ansible, host1: Host) -> None:
    disk = stock_disk(host1, OTHER)
    mark(host1, disk, "the host")
    theirs = {"name": "theirs", "controller": OTHER, "namespace": wwid(host1, OTHER, 1), "state": "detached"}
    refused(call(ansible, theirs), f"Namespaces of controller {OTHER} .* it does not belong to LightIOV: .*")
    # It is looked at all the same, through the stock driver.
    planned = ansible.module("host1", "namespace", {"namespaces": [theirs]}, "--check")
    assert done(planned) == ["detach"]
    assert marked(host1, disk) == "the host"


def test_by_the_inventory(ansible: Ansible, inventory: Path, vm1: VM, spare: dict[str, Any]) -> None:
    """A list that goes away again leaves what it has made of the namespaces."""
    before = active(ansible)
    file = inventory / "host_vars/host1.yml"
    said = file.read_text()
    play = ("playbooks/deploy.yml", "-i", str(inventory), "--limit", "host1", "--tags", "namespace")
    file.write_text(
        f"{said}\nlightiov_namespaces:\n"
        f"  - {{name: spare, controller: {SERIAL}, namespace: {spare['namespace']}, state: detached}}\n"
    )
    for changes in (1, 0):
        run = ansible.playbook(*play)
        assert run.returncode == 0, run.stdout[-4000:]
        assert changed(run)["host1"] == changes
    file.write_text(said)
    assert ansible.playbook(*play).returncode == 0
    assert active(ansible) == [nsid for nsid in before if nsid != SPARE]
    assert vm1.state == "ready"
