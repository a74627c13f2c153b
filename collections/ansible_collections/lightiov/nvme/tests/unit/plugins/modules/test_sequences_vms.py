# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every sequence of up to two calls of mdev, domain_mdev and domain, the last cut after each of its writes, is put
right."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import killed
import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils import _libvirt
from ansible_collections.lightiov.nvme.plugins.module_utils._uuids import mdev_uuid
from ansible_collections.lightiov.nvme.plugins.modules import domain, domain_mdev, mdev
from every_case import only_exhaustive
from explorer import Call, Explorer, State, check_all_put_right
from fake_host import FakeHost
from fake_libvirt import LIVE, SHUTOFF, FakeConnection, FakeDomain, FakeLibvirt, LibvirtError

pytestmark = pytest.mark.many_cases

ADDRESS, IMAGE, LIBVIRT = "0000:01:00.0", "/images/debian.raw", "/libvirt"
TOOLS = ("liov", "mdevctl", "qemu-img", "systemctl", "udevadm")
WRITES = {
    FakeHost: ("write", "link", "add_mdev", "remove_mdev", "told"),
    Path: ("write_text", "unlink", "replace", "symlink_to", "touch"),
    os: ("link",),
}
# Root disks of VMs that were removed stay.
COMPARED = ("sys/", "etc/mdevctl.d/", "etc/systemd/", "images/")
FORMER = ".removed-"

# Of each of two VMs: its state, whether it has its disk, and the last number of its address.
VM = tuple[str, bool, int]
GONE = ("absent", False, 0)
WISHES: list[tuple[VM, VM]] = [
    (GONE, GONE),
    (("running", True, 2), GONE),
    (("running", True, 2), ("running", True, 3)),
    (("stopped", True, 2), ("running", True, 3)),
    (("running", False, 3), ("stopped", False, 2)),
]


def uuid_of(name: str) -> str:
    return mdev_uuid("S1", name)


def vms(wish: tuple[VM, VM]) -> list[tuple[str, VM]]:
    return [(f"vm{number}", one) for number, one in enumerate(wish, 1)]


def mdevs(wish: tuple[VM, VM]) -> Call:
    wanted = [
        {
            "uuid": uuid_of(name),
            "label": name,
            "parent": "S1",
            "tenant": "blue",
            "queue_pairs": 1,
            "disks": [{"name": "data", "namespace": int(name[2:])}],
        }
        for name, (_state, disk, _address) in vms(wish)
        if disk
    ]
    return Call.of(mdev, mdevs=wanted, remove=True)


def domains(wish: tuple[VM, VM]) -> Call:
    wanted = [
        {
            "name": name,
            "state": state,
            "xml": f"<domain><name>{name}</name><devices>"
            f"<disk type='file'><source file='/images/{name}.qcow2'/></disk>"
            f"<interface type='network'><mac address='52:54:00:00:00:0{name[2:]}'/><source network='default'/>"
            "</interface></devices></domain>",
            "root": {"path": f"/images/{name}.qcow2", "image": IMAGE},
            "address": f"192.168.122.{address}",
            "mdevs": [uuid_of(name)] * disk,
        }
        for name, (state, disk, address) in vms(wish)
    ]
    return Call.of(domain, domains=wanted)


def leaving(wish: tuple[VM, VM]) -> Call:
    """Their states, and nothing else of them."""
    root = {"vm1": "/images/vm1.qcow2", "vm2": "/images/vm2.qcow2"}
    return Call.of(
        domain,
        domains=[
            {"name": name, "state": state, "root": {"path": root[name], "image": IMAGE}}
            for name, (state, _disk, _address) in vms(wish)
            if state != "running"
        ],
    )


def unplugged(wish: tuple[VM, VM]) -> Call:
    return Call.of(domain_mdev, absent=[uuid_of(name) for name, (_state, disk, _address) in vms(wish) if not disk])


def deployment(_state: State, wish: tuple[VM, VM]) -> Iterator[Call]:
    yield leaving(wish)
    yield unplugged(wish)
    yield mdevs(wish)
    yield domains(wish)


CALLS = list(
    dict.fromkeys(call for wish in WISHES for call in (mdevs(wish), unplugged(wish), leaving(wish), domains(wish)))
)


