# SPDX-License-Identifier: GPL-3.0-or-later
"""What role preflight finds out about a host, and what it then refuses."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from playing import play, play_on

from lab.paths import COLLECTION

ROLE = COLLECTION / "roles/preflight"
BOOT, EARLIER = "11111111-4c4f-4b0e-8f3a-000000000000", "22222222-4c4f-4b0e-8f3a-000000000000"
# In check mode, should it go on after all.
SWITCH_ON = """
- hosts: all
  gather_facts: false
  check_mode: true
  tasks:
    - ansible.builtin.include_role: {name: lightiov.nvme.preflight, tasks_from: iommu}
"""
SHOW = f"""
- hosts: all
  gather_facts: false
  vars_files: ["{ROLE}/vars/main.yml"]
  tasks:
    - ansible.builtin.debug:
        msg:
          unmet: "{{{{ __lightiov_unmet }}}}"
          missing: "{{{{ __lightiov_parents_missing }}}}"
          unseen: "{{{{ __lightiov_controllers_unseen | bool }}}}"
"""

SETTLE = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.include_role: {name: lightiov.nvme.preflight, tasks_from: settle}
    - ansible.builtin.debug: {msg: "{{ __lightiov_settled }}"}
"""
# In check mode, should one of them act after all.
ACTING = """
- hosts: all
  gather_facts: false
  check_mode: true
  tasks:
    - ansible.builtin.import_role: {name: lightiov.nvme.preflight, tasks_from: settle}
    - ansible.builtin.import_role: {name: lightiov.nvme.vm, tasks_from: shrink}
    - ansible.builtin.import_role: {name: lightiov.nvme.mdev, tasks_from: shrink}
    - ansible.builtin.import_role: {name: lightiov.nvme.controller}
    - ansible.builtin.import_role: {name: lightiov.nvme.mdev, tasks_from: grow}
    - ansible.builtin.import_role: {name: lightiov.nvme.vm}
"""
PLANS = ("__lightiov_controller_plan", "__lightiov_mdevs_planned", "__lightiov_vms_planned")


@pytest.fixture
def probe() -> ModuleType:
    specification = importlib.util.spec_from_file_location("probe", ROLE / "files/probe.py")
    assert specification and specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("tried", "vms", "message"),
    [
        (EARLIER, [], "hv1 has no active IOMMU, although intel_iommu=on was added"),
        ("unknown", [], "then remove /etc/default/grub.d/lightiov.cfg to have it tried again"),
        ("", ["vm1", "vm2"], "hv1 has to be rebooted to switch its IOMMU on, but vm1, vm2 run on it"),
        # Cut short before the reboot, and VMs were started since.
        (BOOT, ["vm1"], "but vm1 run on it"),
    ],
)
def test_a_reboot_that_cannot_help_or_would_hurt(tmp_path: Path, tried: str, vms: list[str], message: str) -> None:
    found = {"boot": BOOT, "iommu_tried": tried, "vms": vms}
    last = play(tmp_path, SWITCH_ON, __lightiov_probe_result={"stdout": json.dumps(found)})[-1]
    assert last["failed"]
    assert message in last["msg"]


@pytest.mark.parametrize("tried", ["", BOOT])
def test_a_host_without_vms_is_rebooted_once_it_is_noted(tmp_path: Path, tried: str) -> None:
    """Also where a run was cut short between the two. Ansible itself refuses to reboot the machine that it runs on."""
    found = {"boot": BOOT, "iommu_tried": tried, "vms": []}
    given = {"ansible_python_interpreter": sys.executable, "__lightiov_probe_result": {"stdout": json.dumps(found)}}
    *_refusals, note, menu, last = play(tmp_path, SWITCH_ON, **given)
    assert "Running ansible.builtin.reboot with local connection would reboot the control node" in last["msg"]
    assert (note["action"], menu["action"]) == ("ansible.builtin.copy", "ansible.builtin.command")
    assert note["changed"]


