# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands and files over SSH, for hosts and for the VMs behind them."""

from __future__ import annotations

import hashlib
import subprocess
import time
from pathlib import Path

from .errors import LabError
from .paths import socket_dir
from .waiting import PATIENCE

UNREACHABLE = 255  # what ssh itself exits with


def config(path: Path, key: Path, ports: dict[str, int]) -> str:
    """An ssh_config(5): every host by its name, and every VM of it as VM.HOST."""
    # Labs side by side have hosts of the same names, so the lab's path is part of the sockets' names.
    sockets = socket_dir() / hashlib.sha256(str(path).encode()).hexdigest()[:8]
    text = f"""\
Host *
  User root
  IdentityFile "{key}"
  IdentitiesOnly yes
  BatchMode yes
  StrictHostKeyChecking no
  UserKnownHostsFile /dev/null
  LogLevel ERROR
  ConnectTimeout 30
  ServerAliveInterval 10
  ServerAliveCountMax 6
  ControlMaster auto
  ControlPath "{sockets}-%C"
  ControlPersist 120
"""
    for name, port in sorted(ports.items()):
        text += f"""
Host {name}
  HostName 127.0.0.1
  Port {port}

# The host resolves the names of its VMs.
Host *.{name}
  ProxyCommand ssh -F "{path}" -o ControlMaster=no -W "$(basename %n .{name})":22 {name}
"""
    return text


class Remote:
    """A machine that the lab's ssh_config knows."""

    def __init__(self, name: str, ssh_config: Path) -> None:
        self.name = name
        self.ssh_config = ssh_config

    def ssh_command(self, *arguments: str) -> list[str]:
        return ["ssh", "-F", str(self.ssh_config), *arguments, self.name]

    def run(
        self, command: str, *, check: bool = True, timeout: float = PATIENCE, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell command as root, and return its exit status and output."""
        try:
            result = subprocess.run(
                [*self.ssh_command(), "--", command],
                input=stdin,
                stdin=subprocess.DEVNULL if stdin is None else None,
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise self.failed(f"{self.name}: `{command}` did not end within {timeout:.0f} s") from error
        if check and result.returncode != 0:
            raise self.failed(
                f"{self.name}: `{command}` exited with {result.returncode}", result.stdout + result.stderr
            )
        return result

    def failed(self, sentence: str, details: str = "") -> LabError:
        """What to raise when something did not work here."""
        return LabError(sentence, details=details)

    def copy(self, source: Path | str, target: str, timeout: float = 300) -> None:
        """Copy a file, or a directory, to the machine."""
        self._scp(str(source), f"{self.name}:{target}", timeout)

    def fetch(self, source: str, target: Path | str, timeout: float = 300) -> None:
        """Copy a file, or a directory, from the machine."""
        self._scp(f"{self.name}:{source}", str(target), timeout)

    def _scp(self, source: str, target: str, timeout: float) -> None:
        command = ["scp", "-q", "-r", "-F", str(self.ssh_config), source, target]
        result = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False
        )
        if result.returncode != 0:
            raise self.failed(f"{self.name}: copying {source} to {target} failed", result.stderr)

    def disconnect(self) -> None:
        """Forget the shared connection: the machine at its other end is about to go, or has gone."""
        subprocess.run(self.ssh_command("-O", "exit"), capture_output=True, check=False)

    def reachable(self, timeout: float = 30) -> bool:
        try:
            return self.run("true", check=False, timeout=timeout).returncode == 0
        except LabError:
            return False

    def wait(self, timeout: float = 180) -> None:
        """Wait until SSH answers."""
        self.disconnect()
        deadline = time.monotonic() + timeout
        while not self.reachable():
            if time.monotonic() > deadline:
                raise LabError(f"{self.name} did not answer SSH within {timeout:.0f} s: look at its console")
            time.sleep(1)
