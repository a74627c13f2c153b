# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.lightiov.nvme.plugins.module_utils import _vms
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._uuids import mdev_uuid

NO_TEXT = "which YAML does not take for text: write it between quotation marks"
CHARACTERS = "use ASCII letters, digits and punctuation, no blanks, no slashes"
OWN_NAMESPACE = "give each disk a namespace of its own, or a size, or make both read_only"
EUI64 = "eui.0011223344556677"
NGUID = "eui.00112233445566778899aabbccddeeff"


def disk(**options: Any) -> dict[str, Any]:
    return {"name": "data", "controller": "S1", "namespace": 1, **options}


def vm(*disks: object, **options: Any) -> dict[str, Any]:
    return {"name": "vm1", "tenant": "blue", "disks": list(disks), **options}


def refusal(*listed: object) -> str:
    with pytest.raises(LightiovError) as error:
        _vms.parse(list(listed))
    return str(error.value)


def test_list_is_completed_by_defaults() -> None:
    assert _vms.vms([{"name": "vm1", "tenant": "blue", "vcpus": 4}, vm(disk(), name="vm2", state="stopped")]) == [
        {"name": "vm1", "tenant": "blue", "vcpus": 4, "state": "running", "disks": []},
        {
            "name": "vm2",
            "tenant": "blue",
            "state": "stopped",
            "disks": [
                {
                    "name": "data",
                    "controller": "S1",
                    "namespace": "1",
                    "size": None,
                    "read_only": False,
                    "queue_pairs": 1,
                }
            ],
        },
    ]


def test_completed_list_stays_as_it_is() -> None:
    disks = [disk(queue_pairs=2, size="5 GiB"), disk(name=7, namespace=NGUID.upper(), read_only=True)]
    once = _vms.vms([vm(*disks, guest_install="none")])
    assert _vms.vms(once) == once


def test_disks_tell_what_follows_from_them() -> None:
    assert _vms.vm_disks([vm(disk(), state="absent"), vm(disk(namespace=EUI64, queue_pairs=4), name="vm2")]) == [
        {
            "vm": "vm1",
            "tenant": "blue",
            "state": "absent",
            "name": "data",
            "controller": "S1",
            "namespace": "1",
            "size": None,
            "read_only": False,
            "queue_pairs": 1,
            "uuid": mdev_uuid("S1", "vm1"),
            "former": mdev_uuid("S1", "vm1", "data"),
            "path": "/dev/disk/by-id/lightiov-S1-ns1",
        },
        {
            "vm": "vm2",
            "tenant": "blue",
            "state": "running",
            "name": "data",
            "controller": "S1",
            "namespace": EUI64,
            "size": None,
            "read_only": False,
            "queue_pairs": 4,
            "uuid": mdev_uuid("S1", "vm2"),
            "former": mdev_uuid("S1", "vm2", "data"),
            "path": f"/dev/disk/by-id/lightiov-{EUI64}",
        },
    ]


def test_mdevs_are_those_of_vms_that_stay() -> None:
    listed = [vm(disk(), state="absent"), vm(disk(namespace=NGUID, queue_pairs=4), name="vm2", state="stopped")]
    assert _vms.vm_mdevs(listed) == [
        {
            "uuid": mdev_uuid("S1", "vm2"),
            "parent": "S1",
            "tenant": "blue",
            "queue_pairs": 4,
            "label": "vm2",
            "disks": [{"name": "data", "namespace": NGUID, "read_only": False}],
        }
    ]


def test_disks_of_a_vm_on_a_controller_are_one_mdev() -> None:
    disks = [
        disk(queue_pairs=4),
        disk(name="log", controller="S2", namespace=2),
        disk(name="scratch", namespace=3, size="320 MiB", queue_pairs=4),
        disk(name="golden", namespace=4, read_only=True),
    ]
    first, second = _vms.vm_mdevs([vm(*disks)])
    assert (first["uuid"], first["queue_pairs"]) == (mdev_uuid("S1", "vm1"), 4)
    assert first["disks"] == [
        {"name": "data", "namespace": "1", "read_only": False},
        {"name": "scratch", "namespace": "3", "size": "320 MiB", "read_only": False},
        {"name": "golden", "namespace": "4", "read_only": True},
    ]
    assert (second["uuid"], second["queue_pairs"]) == (mdev_uuid("S2", "vm1"), 1)
    assert [one["queue_pairs"] for one in _vms.vm_disks([vm(*disks)])] == [4, 1, 4, 4]


