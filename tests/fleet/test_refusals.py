# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrong inputs: one sentence that names object, cause and remedy, and a host that is as it was."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from fleet import VM, Ansible, stock_disk

from lab import Host

OTHER = "LIOV1B"  # the controller that stays with the stock driver
SNAPSHOT = """
driverctl list-overrides; mdevctl list -d --dumpjson
ls -1 /sys/bus/mdev/devices /sys/bus/pci/drivers/nvme
ls -lR /usr/src/lightiov-host-* /etc/modprobe.d /etc/modules-load.d; dkms status; lsmod | grep -o '^lightiov_host'
for vm in vm1 vm2; do virsh dumpxml --inactive $vm; virsh dumpxml $vm; done
"""


@pytest.fixture(scope="module")
def untouched(host1: Host) -> str:
    return host1.run(SNAPSHOT).stdout


@pytest.fixture(autouse=True)
def host_is_unchanged(host1: Host, untouched: str) -> Iterator[None]:
    yield
    assert host1.run(SNAPSHOT).stdout == untouched


@pytest.fixture
def mdevs(ansible: Ansible) -> list[dict[str, Any]]:
    """The mediated devices of host1 as the module takes them."""
    keys = ("uuid", "label", "tenant", "queue_pairs")
    found = ansible.module("host1", "mdev_info", {})["mdevs"]
    return [
        {**{key: mdev[key] for key in keys}, "parent": "LIOV1A", "disks": [as_listed(disk) for disk in mdev["disks"]]}
        for mdev in found
    ]


def as_listed(disk: dict[str, Any]) -> dict[str, Any]:
    size = {} if disk["first"] is None else {"size": f"{disk['size'] >> 20} MiB"}
    return {"name": disk["name"], "namespace": disk["nsid"], **size}


def refused(result: dict[str, Any], sentence: str) -> None:
    """The whole message is this sentence, which is a regular expression."""
    message = result.get("msg", "").strip()
    assert result.get("failed"), result
    assert re.fullmatch(sentence, message), message


def test_unknown_serial(ansible: Ansible) -> None:
    wanted = [{"serial": "LIOV1A"}, {"serial": "S5XANA0R700001"}]
    refused(
        ansible.module("host1", "controller", {"controllers": wanted}),
        "No NVMe controller of this host has the serial 'S5XANA0R700001': choose from those present: .*LIOV1B.*",
    )


@pytest.mark.parametrize(
    ("use", "undo", "cause"),
    [
        ("mkfs.ext4 -qF {disk} && mount {disk} /mnt", "umount /mnt", "is mounted on /mnt"),
        ("mkswap -q {disk} && swapon {disk}", "swapoff {disk}", "is swap space"),
        (
            "pvcreate -qq -y {disk} && vgcreate -qq refusal {disk} && lvcreate -qq -y -Wn -l 1 -n some refusal",
            "vgchange -qq -an refusal; vgremove -qq -y refusal; pvremove -qq -y {disk}",
            r"is part of dm-\d+",
        ),
    ],
    ids=["mounted", "swap", "lvm"],
)
def test_controller_in_use(ansible: Ansible, host1: Host, use: str, undo: str, cause: str) -> None:
    disk = stock_disk(host1, OTHER)
    host1.run(use.format(disk=disk))
    try:
        wanted = [{"serial": "LIOV1A"}, {"serial": OTHER}]
        refused(
            ansible.module("host1", "controller", {"controllers": wanted}),
            f"Controller .*{OTHER}.* is in use, {disk} {cause}.*: end that use or do not list the controller",
        )
    finally:
        host1.run(undo.format(disk=disk))
        host1.run(f"wipefs -qa {disk}")


def test_too_many_queue_pairs(ansible: Ansible, mdevs: list[dict[str, Any]]) -> None:
    mdevs[0]["queue_pairs"] = 65
    refused(
        ansible.module("host1", "mdev", {"mdevs": mdevs}),
        "Controller .*LIOV1A.* has 64 queue pairs, but its mdevs want 67: give them fewer or use another controller",
    )


def test_namespace_given_to_two(ansible: Ansible, mdevs: list[dict[str, Any]]) -> None:
    [whole] = [[disk for disk in mdev["disks"] if "size" not in disk] for mdev in mdevs[:1]]
    mdevs[1]["disks"] = whole
    refused(
        ansible.module("host1", "mdev", {"mdevs": mdevs}),
        r"Disk data of mdev .* wants namespace \d of controller .*LIOV1A.*, of which disk data of mdev .* has all: .*",
    )


def test_second_tenant(ansible: Ansible, mdevs: list[dict[str, Any]]) -> None:
    mdevs[1]["tenant"] = "green"
    refused(
        ansible.module("host1", "mdev", {"mdevs": mdevs}),
        "Controller .*LIOV1A.* cannot serve the tenants blue and green at once, because passthrough does not protect "
        "tenants from each other: give each tenant a controller of its own",
    )


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {},
            "mdevs or disks that are no longer wanted would be removed, 1 of them: {uuid}.*; list them again, give "
            "their VMs the state absent .*, or add remove to lightiov_allow .*",
        ),
        ({"remove": True}, "mdev {uuid} has to be stopped, but a VM has it open: stop the VM, or add detach to .*"),
    ],
    ids=["without a word", "in use"],
)
def test_mdev_removed(
    ansible: Ansible, mdevs: list[dict[str, Any]], vm2: VM, options: dict[str, Any], sentence: str
) -> None:
    rest = [mdev for mdev in mdevs if mdev["uuid"] != vm2.uuid]
    refused(ansible.module("host1", "mdev", {"mdevs": rest, **options}), sentence.format(uuid=vm2.uuid))


def test_root_disk_of_another_vm(ansible: Ansible) -> None:
    disk = "/var/lib/libvirt/images/vm1-root.qcow2"
    new = {
        "name": "vm9",
        "xml": "<domain type='kvm'><name>vm9</name><devices/></domain>",
        "root": {"path": disk, "image": "/dev/disk/by-id/virtio-guestbase"},
    }
    refused(
        ansible.module("host1", "domain", {"domains": [new]}),
        f".*vm9.*{re.escape(disk)}.*root_keep.*",
    )


def test_running_vms_torn_down(ansible: Ansible) -> None:
    run = ansible.playbook("playbooks/teardown.yml", "--limit", "host1", "-e", "{lightiov_allow: [remove, reload]}")
    assert run.returncode != 0
    assert (
        "vm1, vm2 on host1 would lose LightIOV disks while running, and what is not yet written to them: "
        "shut the VMs down, or add detach to lightiov_allow"
    ) in run.stdout


def test_headers_missing(ansible: Ansible, host1: Host) -> None:
    kernel = host1.run("uname -r").stdout.strip()
    build = f"/lib/modules/{kernel}/build"
    changed = "/tmp/lightiov-changed"
    source = host1.run("readlink -f /usr/local/sbin/liov").stdout.strip().removesuffix(".liov/sbin/liov")
    host1.run(f"cp -a {source} {changed} && echo >> {changed}/host/Kbuild")
    host1.run(f"mv {build} {build}.away")
    try:
        arguments = {"name": "lightiov-host", "version": "0", "src": changed, "conf": "dkms/host.conf"}
        refused(
            ansible.module("host1", "dkms_module", arguments),
            re.escape(
                f"lightiov-host cannot be built for kernel {kernel}, because its headers are missing: install "
                f"the package linux-headers-{kernel}"
            ),
        )
    finally:
        host1.run(f"mv {build}.away {build}; rm -r {changed}")