class Libvirt:
    """Is kept in a file of the host, so that it is part of its state; the mdevs of what runs are open."""

    def __init__(self, fake: FakeHost) -> None:
        self.fake = fake
        self.connection = FakeConnection()
        self.keep()

    def keep(self) -> None:
        self.fake.write(LIBVIRT, self.connection.text())
        running = {one for domain in self.connection.domains if domain.status != SHUTOFF for one in domain.has(LIVE)}
        for uuid in self.fake.mdevs(ADDRESS):
            self.fake.write(f"/sys/bus/mdev/devices/{uuid}/state", f"{'open' if uuid in running else 'closed'}\n")

    def recall(self) -> FakeLibvirt:
        self.connection = FakeConnection.of(self.fake.read(LIBVIRT))
        return FakeLibvirt(self.connection)

    def forget_removed(self) -> None:
        """Their root disks, for the fake gives a domain of the same name the same UUID again."""
        for path in self.fake.path("/images").glob(f"*{FORMER}*"):
            if path.name.partition(FORMER)[2] not in [one.UUIDString() for one in self.connection.domains]:
                path.unlink()

    def kept(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def calling(*arguments: Any) -> Any:
            result = method(*arguments)
            self.keep()
            return result

        return calling

    def create(self, method: Callable[..., Any]) -> Callable[[FakeDomain], None]:
        def creating(domain: FakeDomain) -> None:
            there = self.fake.mdevs(ADDRESS)
            missing = [uuid for uuid in domain.has(2) if uuid not in there]
            if missing:
                raise LibvirtError(1, f"device not found: mediated device '{missing[0]}' not found")
            method(domain)

        return creating


def qemu_img(_fake: FakeHost, *words: str) -> None:
    Path(words[-1]).write_text("overlay", encoding="utf-8")


@pytest.fixture
def explorer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Explorer:
    fake = FakeHost(tmp_path / "root")
    for driver in ("lightiov", "nvme"):
        fake.load_driver(driver)
    fake.add_controller(ADDRESS, "S1", namespaces=2, driver="lightiov", group=None)
    fake.write(IMAGE, "Debian")
    libvirt = Libvirt(fake)
    monkeypatch.setattr(FakeDomain, "create", libvirt.create(FakeDomain.create))
    for owner, names in killed.CALLS.items():
        for name in names:
            monkeypatch.setattr(owner, name, libvirt.kept(getattr(owner, name)))
    monkeypatch.setattr(
        FakeHost, "qemu-img", lambda _fake, *words: Path(words[-1]).write_text("overlay"), raising=False
    )

    def boot() -> None:
        """What is defined to start with the host does, mdevs first."""
        libvirt.recall()
        for one in libvirt.connection.domains:
            one.status = SHUTOFF
        fake.boot()
        for one in libvirt.connection.domains:
            if one.starts_with_host:
                with contextlib.suppress(LibvirtError):
                    one.create()
        libvirt.keep()

    explorer = Explorer.of(
        fake,
        monkeypatch,
        modules=(mdev, domain_mdev, domain),
        tools=TOOLS,
        counted={**WRITES, **killed.CALLS},
        boot=boot,
    )
    run = explorer.run

    def with_libvirt(call: Call) -> str:
        monkeypatch.setattr(_libvirt, "api", libvirt.recall())
        libvirt.forget_removed()
        return run(call)

    monkeypatch.setattr(explorer, "run", with_libvirt)
    return explorer


def compared(state: State) -> dict[str, str]:
    found = {
        name: content for name, content in state if name.startswith(COMPARED) and content != "/" and FORMER not in name
    }
    connection = FakeConnection.of(dict(state)[LIBVIRT.lstrip("/")][1:])
    told = json.loads(connection.text())
    for one in connection.domains:
        config, _live, status, autostart = told["domains"][one.name()]
        found[one.name()] = str((config, status, autostart, [] if status == SHUTOFF else one.has(LIVE)))
    return {**found, "leases": str(told["leases"])}


@pytest.mark.parametrize("calls", [1, only_exhaustive(2)])
def test_whatever_is_left_is_put_right(explorer: Explorer, calls: int) -> None:
    check_all_put_right(explorer, WISHES, calls=CALLS, length=calls, deployment=deployment, compared=compared)
