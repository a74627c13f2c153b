# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab: hosts that are started, found and stopped together."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from . import compiled, images, patched_qemu
from .emulator import Emulator
from .errors import LabError, tail
from .host import Host
from .images import ImageSet
from .locks import exclusive
from .progress import Progress
from .state import State

DEFAULT_NAME = "lab"
DEFAULT_HOSTS = ("host1", "host2")


class Lab:
    def __init__(self, state: State, progress: Progress) -> None:
        self.state = state
        self.progress = progress

    @classmethod
    def open(cls, name: str | None = None, progress: Progress | None = None) -> Lab:
        """The lab of that name; else of LIGHTIOV_LAB; else the default one. It need not be up."""
        name = name or os.environ.get("LIGHTIOV_LAB") or DEFAULT_NAME
        return cls(State.load(name), progress or Progress(quiet=True))

    @property
    def name(self) -> str:
        return self.state.name

    @property
    def hosts(self) -> list[Host]:
        """Every host that was ever started in this lab."""
        return [Host(name, self.state) for name in sorted(self.state.machines)]

    def host(self, name: str) -> Host:
        """A host that is up."""
        host = Host(name, self.state)
        if not host.running:
            raise LabError(f"{name} of lab {self.name} is not up: start it with `lab up {name} --name {self.name}`")
        return host

    def up(
        self, names: tuple[str, ...] = DEFAULT_HOSTS, flavour: str = "stock", accel: str = "tcg", iommu: bool = True
    ) -> None:
        """Have these hosts up and answering. What runs already keeps running, as it is."""
        hosts = [Host(name, self.state) for name in names]
        with self.locked():
            started = [host for host in hosts if not host.running]
            if started:
                self.start(started, flavour, accel, iommu)
        self.wait(hosts, started)

    def start(self, hosts: list[Host], flavour: str, accel: str, iommu: bool) -> None:
        emulator, image_sets = self.build(hosts, flavour)
        for host, image_set in zip(hosts, image_sets, strict=True):
            host.start(emulator, image_set, compiled.ensure(image_set, self.progress), accel, iommu)
            self.state.save()
            self.progress.say(host.name, "booting")

    def build(self, hosts: list[Host], flavour: str) -> tuple[Emulator, list[ImageSet]]:
        """What these hosts run on and from. The one is compiled while the other is downloaded."""
        with ThreadPoolExecutor(max_workers=1) as pool:
            emulator = pool.submit(patched_qemu.ensure, self.progress)
            image_sets = [self.images_for(host, flavour) for host in hosts]
            return emulator.result(), image_sets

    def images_for(self, host: Host, flavour: str) -> ImageSet:
        """A host stays with the images its disk was made from, for as long as it has that disk."""
        current = host.images()
        if current is None:
            return images.ensure(flavour, self.progress)
        if images.flavour(current.id) != flavour:
            raise LabError(
                f"{host.name} has a disk of flavour {images.flavour(current.id)}, not {flavour}: "
                f"throw it away with `lab reset {host.name} --name {self.name}`"
            )
        if current != images.newest(flavour):
            remedy = f"`lab reset {host.name} --name {self.name}` throws its disk away"
            self.progress.say(host.name, f"keeps its disk, made from images that have changed since: {remedy}")
        return current

    def wait(self, hosts: list[Host], started: list[Host]) -> None:
        """Wait for all at once; a host that we started and that does not come up is switched off again."""
        for host in started:
            host.disconnect()
        pending = list(hosts)
        patience = max(host.boot_seconds for host in hosts)
        deadline = time.monotonic() + patience
        try:
            while pending:
                for host in pending.copy():
                    if host.ready():
                        pending.remove(host)
                        self.progress.say(host.name, f"up, SSH on port {host.machine.ssh_port}")
                if pending and time.monotonic() > deadline:
                    late = pending[0]
                    raise LabError(
                        f"{late.name} did not answer SSH within {patience} s; the end of its console follows",
                        late.console_file,
                        tail(late.console_file),
                    )
                time.sleep(0.3)
        except BaseException:
            for host in pending:
                if host in started:
                    host.machine.process.stop()
            raise

    def down(self, names: tuple[str, ...] = ()) -> None:
        """Switch hosts off; all, if none is named. Their disks stay."""
        with self.locked():
            for host in self.chosen(names):
                if host.running:
                    self.progress.say(host.name, "switching off")
                    host.stop()

    def reset(self, names: tuple[str, ...] = ()) -> None:
        """Switch hosts off and throw their disks away: the next `up` starts afresh."""
        with self.locked():
            for host in self.chosen(names):
                self.progress.say(host.name, "throwing its disks away")
                host.reset()

    def chosen(self, names: tuple[str, ...]) -> list[Host]:
        return [Host(name, self.state) for name in names] if names else self.hosts

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """One command at a time changes a lab."""
        with exclusive(self.state.lock, lambda: self.progress.say(self.name, "another command is at it; waiting")):
            self.state.refresh()
            yield