def test_the_first_reboot_is_noted(tmp_path: Path, probe: ModuleType) -> None:
    assert probe.iommu_tried(tmp_path) == ""
    setting = tmp_path / "etc/default/grub.d/lightiov.cfg"
    setting.parent.mkdir(parents=True)
    tasks = (ROLE / "tasks/iommu.yml").read_text()
    setting.write_text(tasks.replace("{{ __lightiov_probe.boot }}", BOOT))
    assert probe.iommu_tried(tmp_path) == BOOT
    setting.write_text('GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX intel_iommu=on"\n')
    assert probe.iommu_tried(tmp_path) == "unknown"


def test_running_vms_are_seen_with_and_without_libvirt(
    tmp_path: Path, probe: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    virsh = tmp_path / "bin/virsh"
    virsh.parent.mkdir()
    virsh.write_text("#!/bin/sh\nprintf 'vm1\\nvm2\\n\\n'\n")
    virsh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{virsh.parent}:/usr/bin:/bin")
    for number, name, command, opened in (
        ("10", "qemu-system-x86", "qemu-system-x86_64\0-name\0guest=vm2,debug-threads=on\0", "anon_inode:kvm-vm"),
        ("11", "firecracker", "firecracker\0", "anon_inode:kvm-vm"),
        ("12", "sshd", "sshd\0", "socket:[1]"),
    ):
        process = tmp_path / "proc" / number
        (process / "fd").mkdir(parents=True)
        (process / "fd/3").symlink_to(opened)
        (process / "comm").write_text(f"{name}\n")
        (process / "cmdline").write_text(command)
    assert probe.running_vms("qemu:///system", tmp_path) == ["firecracker (process 11)", "vm1", "vm2"]
    virsh.unlink()
    monkeypatch.setenv("PATH", str(virsh.parent))
    assert probe.running_vms("qemu:///system", tmp_path) == ["firecracker (process 11)", "vm2"]


OURS = {"address": "0000:01:00.0", "serial": "S1", "driver": "lightiov"}
OTHER = {"address": "0000:02:00.0", "serial": "S2", "driver": "nvme"}
UNSEEN = {"address": "0000:03:00.0", "serial": "", "driver": ""}


def unmet(until: str, object_: str = "") -> dict[str, str]:
    return {"sentence": f"until {until}", "until": until, "object": object_}


# What plans of controllers and of mediated devices leave to others, what is allowed, and what of it is refused.
REFUSED: list[tuple[tuple[list[Any], list[Any]], list[str], list[str]]] = [
    # Every task that may help is to come.
    (([unmet("dkms_module"), unmet("mdev")], [unmet("controller")]), [], []),
    (([unmet("packages")], []), [], ["until packages"]),
    (([], [unmet("domain_mdev")]), [], ["until domain_mdev"]),
    (([], [unmet("domain_mdev")]), ["detach"], []),
    # A VM that is not to run is off by then; one that runs is not.
    (([], [unmet("domain_mdev", "at rest")]), [], []),
    (([], [unmet("domain_mdev", "used")]), [], ["until domain_mdev"]),
    (([], [unmet("reload")]), ["detach"], ["until reload"]),
    (([], [unmet("reload")]), ["reload"], []),
    (([unmet("reboot")], []), ["reboot"], ["until reboot"]),
    # A namespace that is listed is made before the disk that is on it.
    (([], [unmet("namespace", "S1/data")]), [], []),
    (([], [unmet("namespace", "S1/gone")]), [], ["until namespace"]),
    (([], [unmet("namespace", "S2/data")]), [], ["until namespace"]),
]


def test_what_no_task_of_a_deployment_helps_is_refused(tmp_path: Path) -> None:
    given = {
        f"case {at}": {
            "lightiov_allow": allow,
            "__lightiov_probe_result": {"stdout": json.dumps({"iommu": True, "iommu_announced": "intel"})},
            "__lightiov_controller_plan": {"controllers": [OURS, OTHER], "unmet": controllers},
            "__lightiov_mdevs_planned": {"unmet": mdevs},
            "__lightiov_mdevs": [{"parent": "S1"}, {"parent": "S2"}, {"parent": "0000:01:00.0"}],
            "__lightiov_mdevs_at_rest": ["at rest"],
            "lightiov_namespaces": [
                {"controller": "S1", "name": "data", "size": "1 GiB"},
                {"controller": "S1", "name": "gone", "state": "absent"},
            ],
        }
        for at, ((controllers, mdevs), allow, _shown) in enumerate(REFUSED)
    }
    found = play_on(tmp_path, SHOW, given)
    assert {name: last["msg"] for name, [*_, last] in found.items()} == {
        f"case {at}": {"unmet": shown, "missing": ["S2"], "unseen": False}
        for at, (_plans, _allow, shown) in enumerate(REFUSED)
    }


def test_a_controller_that_no_driver_shows_may_be_the_one_that_disks_are_on(tmp_path: Path) -> None:
    last = play(
        tmp_path,
        SHOW,
        lightiov_allow=[],
        __lightiov_probe_result={"stdout": json.dumps({"iommu": True, "iommu_announced": "intel"})},
        __lightiov_controller_plan={"controllers": [OURS, UNSEEN], "unmet": [unmet("dkms_module")]},
        __lightiov_mdevs_planned={"unmet": [unmet("controller")]},
        __lightiov_mdevs=[{"parent": "S9"}],
        __lightiov_mdevs_at_rest=[],
    )[-1]
    assert last["msg"] == {"unmet": [], "missing": ["S9"], "unseen": True}


def test_only_a_host_that_is_as_it_should_be_is_settled(tmp_path: Path) -> None:
    of_plans: dict[str, dict[str, Any]] = {
        "has something to do": {"actions_total": 1, "unmet": []},
        "waits for another": {"actions_total": 0, "unmet": [unmet("dkms_module")]},
        # In check mode, where packages are missing.
        "was not made": {"skipped": True, "changed": False},
        # With --tags.
        "is none": {},
    }
    outdated: dict[str, dict[str, Any]] = {
        "another host module": {"__lightiov_host_module": {"changed": True}},
        "other images": {"__lightiov_image_result": {"changed": True}},
        "namespaces": {"lightiov_namespaces": [{"controller": "S1", "name": "data", "size": "1 GiB"}]},
        **{f"{name} {what}": {name: plan} for name in PLANS for what, plan in of_plans.items()},
    }
    settled = {"no more": {}, "the same": {"__lightiov_host_module": {"changed": False}}}
    plans = {name: {"actions_total": 0, "unmet": []} for name in PLANS}
    given = {case: {**plans, **more} for case, more in {**outdated, **settled}.items()}
    found = {case: last["msg"] for case, [*_, last] in play_on(tmp_path, SETTLE, given).items()}
    assert found == {**dict.fromkeys(outdated, False), **dict.fromkeys(settled, True)}


def test_of_a_settled_host_no_module_is_asked_again(tmp_path: Path) -> None:
    vms = [{"name": "vm1", "tenant": "blue", "state": "stopped"}]
    plans = {name: {"actions_total": 0, "unmet": [], "waiting": []} for name in PLANS}
    done = play(tmp_path, ACTING, lightiov_controllers=[], lightiov_vms=vms, lightiov_allow=["detach"], **plans)
    asked = [one for one in done if one["action"].startswith("lightiov.nvme.")]
    assert len(asked) == 7
    assert all(one.get("skipped") for one in asked), asked


def test_a_tool_that_hangs_ends_the_look_at_the_host(
    tmp_path: Path, probe: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    virsh = tmp_path / "virsh"
    virsh.write_text("#!/bin/sh\nexec sleep 30\n")
    virsh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(probe, "DEADLINE_SECONDS", 0.2)
    with pytest.raises(SystemExit, match=r"virsh --connect qemu:///system uri did not end within 0\.2 seconds"):
        probe.libvirt_error("qemu:///system")
