# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What roles register of a host with hundreds of VMs is small: Ansible keeps it for each host until the run ends."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.lightiov.nvme.plugins.module_utils import _domain, _libvirt, _libvirt_xml, _vm
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._mdev_state import MdevState, mdev_states
from ansible_collections.lightiov.nvme.plugins.module_utils._mdevctl import MARK
from ansible_collections.lightiov.nvme.plugins.module_utils._plan import Plan, execute
from ansible_collections.lightiov.nvme.plugins.module_utils._returned import chosen
from ansible_collections.lightiov.nvme.plugins.module_utils._uuids import mdev_uuid
from ansible_collections.lightiov.nvme.plugins.modules import generation, mdev_info
from fake_host import FakeHost
from fake_libvirt import FakeDomain
from fake_module import FakeModule
from mdev_calls import A, disk, make, one

ROLES = Path(__file__).resolve().parents[4] / "roles"
VMS = [f"vm{number:04}" for number in range(300)]
UUIDS = [mdev_uuid("S1", vm) for vm in VMS]
LARGEST = 100 << 10

Task = dict[str, Any]


def tasks(entries: list[Task]) -> Iterator[Task]:
    for entry in entries:
        yield entry
        for key in ("block", "rescue", "always"):
            yield from tasks(entry.get(key, []))


def registered() -> list[tuple[str, str, Task]]:
    """Each task of a role that registers what a module returns which can be told what: its variable, the module and
    the options."""
    return [
        (task["register"], name.rpartition(".")[2], task[name] or {})
        for file in sorted(ROLES.glob("*/tasks/*.yml"))
        for task in tasks(yaml.safe_load(file.read_text()) or [])
        for name in task
        if "register" in task and name.startswith("lightiov.nvme.") and can_be_told(name.rpartition(".")[2])
    ]


def can_be_told(module: str) -> bool:
    documentation = importlib.import_module(f"ansible_collections.lightiov.nvme.plugins.modules.{module}").DOCUMENTATION
    return "returns" in (yaml.safe_load(documentation)["options"] or {})


def new_mdevs(host: Host, fake: FakeHost, driver: str = "lightiov") -> Plan:
    fake.add_controller(A, "S1", driver=driver, queue_pairs=1024)
    wanted = [one(uuid, label=vm, disks=[disk(size="1 MiB")]) for vm, uuid in zip(VMS, UUIDS)]
    return make(host, *wanted, predict=True)


def mdevs_of_who_knows(host: Host, fake: FakeHost) -> Plan:
    """Nobody knows which controllers the host has before they are bound."""
    return new_mdevs(host, fake, driver="")


def mdevs_that_go(host: Host, fake: FakeHost) -> Plan:
    fake.add_controller(A, "S1", driver="lightiov")
    with fake.accounted_once(A):
        for number, (vm, uuid) in enumerate(zip(VMS, UUIDS)):
            extent = f"id={uuid},nsid=2,first={256 * number},count=256,name=data"
            fake.add_mdev(A, uuid, serial="S1", label=f"{MARK}{vm}", tenant="blue", queue_pairs="1", extents=extent)
    going = make(host, predict=True)
    assert len(going.returned["released"]) == len(VMS)
    return going


def new_domains(host: Host, fake: FakeHost) -> Plan:
    fake.write("/images/base.raw", "")
    usual = {"state": "running", "address": None, "memory_mib": 512, "vcpus": 1}
    image = {"mdev": None, "image": "/images/base.raw", "format": "raw", "size_gib": None, "keep": False}
    wanted = [
        _vm.Wanted.parse(
            {
                **usual,
                "name": vm,
                "xml": f"<domain><name>{vm}</name><devices/></domain>",
                "root": {**image, "path": f"/images/{vm}-root.qcow2"},
                "mdevs": [uuid],
            }
        )
        for vm, uuid in zip(VMS, UUIDS)
    ]
    options = {"uri": "test", "network": "default", "timeout": 1, "shutdown_timeout": 1}
    return _vm.plan(host, wanted=wanted, predict=True, **options)