def test_a_part_of_a_namespace_is_found_by_its_id() -> None:
    listed = [vm(disk(name="a+b", size="1 GiB"))]
    assert _vms.vm_disks(listed)[0]["path"] is None
    told = {mdev_uuid("S1", "vm1"): {"a_b": {"id": "11111111", "nsid": 1}}}
    assert _vms.vm_disks(listed, told)[0]["path"] == "/dev/disk/by-id/lightiov-uuid.11111111"


def test_a_namespace_by_its_name_on_the_list_is_found_by_its_number() -> None:
    listed = [vm(disk(name="data", namespace="db1-Data"))]
    assert _vms.vm_mdevs(listed)[0]["disks"][0]["namespace"] == "db1-Data"
    assert _vms.vm_disks(listed)[0]["path"] is None
    told = {mdev_uuid("S1", "vm1"): {"data": {"id": "11111111", "nsid": 7}}}
    assert _vms.vm_disks(listed, told)[0]["path"] == "/dev/disk/by-id/lightiov-S1-ns7"


def test_of_what_a_host_knows_only_the_own_is_looked_at() -> None:
    """It is of all VMs of the host, and each VM looks up its own: to read all would be work for each pair of VMs."""

    class Host(dict[str, Any]):
        def __iter__(self) -> Iterator[str]:
            raise AssertionError("all of it was looked at")

        values = items = keys = __iter__  # type: ignore[assignment]

    told = Host({mdev_uuid("S1", f"vm{number}"): {"data": {"id": str(number), "nsid": 1}} for number in range(9)})
    assert _vms.vm_disks([vm(disk(size="1 GiB"))], told)[0]["path"] == "/dev/disk/by-id/lightiov-uuid.1"


def test_a_namespace_has_parts_of_many_or_readers_of_all() -> None:
    parts = [vm(disk(size="1 GiB"), disk(name="log", size="2 GiB")), vm(disk(size="1 TiB"), name="vm2")]
    readers = [vm(disk(read_only=True)), vm(disk(read_only=True), name="vm2")]
    assert len(_vms.parse(parts)) == len(_vms.parse(readers)) == 2


def test_domains_have_what_their_vms_say() -> None:
    listed = [
        vm(disk(), state="absent"),
        vm(name="vm2", state="stopped", image="/images/b.qcow2", root_gib=8, root_keep=True),
        vm(disk(), disk(name="log", controller="S2"), name="vm3", address="192.168.122.13", memory_mib=1024, vcpus=4),
    ]
    gone, stopped, running = _vms.vm_domains(listed, "/images", "/dev/a")
    assert gone == {
        "name": "vm1",
        "state": "absent",
        "address": None,
        "root": {
            "path": "/images/vm1-root.qcow2",
            "image": "/dev/a",
            "format": "raw",
            "size_gib": None,
            "keep": False,
        },
        "mdevs": [],
        "memory_mib": None,
        "vcpus": None,
    }
    assert (stopped["state"], stopped["mdevs"]) == ("stopped", [])
    assert stopped["root"] == {
        "path": "/images/vm2-root.qcow2",
        "image": "/images/b.qcow2",
        "format": "qcow2",
        "size_gib": 8,
        "keep": True,
    }
    assert (running["state"], running["address"]) == ("running", "192.168.122.13")
    assert running["mdevs"] == [mdev_uuid("S1", "vm3"), mdev_uuid("S2", "vm3")]
    assert (running["memory_mib"], running["vcpus"]) == (1024, 4)
    assert _vms.vm_domains(listed, "/images")[2]["root"]["image"] == ""


