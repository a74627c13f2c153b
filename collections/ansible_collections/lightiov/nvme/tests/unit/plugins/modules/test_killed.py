# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each module that acts, killed (SIGKILL) at each of its writes, and while a tool or system call of it is at work.

The next run completes: the host is as if nobody had been killed, nothing is left over, and a third run changes nothing.
"""

from __future__ import annotations

import itertools
import os
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import killed
import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils._alone import LOCK
from ansible_collections.lightiov.nvme.plugins.module_utils._uuids import mdev_uuid
from ansible_collections.lightiov.nvme.plugins.modules import (
    controller,
    dkms_module,
    domain,
    domain_mdev,
    generation,
    guest_image,
    mdev,
    namespace,
)
from every_case import only_exhaustive
from fake_host import KERNEL, FakeHost
from fake_libvirt import CONFIG, LIVE, FakeConnection, FakeDomain

pytestmark = pytest.mark.many_cases

A, B = "0000:01:00.0", "0000:02:00.0"
NEXT = "6.12.107+deb13-amd64"
IMAGE, VERSION = "/images/debian.raw", "0.2.0+aaaabbbbcccc"
TOOLS = ("dkms", "driverctl", "liov", "mdevctl", "modinfo", "modprobe", "systemctl", "udevadm")
# What of a host tells of its past, and not of its present.
LOGS = ("calls", killed.LIBVIRT.lstrip("/"), LOCK.lstrip("/"))
# These write into their last argument: what it is made of.
SCRIPTS = {
    "qemu-img": 'for last; do :; done; case $1 in create) last=$9;; esac; echo "$1 of ${8##*/}" > "$last"',
    "systemd-nspawn": """
        image=${2#--image=}
        case $* in
            *--read-only*) bind=${4#--bind=}; echo "linux /a root=UUID=1" > "${bind%:*}/grub.cfg";;
            *) echo "with the driver" >> "$image";;
        esac""",
}


def vm(name: str, *namespaces: int, queue_pairs: int = 1, parts: dict[str, str] | None = None) -> dict[str, Any]:
    """What a VM has of controller S1."""
    sizes = [{"name": part, "namespace": 3, "size": size} for part, size in (parts or {}).items()]
    return {
        "uuid": mdev_uuid("S1", name),
        "label": name,
        "parent": "S1",
        "tenant": "blue",
        "queue_pairs": queue_pairs,
        "disks": [*({"name": f"d{nsid}", "namespace": nsid} for nsid in namespaces), *sizes],
    }


def made(name: str, **options: Any) -> dict[str, Any]:
    """A domain."""
    number = name.removeprefix("vm")
    xml = (
        f"<domain><name>{name}</name><devices><disk type='file'><source file='/images/{name}.qcow2'/></disk>"
        f"<interface type='network'><mac address='52:54:00:00:00:0{number}'/><source network='default'/></interface>"
        "</devices></domain>"
    )
    root = {"path": f"/images/{name}.qcow2", "image": IMAGE}
    return {"name": name, "xml": xml, "root": root, "address": f"192.168.122.{number}", **options}


@dataclass(frozen=True)
class Case:
    """A call, and what the host is before it: a controller for LightIOV, and what earlier calls have made."""

    module: ModuleType
    parameters: dict[str, Any]
    before: tuple[tuple[ModuleType, dict[str, Any]], ...] = ()
    driver: str = "lightiov"
    prepare: Callable[[FakeHost], None] = field(default=lambda fake: None)


def images(fake: FakeHost) -> None:
    fake.write(IMAGE, "Debian")
    fake.write(f"/packages/lightiov-guest-{KERNEL}_{VERSION}_amd64.deb", "driver")


def kernels(fake: FakeHost) -> None:
    for release in (KERNEL, NEXT):
        fake.write(f"/lib/modules/{release}/build/Makefile", "")
        fake.path(f"/lib/modules/{release}/kernel").mkdir()
    fake.write("/etc/debian_version", "13.2\n")
    for version in ("old", "new"):
        fake.write(f"/{version}/dkms.conf", 'PACKAGE_NAME="lightiov-host"\nPACKAGE_VERSION="#MODULE_VERSION#"\n')
        fake.write(f"/{version}/a.c", f"int {version};")


def vms(fake: FakeHost) -> None:
    images(fake)
    connection = FakeConnection()
    connection.add(FakeDomain("vm3", disk="/images/vm3.qcow2", mac="52:54:00:00:00:03"), FakeDomain("vm4", active=True))
    killed.keep(fake, connection)
    fake.write("/images/vm3.qcow2", "vm3's")


def package(version: str, **options: Any) -> tuple[ModuleType, dict[str, Any]]:
    parameters = {"name": "lightiov-host", "version": "0.1.0", "src": f"/{version}", "module": "lightiov_host"}
    return dkms_module, {**parameters, **options}


def new(**options: Any) -> dict[str, Any]:
    return {"controller": "S1", **options}


TWO = [vm("vm1", 1, parts={"a": "10 MiB", "b": "5 MiB"}), vm("vm2", 2, queue_pairs=3)]
BOOT = {"kernel": "/boot/vmlinuz", "initrd": "/boot/initrd.img", "arguments": "root=UUID=1"}
ROOT = {"mdev": mdev_uuid("S1", "vm1"), "disk": "d1", "image": IMAGE, "boot": BOOT}
VMS = ((mdev, {"mdevs": [vm(f"vm{number}", number) for number in range(1, 4)]}),)
CASES = {
    "controllers taken": Case(controller, {"controllers": [{"serial": "S1"}, {"serial": "S2"}]}, driver="nvme"),
    "one handed back": Case(controller, {"controllers": [{"serial": "S2"}]}),
    "mdevs made": Case(mdev, {"mdevs": TWO}),
    "mdevs changed": Case(
        mdev,
        {"mdevs": [vm("vm1", 1, parts={"a": "20 MiB", "c": "5 MiB"}), vm("vm3", 4)], "remove": True},
        before=((mdev, {"mdevs": [vm("vm1", 1, parts={"a": "10 MiB"}), vm("vm2", 2)]}),),
    ),
    "namespaces": Case(
        namespace,
        {"namespaces": [new(name="b", size="1 GiB", image=IMAGE), new(name="c", size="2 GiB", state="detached")],
         "remove": True},
        before=((namespace, {"namespaces": [new(name="a", size="10 GiB"), new(name="c", size="2 GiB")]}),),
        prepare=images,
    ),
    "VMs": Case(
        domain,
        {"domains": [
            made("vm1", mdevs=[mdev_uuid("S1", "vm1")]),
            made("vm2", state="stopped", mdevs=[mdev_uuid("S1", "vm2")]),
            made("vm3", state="absent"),
            {"name": "vm4", "memory_mib": 1024, "vcpus": 4},
        ]},
        before=VMS,
        prepare=vms,
    ),
    "VM with its root on LightIOV": Case(
        domain,
        {"domains": [made("vm1", mdevs=[mdev_uuid("S1", "vm1")], root=ROOT)]},
        before=VMS,
        prepare=vms,
    ),
    "their mdevs": Case(
        domain_mdev,
        {"domains": [{"name": "vm3", "mdevs": [mdev_uuid("S1", "vm3")]},
                     {"name": "vm4", "mdevs": [mdev_uuid("S1", "vm1"), mdev_uuid("S1", "vm2")]}]},
        before=VMS,
        prepare=vms,
    ),
    "kernel module installed": Case(*package("new", parameters={"max_vectors": 4}), prepare=kernels),
    "kernel module replaced": Case(*package("new"), before=(package("old"),), prepare=kernels),
    "kernel module removed": Case(*package("new", state="absent"), before=(package("new"),), prepare=kernels),
    "image": Case(
        guest_image,
        {"images": [{"path": IMAGE, "boot": True}], "version": VERSION, "packages": "/packages",
         "directory": "/images"},
        prepare=images,
    ),
    "generation": Case(generation, {"name": "hv1", "expected": 0, "digest": "a"}),
}  # fmt: skip


def host_of(case: Case, root: Path) -> FakeHost:
    fake = FakeHost(root)
    fake.install(*TOOLS)
    for name, text in SCRIPTS.items():
        script = fake.bin / name
        script.write_text(f"#!/bin/sh\n{text}\n")
        script.chmod(0o755)
    for driver in ("lightiov", "nvme"):
        fake.load_driver(driver)
    for address, serial, group in ((A, "S1", 1), (B, "S2", 2)):
        fake.add_controller(address, serial, group=group)
    wanted = [{"serial": serial} for serial in ("S1", "S2") if case.driver == "lightiov"]
    case.prepare(fake)
    for module, parameters in ((controller, {"controllers": wanted}), *case.before):
        said = killed.run(fake, module, located(fake, parameters))
        assert not said.get("failed"), said
    return fake


def located(fake: FakeHost, parameters: dict[str, Any]) -> dict[str, Any]:
    """Where the module itself, and no tool of it, looks for the file that it is given."""
    return {**parameters, "src": str(fake.path(parameters["src"]))} if "src" in parameters else parameters


def state(fake: FakeHost) -> dict[str, str]:
    found = {}
    for directory, _names, files in os.walk(fake.root):
        for name in (*_names, *files):
            path = Path(directory, name)
            key = str(path.relative_to(fake.root))
            if key not in LOGS:
                found[key] = _content(path)
    for one in killed.kept(fake).domains:
        scopes = [ET.tostring(one.config, encoding="unicode"), one.has(CONFIG), one.has(LIVE) if one.isActive() else []]
        found[f"domain {one.name()}"] = str((one.status, one.starts_with_host, *scopes))
    found["leases"] = str(killed.kept(fake).networks["default"].leases())
    return found


def _content(path: Path) -> str:
    if path.is_symlink():
        return f"-> {path.readlink()}"
    return "/" if path.is_dir() else path.read_text(encoding="utf-8")


@pytest.mark.parametrize("step", [4, only_exhaustive(1)], ids="moments: one in {}".format)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_next_run_completes_what_a_killed_one_began(tmp_path: Path, case: Case, step: int) -> None:
    # All at one place, for links and definitions have it in them.
    prepared, root = tmp_path / "prepared", tmp_path / "host"
    host_of(case, root)
    shutil.copytree(root, prepared, symlinks=True)

    def call(last: int | None = None) -> dict[str, Any]:
        fake = FakeHost(root)
        return killed.run(fake, case.module, located(fake, case.parameters), last)

    first = call()
    assert first["changed"] and not first.get("failed"), first
    right = state(FakeHost(root))
    for moment in itertools.count(1, step):
        shutil.rmtree(root)
        shutil.copytree(prepared, root, symlinks=True)
        if call(moment):
            break
        following = call()
        assert not following.get("failed"), f"moment {moment}: {following['msg']}"
        assert state(FakeHost(root)) == right, f"moment {moment}"
        assert call()["changed"] is False, f"moment {moment}"
    assert moment > 1
