# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Installed kernels and the state of one kernel module."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host, entries, read, read_int
from ansible_collections.lightiov.nvme.plugins.module_utils._runner import CommandError
from ansible_collections.lightiov.nvme.plugins.module_utils._sysfs import ADDRESS


def running_kernel(host: Host) -> str:
    release = host.read("/proc/sys/kernel/osrelease")
    if not release:
        raise LightiovError("The running kernel is unknown, because /proc/sys is not mounted: mount /proc")
    return release


def newest_kernel(host: Host) -> str:
    """The installed kernel of the highest version: boot loaders start it by default."""
    installed = [path.name for path in entries(host.path("/lib/modules")) if (path / "kernel").is_dir()]
    return max(installed, key=version_key, default=running_kernel(host))


def version_key(release: str) -> tuple[tuple[int, ...], str]:
    """Orders kernel releases: 6.9 before 6.12."""
    return tuple(map(int, re.findall(r"\d+", release))), release


def has_headers(host: Host, release: str) -> bool:
    return (host.path(f"/lib/modules/{release}/build") / "Makefile").exists()


def headers_package(host: Host, release: str) -> str:
    debian = host.path("/etc/debian_version").exists()
    return f"linux-headers-{release}" if debian else f"kernel-devel-{release}"


def module_info(host: Host, release: str, name: str) -> dict[str, list[str]]:
    """What modinfo says of a file, or of what this kernel would load by that name; nothing if it is damaged."""
    try:
        lines = host.runner.run(["modinfo", "--set-version", release, name]).splitlines()
    except CommandError:
        return {}
    found: dict[str, list[str]] = {}
    for line in lines:
        field, _colon, value = line.partition(":")
        found.setdefault(field, []).append(value.strip())
    return found


@dataclass(frozen=True)
class KernelModule:
    """One kernel module of the running kernel."""

    host: Host
    name: str

    @property
    def path(self) -> str:
        return f"/sys/module/{self.name}"

    @property
    def loaded(self) -> bool:
        return self.host.path(self.path).exists()

    def uses(self) -> list[str]:
        """Why it cannot be unloaded now."""
        found = [f"the module {one.name} needs it" for one in entries(self.host.path(f"{self.path}/holders"))]
        references = read_int(self.host.path(f"{self.path}/refcnt")) or 0
        if references > len(found):
            found.append(f"it has {references - len(found)} users such as open mdevs")
        return found

    def devices(self) -> list[str]:
        """PCI addresses of the devices bound to its drivers."""
        return [
            device.name
            for driver in entries(self.host.path(f"{self.path}/drivers"))
            for device in entries(driver)
            if ADDRESS.fullmatch(device.name)
        ]

    def is_installed_one(self, installed: Mapping[str, list[str]]) -> bool:
        """Whether the loaded module has the source of the installed one; true if that cannot be told."""
        loaded = self.host.read(f"{self.path}/srcversion")
        return not loaded or loaded in installed.get("srcversion", [loaded])

    def has_parameters(self, wanted: Mapping[str, str]) -> bool:
        """Whether it runs with these parameters, as far as it shows them."""
        for name, value in wanted.items():
            shown = self._parameter(name)
            if shown is not None and not same_value(value, shown):
                return False
        return True

    def has_any_of(self, dropped: Mapping[str, str]) -> bool:
        """Whether it still runs with one of these."""
        shown = {name: self._parameter(name) for name in dropped}
        return any(text is not None and same_value(dropped[name], text) for name, text in shown.items())

    def _parameter(self, name: str) -> str | None:
        return read(self.host.path(f"{self.path}/parameters/{name}"))

    def check_parameters(self, wanted: Mapping[str, str], info: Mapping[str, list[str]]) -> None:
        """Of a file of it, as modinfo has it: modprobe ignores parameters that the module does not have."""
        known = {parameter.partition(":")[0] for parameter in info.get("parm", [])}
        for name in wanted:
            if name not in known:
                raise LightiovError(
                    f"The kernel module {self.name} has no parameter {name!r}: "
                    f"choose from {', '.join(sorted(known)) or 'none'}"
                )

    def load(self) -> None:
        try:
            self.host.runner.run(["modprobe", self.name])
        except CommandError as error:
            if "Key was rejected" in error.output:
                raise LightiovError(
                    f"The kernel module {self.name} was not loaded, because Secure Boot does not trust its signature: "
                    "enroll the key with 'mokutil --import /var/lib/dkms/mok.pub' and reboot"
                ) from error
            raise LightiovError(
                f"The kernel module {self.name} was not loaded: see the kernel log for the reason ({error.output})"
            ) from error
        self.host.settle()

    def unload(self) -> None:
        try:
            self.host.runner.run(["modprobe", "--remove", self.name])
        except CommandError as error:
            raise LightiovError(
                f"The kernel module {self.name} was not unloaded: end what uses it ({error.output})"
            ) from error


def same_value(wanted: str, shown: str) -> bool:
    """Compare a parameter with what sysfs shows of it: Y for 1, 16 for 0x10."""
    return _normal(wanted) == _normal(shown)


def _normal(value: str) -> int | str:
    if value in ("Y", "y"):
        return 1
    if value in ("N", "n"):
        return 0
    try:
        return int(value, 0)
    except ValueError:
        return value