def domains_that_lose_mdevs(host: Host, fake: FakeHost) -> Plan:
    connection = _libvirt.connect("test", Plan())
    for vm, uuid in zip(VMS, UUIDS):
        connection.add(FakeDomain(vm, _libvirt_xml.hostdev(uuid), active=True))
    return _domain.plan(host, uri="test", wanted=[], absent=UUIDS, timeout=1, predict=True)


PLANS = {
    "mdev": [new_mdevs, mdevs_of_who_knows, mdevs_that_go],
    "domain": [new_domains],
    "domain_mdev": [domains_that_lose_mdevs],
}
CASES = [(variable, options, plan) for variable, module, options in registered() for plan in PLANS.get(module, [])]


@pytest.mark.parametrize(("variable", "options", "plan"), CASES)
@pytest.mark.usefixtures("libvirt")
def test_what_modules_that_act_return(
    variable: str, options: Task, plan: Callable[[Host, FakeHost], Plan], host: Host, fake: FakeHost
) -> None:
    module = FakeModule(check_mode=True, verbosity=0, returns=options.get("returns"))
    execute(module, host, lambda: plan(host, fake))
    assert {*module.result} == {"changed", "actions_total", "invocation", *options["returns"]}
    assert len(json.dumps(module.result)) < LARGEST, variable


@pytest.mark.parametrize(
    "returns", [options["returns"] for _variable, module, options in registered() if module == "mdev_info"]
)
def test_what_is_seen(returns: list[str]) -> None:
    queues = [{"index": number, "hw_qid": 100 + number, "vector": number, "entries": 1024} for number in range(4)]
    disks = [{"id": UUIDS[0], "name": "data", "nsid": 1, "identity": "", "first": 1 << 30, "count": 1 << 30}]
    found = [
        MdevState(
            uuid=uuid, parent="S1", address=A, type="lightiov-passthrough", active=True, defined=True, autostart=True,
            label=vm, marked=True, tenant="blue", queue_pairs=4, disks=disks, state="ready", queues=queues,
            window={"base": "0x10000000000", "size": "0x40000000"}, statistics={"interrupts": 1 << 30},
        )
        for vm, uuid in zip(VMS, UUIDS)
    ]  # fmt: skip
    values = mdev_info.values(found)
    assert len(json.dumps(values["mdevs"])) > LARGEST
    assert all(len(values[name]) == len(VMS) for name in returns)
    told = chosen(FakeModule(verbosity=0, returns=returns), values)
    assert {*told} == {*returns} and len(json.dumps(told)) < LARGEST


def test_an_mdev_that_does_not_exist_has_no_disks(host: Host, fake: FakeHost) -> None:
    fake.add_controller(A, "S1", driver="lightiov")
    fake.add_mdev(A, UUIDS[0], tenant="blue", queue_pairs="1", extents="id=5a0b7f3e,nsid=2,name=data", state="closed")
    fake.write_json(f"/etc/mdevctl.d/{A}/{UUIDS[1]}", {"mdev_type": "lightiov-passthrough", "attrs": []})
    values = mdev_info.values(mdev_states(host))
    assert values["disks"] == {UUIDS[0]: {"data": {"id": "5a0b7f3e", "nsid": 2}}, UUIDS[1]: {}}
    assert list(values["states"]) == UUIDS[:1]


def test_placements_are_not_told_back(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    module = FakeModule(verbosity=0)
    module.params.update(name="hv1", expected=0, digest="a", placements=[{"name": vm} for vm in VMS])
    monkeypatch.setattr(generation, "AnsibleModule", lambda **_options: module)
    monkeypatch.setattr(generation, "Host", lambda **given: host)
    generation.main()
    assert (module.result["generation"], module.result["invocation"]) == (1, {})
