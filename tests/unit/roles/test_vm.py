# SPDX-License-Identifier: GPL-3.0-or-later
"""Role vm in check mode on a host without libvirt."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils._uuids import mdev_uuid
from playing import play

from lab.paths import COLLECTION

PLAY = """
- hosts: all
  gather_facts: false
  check_mode: true
  roles: [lightiov.nvme.vm]
  tasks:
    - ansible.builtin.import_role:
        name: lightiov.nvme.vm
        tasks_from: shrink
"""
PLAN = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.import_role:
        name: lightiov.nvme.vm
        tasks_from: plan
"""
MAIN = """
- hosts: all
  gather_facts: false
  roles: [lightiov.nvme.vm]
"""
ABSENT = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.include_role: {name: lightiov.nvme.vm, tasks_from: absent}
      vars:
        __lightiov_mdevs_present: "{{ present }}"
"""
SUMMARY = """
    - ansible.builtin.debug:
        msg: "{{ ['hv1'] | lightiov.nvme.outcome([], hostvars) }}"
"""
# In the place of libvirt's binding.
LIBVIRT = f"""
import sys
sys.path.append({str(COLLECTION / "tests/unit")!r})
from fake_libvirt import FakeConnection, FakeDomain, FakeLibvirt
connection = FakeConnection()
connection.add(FakeDomain("101", active=True))
sys.modules[__name__] = FakeLibvirt(connection)
"""
VMS = [
    {"name": 101, "tenant": "blue", "address": "192.168.122.11", "root_gib": 4, "memory_mib": 512, "vcpus": 4},
    {"name": "a&b", "tenant": "blue", "state": "stopped", "image": "/images/other.qcow2", "mac": "52:54:00:00:00:01",
     "root_keep": True, "disks": [{"name": "data", "controller": "S1", "namespace": 1}]},
    {"name": "vm3", "tenant": "blue", "state": "absent"},
    {"name": "rooted", "tenant": "blue", "state": "stopped", "root": {"on": "lightiov", "disk": "data"}, "vcpus": 1,
     "disks": [{"name": "data", "controller": "S1", "namespace": 2}]},
]  # fmt: skip
QEMU = "{http://libvirt.org/schemas/domain/qemu/1.0}"


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    directory = tmp_path_factory.mktemp("images")
    (directory / "debian.img").touch()
    (directory / "a&b-root.qcow2").touch()
    return {
        "ansible_python_interpreter": sys.executable,
        "lightiov_controllers": [],
        "lightiov_vms": VMS,
        "lightiov_libvirt_uri": "none:///",
        "lightiov_vm_directory": str(directory),
        "lightiov_vm_image": str(directory / "debian.img"),
    }


@pytest.fixture(scope="module")
def results(variables: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each call of the module returned, and what it was given."""
    found = play(tmp_path_factory.mktemp("play"), PLAY, verbosity=3, **variables)
    return [result for result in found if result["action"] == "lightiov.nvme.domain"]


