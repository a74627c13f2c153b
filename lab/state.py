# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lab remembers between two commands: lab.json, and the ssh_config made from it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from . import ssh
from .keys import private_key
from .paths import lab_dir
from .process import Process


@dataclass(frozen=True)
class Machine:
    """A host's QEMU as it was started last."""

    process: Process
    ssh_port: int
    images: str


@dataclass
class State:
    name: str
    machines: dict[str, Machine] = field(default_factory=dict)

    @property
    def directory(self) -> Path:
        return lab_dir(self.name)

    @property
    def file(self) -> Path:
        return self.directory / "lab.json"

    @property
    def ssh_config(self) -> Path:
        return self.directory / "ssh_config"

    @property
    def lock(self) -> Path:
        return self.directory / "lock"

    @classmethod
    def load(cls, name: str) -> State:
        state = cls(name)
        state.refresh()
        return state

    def refresh(self) -> None:
        """Read what other commands have written since."""
        if self.file.exists():
            self.machines = {
                host: Machine(Process(machine["pid"], machine["started"]), machine["ssh_port"], machine["images"])
                for host, machine in json.loads(self.file.read_text())["hosts"].items()
            }

    def save(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        key = private_key()
        ports = {host: machine.ssh_port for host, machine in self.machines.items()}
        write(self.ssh_config, ssh.config(self.ssh_config, key, ports))
        hosts = {
            host: {
                "address": "127.0.0.1",
                "ssh_port": machine.ssh_port,
                "pid": machine.process.pid,
                "started": machine.process.started,
                "images": machine.images,
            }
            for host, machine in sorted(self.machines.items())
        }
        whole = {"name": self.name, "ssh_config": str(self.ssh_config), "private_key": str(key), "hosts": hosts}
        write(self.file, json.dumps(whole, indent=1) + "\n")


def write(path: Path, text: str) -> None:
    """Whole or not at all."""
    scratch = path.with_name(path.name + ".new")
    scratch.write_text(text)
    scratch.rename(path)