# YAML takes the key `on` for true.
@pytest.mark.parametrize("on", ["on", True])
def test_root_on_one_of_the_disks(on: object) -> None:
    listed = [vm(disk(), disk(name="root", controller="S2", size="8 GiB"), root={on: "lightiov"}), vm(name="vm2")]
    assert _vms.vm_images(listed, "/a") == [{"path": "/a", "format": "raw", "boot": True}]
    boot = {"kernel": "/k", "initrd": "/i", "arguments": "root=LABEL=x"}
    copies = {"/a": {"path": "/copy.raw", "format": "raw", "boot": boot}}
    first, second = (one["root"] for one in _vms.vm_domains(listed, "/images", "/a", copies))
    assert first == {
        "mdev": mdev_uuid("S2", "vm1"), "disk": "root", "image": "/copy.raw", "format": "raw", "boot": boot,
        "keep": False,
    }  # fmt: skip
    assert "boot" not in second and second["path"] == "/images/vm2-root.qcow2"
    # Before the copy is made.
    assert "boot" not in _vms.vm_domains(listed, "/images", "/a")[0]["root"]
    assert _vms.vms(listed)[0]["root"] == {"on": "lightiov"}
    other = [vm(disk(), root={on: "lightiov", "disk": "data"})]
    assert _vms.vm_domains(other, "/images")[0]["root"]["disk"] == "data"
    assert "path" in _vms.vm_domains([vm(root={on: "file"})], "/images")[0]["root"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"root": {"on": "nvme"}}, "The root of VM vm1 cannot have 'nvme' as its on: choose from file, lightiov"),
        ({"root": "lightiov"}, "The root of VM vm1 is 'lightiov', which is not a mapping: write on, and disk with "),
        ({"root": {"on": "lightiov", "size": 1}}, "The root of VM vm1 has the unknown key 'size'"),
        ({"root": {"on": "lightiov"}}, "VM vm1 is to have its root on disk root, which is none of its disks"),
        ({"root": {"on": "lightiov", "disk": "golden"}}, "VM vm1 is to have its root on disk golden, which is read_on"),
        ({"root": {"on": "lightiov", "disk": "data"}, "root_gib": 8}, "VM vm1 has a root_gib, but its root is disk d"),
    ],
)
def test_root_that_cannot_be(options: dict[str, Any], sentence: str) -> None:
    assert refusal(vm(disk(), disk(name="golden", namespace=4, read_only=True), **options)).startswith(sentence)


def test_a_copy_takes_the_place_of_an_image() -> None:
    listed = [vm(), vm(name="vm2", image="/images/b.qcow2"), vm(name="vm3"), vm(name="vm4", state="absent", image="/c")]
    assert _vms.vm_images(listed, "/dev/a") == [
        {"path": "/dev/a", "format": "raw"},
        {"path": "/images/b.qcow2", "format": "qcow2"},
    ]
    assert _vms.vm_images([vm()]) == []
    copies = {"/images/b.qcow2": {"path": "/images/lightiov-b.raw", "format": "raw"}}
    roots = [domain["root"] for domain in _vms.vm_domains(listed, "/images", "/dev/a", copies)]
    assert [(root["image"], root["format"]) for root in roots[:2]] == [
        ("/dev/a", "raw"),
        ("/images/lightiov-b.raw", "raw"),
    ]


def test_names_and_serials_of_digits_are_their_text() -> None:
    listed = [
        {"name": 101, "tenant": 7, "disks": [{"name": 1, "controller": 12345, "namespace": "0007", "queue_pairs": "2"}]}
    ]
    (mdev,) = _vms.vm_mdevs(listed)
    assert mdev == {
        "uuid": mdev_uuid("12345", "101"),
        "parent": "12345",
        "tenant": "7",
        "queue_pairs": 2,
        "label": "101",
        "disks": [{"name": "1", "namespace": "7", "read_only": False}],
    }
    assert _vms.vm_domains(listed, "/images")[0]["name"] == "101"


