# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab's inventory promises, for tests that look whether it is so."""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest
import testinfra
import yaml
from testinfra.host import Host

from lab.spec import host_spec

HOST_VARS = Path(__file__).resolve().parents[3] / "inventories/lab-pinned/host_vars"
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "lightiov.nvme")


def named(*names: str) -> str:
    return str(uuid.uuid5(NAMESPACE, "/".join(names)))


@dataclass(frozen=True)
class Disk:
    """One disk of one VM of the inventory."""

    host: str
    vm: str
    name: str
    controller: str
    namespace: int
    queue_pairs: int
    size: str | None = None

    @property
    def uuid(self) -> str:
        """Of what the VM has of the controller."""
        return named(self.controller, self.vm)

    @property
    def id(self) -> str:
        """The first part of a namespace begins at LBA 0."""
        if self.size is None:
            return named(self.controller, self.vm, self.name)
        [controller] = [one for one in host_spec(self.host).controllers if one.serial == self.controller]
        return named(self.controller, self.vm, self.name, controller.wwid(self.namespace), "0")

    @property
    def path(self) -> str:
        if self.size is not None:
            return f"/dev/disk/by-id/lightiov-uuid.{self.id}"
        return f"/dev/disk/by-id/lightiov-{self.controller}-ns{self.namespace}"

    def __str__(self) -> str:
        return f"{self.host}-{self.vm}-{self.name}"


def inventory() -> dict[str, dict]:
    """What is said of the hosts that the scenario is about: of all, unless it names some."""
    listed = {path.stem: yaml.safe_load(path.read_text()) for path in sorted(HOST_VARS.glob("*.yml"))}
    return {name: listed[name] for name in os.environ.get("LIGHTIOV_HOSTS", " ".join(listed)).split()}


def disks() -> list[Disk]:
    return [
        Disk(host, vm["name"], **disk)
        for host, variables in inventory().items()
        for vm in variables["lightiov_vms"]
        for disk in vm["disks"]
    ]


def connect(name: str, config: pytest.Config) -> Host:
    return testinfra.get_host(f"ssh://{name}", ssh_config=config.getoption("ssh_config"))


@pytest.fixture(params=inventory())
def hypervisor(request: pytest.FixtureRequest) -> Host:
    return connect(request.param, request.config)


@pytest.fixture
def serials(hypervisor: Host) -> list[str]:
    """Serials of the controllers that belong to LightIOV on this hypervisor."""
    return [controller["serial"] for controller in inventory()[hypervisor.backend.hostname]["lightiov_controllers"]]


@pytest.fixture(params=disks(), ids=str)
def disk(request: pytest.FixtureRequest) -> Disk:
    return request.param


@pytest.fixture
def owner(disk: Disk, request: pytest.FixtureRequest) -> Host:
    """The hypervisor of the disk's VM."""
    return connect(disk.host, request.config)


@pytest.fixture
def vm(disk: Disk, request: pytest.FixtureRequest) -> Host:
    """The disk's VM."""
    return connect(f"{disk.vm}.{disk.host}", request.config)