@pytest.fixture
def domains(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return results[0]["invocation"]["module_args"]["domains"]


def test_a_number_is_a_name(results: list[dict[str, Any]]) -> None:
    assert [(step["action"], step["object"].rpartition("/")[2]) for step in results[0]["actions"]] == [
        ("define", "101"),
        ("make_root", "101-root.qcow2"),
        ("define", "a&b"),
        ("define", "rooted"),
        ("make_root", f"disk data of mdev {mdev_uuid('S1', 'rooted')}"),
        ("autostart", "101"),
        ("start", "101"),
    ]


@pytest.mark.parametrize("vms", [[], [{"name": "vm3", "tenant": "blue", "state": "absent"}]])
def test_a_host_may_have_none(vms: list[dict[str, Any]], variables: dict[str, Any], tmp_path: Path) -> None:
    [result] = [
        one
        for one in play(tmp_path, PLAN, verbosity=3, **{**variables, "lightiov_vms": vms})
        if one["action"] == "lightiov.nvme.domain"
    ]
    assert not result.get("failed"), result
    assert len(result["invocation"]["module_args"]["domains"]) == len(vms)


def test_each_vm_as_its_list_says(domains: list[dict[str, Any]]) -> None:
    assert [domain["state"] for domain in domains] == ["running", "stopped", "absent", "stopped"]
    assert [domain["address"] for domain in domains] == ["192.168.122.11", None, None, None]
    assert [len(domain["mdevs"]) for domain in domains] == [0, 1, 0, 1]
    roots = [domain["root"] for domain in domains[:3]]
    assert [(root["format"], root["size_gib"], root["keep"]) for root in roots] == [
        ("raw", 4, False), ("qcow2", None, True), ("raw", None, False),
    ]  # fmt: skip


def test_memory_and_vcpus_are_given_where_the_list_says_them(domains: list[dict[str, Any]]) -> None:
    """Other VMs keep what they have, whatever new ones get."""
    assert [(domain["memory_mib"], domain["vcpus"]) for domain in domains[:2]] == [(512, 4), (None, None)]


def test_definition(domains: list[dict[str, Any]]) -> None:
    first, second = (ElementTree.fromstring(domain["xml"]) for domain in domains[:2])
    assert [first.findtext("name"), second.findtext("name")] == ["101", "a&b"]
    assert first.findtext("memory") == "512"
    macs = [domain.find("devices/interface/mac").get("address") for domain in (first, second)]
    assert (macs[0][1], macs[1]) == ("2", "52:54:00:00:00:01")
    # With ACPI's, a VM that has slept would never give a disk back.
    arguments = [argument.get("value") for argument in first.iterfind(f"{QEMU}commandline/{QEMU}arg")]
    assert arguments == ["-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off"]


def test_root_disk_is_a_file_or_one_of_the_disks(domains: list[dict[str, Any]]) -> None:
    xml = [ElementTree.fromstring(domain["xml"]) for domain in domains]
    assert [len(one.findall("devices/disk")) for one in xml] == [1, 1, 1, 0]
    assert (domains[3]["root"]["path"], domains[3]["root"]["disk"]) == (None, "data")


@pytest.mark.parametrize("absolute", [False, True])
def test_own_template(variables: dict[str, Any], tmp_path: Path, absolute: bool) -> None:
    (tmp_path / "templates/own").mkdir(parents=True)
    text = "<?xml version='1.0'?><domain><name>{{ vm.name | e }}</name><a b='{{ mac }}'>{{ root | e }}</a></domain>\n"
    (tmp_path / "templates/own/small.xml.j2").write_text(text)
    path = str(tmp_path / "templates/own/small.xml.j2") if absolute else "own/small.xml.j2"
    given = {**variables, "lightiov_vm_template": path}
    [first, *_] = [one for one in play(tmp_path, PLAY, verbosity=3, **given) if one["action"] == "lightiov.nvme.domain"]
    xml = [domain["xml"] for domain in first["invocation"]["module_args"]["domains"]]
    assert [ElementTree.fromstring(one).findtext("name") for one in xml] == ["101", "a&b", "vm3", "rooted"]
    assert [ElementTree.fromstring(one).findtext("a").rpartition("/")[2] for one in xml][1] == "a&b-root.qcow2"


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"image": "/nowhere.img"}, "VM 101 cannot be made from /nowhere.img, because that is not on this host"),
        ({}, "libvirt"),
        (
            {"root": {"on": "lightiov", "disk": "data"}, "disks": VMS[3]["disks"], "root_gib": None},
            "VM 101 has its root on disk data, and nothing to boot that with: set lightiov_image_driver",
        ),
    ],
)
def test_what_stands_in_the_way_is_said_before_anything_is_changed(
    variables: dict[str, Any], tmp_path: Path, changes: dict[str, str], refusal: str
) -> None:
    last = play(tmp_path, PLAN, **{**variables, "lightiov_vms": [{**VMS[0], **changes}]})[-1]
    assert last["failed"]
    assert refusal in last["msg"]


@pytest.mark.parametrize("changes", [{}, {"state": "stopped"}, {"state": "absent"}])
def test_no_root_disk_is_made_without_the_driver_that_it_is_to_have(
    variables: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str]
) -> None:
    """As with --tags vm: role image, which makes copies of the images, has not run."""
    (tmp_path / "libvirt.py").write_text(LIBVIRT)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    vms = [{"name": "new", "tenant": "blue", **changes}]
    last = play(tmp_path, MAIN, **{**variables, "lightiov_vms": vms, "lightiov_image_driver": True})[-1]
    assert last.get("failed", False) == ("absent" not in changes.values())
    if "failed" in last:
        assert last["msg"].startswith("new on hv1 would be made from an image without the guest driver, because role ")
        assert last["msg"].endswith("add image to --tags, or take it out of --skip-tags.")


def test_shrink_is_for_those_that_do_not_run(results: list[dict[str, Any]]) -> None:
    shrunken = results[1]["invocation"]["module_args"]["domains"]
    assert [(domain["name"], domain["state"]) for domain in shrunken] == [
        ("a&b", "stopped"), ("vm3", "absent"), ("rooted", "stopped"),
    ]  # fmt: skip
    options = ("xml", "mdevs", "address", "memory_mib", "vcpus")
    assert all(domain[option] is None for domain in shrunken for option in options)
    assert results[1]["actions"] == []


def test_a_tear_down_takes_from_vms_what_it_removes(
    variables: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What others made stays, and with the VMs that have it."""
    (tmp_path / "libvirt.py").write_text(LIBVIRT)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    marked, stranger, listed = mdev_uuid("S1", "gone"), mdev_uuid("S2", "stranger"), mdev_uuid("S1", "a&b")
    present = {"disks": {marked: {}, stranger: {}, listed: {}}, "marked": [marked]}
    done = play(tmp_path, ABSENT, verbosity=3, **variables, present=present)
    arguments = [one["invocation"]["module_args"] for one in done if one["action"] == "lightiov.nvme.domain_mdev"]
    assert [one["absent"] for one in arguments] == [[marked, listed]] * 2


def test_a_vm_that_runs_with_other_memory_is_named_at_the_end(
    variables: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "libvirt.py").write_text(LIBVIRT)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    last = play(tmp_path, PLAY + SUMMARY, **{**variables, "lightiov_vms": [{**VMS[0], "address": None, "vcpus": 4}]})[
        -1
    ]
    assert last["msg"] == [
        "WAITING",
        "hv1: VM 101 runs with 512 MiB of memory and 2 vCPUs, and has 512 MiB of memory and 4 vCPUs from its next "
        "start on: shut it down and start it for that, because a reboot from inside is no start",
    ]