@pytest.mark.parametrize(
    ("serial", "link"),
    [
        ("S64GNE0R-500031", "S64GNE0R-500031"),
        ("BTLN 9123", "BTLN_9123"),
        ("a$b%c,d(e)", "a_b_c_d_e_"),
        ("#+-.:=@_", "#+-.:=@_"),
    ],
)
def test_paths_are_escaped_as_udev_does(serial: str, link: str) -> None:
    (found,) = _vms.vm_disks([vm(disk(controller=serial, namespace=3))])
    assert found["path"] == f"/dev/disk/by-id/lightiov-{link}-ns3"


def test_namespace_of_an_absent_vm_may_go_to_another() -> None:
    listed = [vm(disk(), state="absent"), vm(disk(), name="vm2")]
    assert [mdev["label"] for mdev in _vms.vm_mdevs(listed)] == ["vm2"]


def test_same_number_on_another_controller_is_another_namespace() -> None:
    assert len(_vms.vm_mdevs([vm(disk(), disk(name="log", controller="S2"))])) == 2


@pytest.mark.parametrize("listed", [None, {"name": "vm1"}, "vm1", 5])
def test_what_is_no_list_is_refused(listed: object) -> None:
    with pytest.raises(
        LightiovError, match=r"^The value of lightiov_vms is .*, which is not a list: write a list of VMs$"
    ):
        _vms.parse(listed)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ("vm1", "VM 2 of lightiov_vms is 'vm1', which is not a mapping: write name and tenant with their values"),
        ({"tenant": "blue"}, "VM 2 of lightiov_vms has no name: give it one"),
        (vm(name=""), "VM 2 of lightiov_vms has no name: give it one"),
        (vm(name=True), f"VM 2 of lightiov_vms has the name True, {NO_TEXT}"),
        (vm(name=1.5), f"VM 2 of lightiov_vms has the name 1.5, {NO_TEXT}"),
        (
            vm(name="vm/1"),
            f"VM 2 of lightiov_vms cannot have the name 'vm/1': {CHARACTERS}",
        ),
        (
            vm(name="vm 1"),
            f"VM 2 of lightiov_vms cannot have the name 'vm 1': {CHARACTERS}",
        ),
        (vm(name="first"), "VM first is listed more than once in lightiov_vms: give each VM a name of its own"),
        (
            vm(disk=[]),
            "VM vm1 has the unknown key 'disk': choose from address, disks, guest_install, image, mac, memory_mib, "
            "name, numa_cpus, numa_node, root, root_gib, root_keep, state, tenant, vcpus",
        ),
        (vm(tenant=None), "VM vm1 has no tenant: set it to a name that it shares with the VMs that trust it"),
        (
            vm(tenant="two words"),
            "VM vm1 cannot have the tenant 'two words': use 1 to 64 letters, digits, dots, underscores and hyphens",
        ),
        (vm(state="off"), "VM vm1 cannot have 'off' as its state: choose from running, stopped, absent"),
        (vm(state=False), "VM vm1 cannot have False as its state: choose from running, stopped, absent"),
        (vm(state=["absent"]), "VM vm1 cannot have ['absent'] as its state: choose from running, stopped, absent"),
        (vm(guest_install="deb"), "VM vm1 cannot have 'deb' as its guest_install: choose from package, dkms, none"),
        (
            vm() | {"disks": disk()},
            f"The value of disks of VM vm1 is {disk()!r}, which is not a list: write a list of disks",
        ),
        (
            vm("data"),
            "Disk 1 of VM vm1 is 'data', which is not a mapping: "
            "write name, controller and namespace with their values",
        ),
        (vm({"controller": "S1"}), "Disk 1 of VM vm1 has no name: give it one"),
        (
            vm(disk(name="a/b")),
            f"Disk 1 of VM vm1 cannot have the name 'a/b': {CHARACTERS}",
        ),
        (vm(disk(), disk(namespace=2)), "VM vm1 has several disks with the name data: give each a name of its own"),
        (
            vm(disk(gib=5)),
            "Disk data of VM vm1 has the unknown key 'gib': choose from controller, name, namespace, queue_pairs, "
            "read_only, size",
        ),
        (
            vm(disk(size=5)),
            "Disk data of VM vm1 cannot have the size 5: write a whole number and MiB, GiB or TiB, such as 200 GiB, or "
            "leave size out for the whole namespace",
        ),
        (
            vm(disk(size="200 GB")),
            "Disk data of VM vm1 cannot have the size '200 GB', because drives and systems do not agree on decimal "
            "units: say it in MiB, GiB or TiB, such as 200 GiB",
        ),
        (
            vm(disk(read_only="yes")),
            "Disk data of VM vm1 cannot have 'yes' as its read_only: choose true or false",
        ),
        (
            vm(disk(queue_pairs=2), disk(name="log", namespace=2, queue_pairs=3)),
            "VM vm1 cannot have 2 queue pairs of controller S1 for disk data and 3 for disk log, because its disks "
            "there share them: say the same number at each, or at one of them",
        ),
        (
            vm(disk(size="1 GiB"), disk(name="log")),
            "Disk log of VM vm1 cannot have namespace 1 of controller S1, because disk data of VM vm1 has it: "
            f"{OWN_NAMESPACE}",
        ),
        (
            vm(disk(controller=None)),
            "Disk data of VM vm1 has no controller: set it to the serial number of one in lightiov_controllers",
        ),
        (
            vm(disk(controller="S/1")),
            "Disk data of VM vm1 cannot have the controller 'S/1', because of the slash: "
            "set it to a serial number without",
        ),
        (
            vm(disk(namespace=None)),
            "Disk data of VM vm1 has no namespace: set it to a number, or to eui. and its NGUID or EUI-64",
        ),
        (vm(disk(queue_pairs=0)), "Disk data of VM vm1 cannot have '0' as its queue_pairs: choose 1 to 128"),
        (vm(disk(queue_pairs=129)), "Disk data of VM vm1 cannot have '129' as its queue_pairs: choose 1 to 128"),
        (vm(disk(queue_pairs="two")), "Disk data of VM vm1 cannot have 'two' as its queue_pairs: choose 1 to 128"),
        (
            vm(disk(controller="S9", namespace=9)),
            "Disk data of VM vm1 cannot have namespace 9 of controller S9, because disk data of VM first has it: "
            f"{OWN_NAMESPACE}",
        ),
        (
            vm(disk(controller="S1"), disk(name="log", namespace="1")),
            "Disk log of VM vm1 cannot have namespace 1 of controller S1, because disk data of VM vm1 has it: "
            f"{OWN_NAMESPACE}",
        ),
    ],
)
def test_refusals_name_vm_disk_cause_and_remedy(wrong: object, sentence: str) -> None:
    assert refusal(vm(disk(controller="S9", namespace=9), name="first"), wrong) == sentence


@pytest.mark.parametrize(
    "namespace", [0, -1, 0xFFFFFFFF, "one more", "eui.", "eui.00", EUI64 + "0", "uuid.0011223344556677", "²", True]
)
def test_what_names_no_namespace_is_refused(namespace: object) -> None:
    assert refusal(vm(disk(namespace=namespace))).startswith("Disk data of VM vm1 ")


def test_keys_are_those_of_the_role() -> None:
    roles = Path(__file__).resolve().parents[4] / "roles"
    specification = yaml.safe_load((roles / "devices/meta/argument_specs.yml").read_text())
    of_vms = specification["argument_specs"]["main"]["options"]["lightiov_vms"]["options"]
    assert of_vms.keys() == _vms.VM_KEYS
    assert of_vms["disks"]["options"].keys() == _vms.DISK_KEYS
    assert tuple(of_vms["state"]["choices"]) == _vms.STATES
    assert of_vms["state"]["default"] == _vms.STATES[0]
    assert tuple(of_vms["guest_install"]["choices"]) == _vms.GUEST_INSTALLS
