# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One version of a DKMS package: what dkms has of it, and what dkms does with it."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.lightiov.nvme.plugins.module_utils import _source_tree as source_tree
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host, entries, read
from ansible_collections.lightiov.nvme.plugins.module_utils._kernel import module_info
from ansible_collections.lightiov.nvme.plugins.module_utils._runner import CommandError

SETTING = re.compile(r"^\s*(PACKAGE_NAME|PACKAGE_VERSION)=[\"']?([^\"'\s]*)", re.MULTILINE)
# A compiler on a slow machine, and depmod on one with all of a distribution's modules.
BUILD_SECONDS = 1800
OTHER_SECONDS = 600


@dataclass(frozen=True)
class Package:
    """One version of a DKMS package on a host, read from the files of dkms."""

    host: Host
    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name}/{self.version}"

    @property
    def source(self) -> Path:
        return self.host.path(f"/usr/src/{self.name}-{self.version}")

    @property
    def tree(self) -> Path:
        return self.host.path(f"/var/lib/dkms/{self.name}/{self.version}")

    @property
    def log(self) -> Path:
        """Where the log of a build that failed is kept."""
        return self.host.path(build_log(self.name))

    @property
    def added(self) -> bool:
        return (self.tree / "source").is_symlink()

    def info(self, kernel: str) -> dict[str, list[str]]:
        """What modinfo says of what is built for the kernel."""
        # A power cut can leave a file without its content, of which modinfo says nothing.
        modules = (self.tree / kernel).glob("*/module/*.ko*")
        return next(filter(None, (module_info(self.host, kernel, str(module)) for module in modules)), {})

    def built(self, kernel: str) -> bool:
        return bool(self.info(kernel))

    def active(self, kernel: str) -> bool:
        """Whether this is the version that dkms has installed for the kernel."""
        return active_versions(self.host, self.name).get(kernel) == self.version

    def copy(self, tree: Mapping[str, Path]) -> None:
        source_tree.copy(tree, self.source, self.version)

    def add(self) -> None:
        self._dkms("add")

    def build(self, kernel: str) -> None:
        """Build, also over an earlier build; a package that is new leaves nothing if that fails."""
        try:
            self.host.runner.run(["dkms", "build", str(self), "-k", kernel, "--force"], timeout=BUILD_SECONDS)
        except CommandError as error:
            log = self.tree / "build" / "make.log"
            complaint = first_error(log, error)
            if log.exists():
                self.log.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(log, self.log)
            if self.version not in active_versions(self.host, self.name).values():
                self.discard()
            raise LightiovError(
                f"{self} does not build for kernel {kernel}, and what was installed stays: correct the source, "
                f"see {self.log} ({complaint})"
            ) from error

    def install(self, kernel: str) -> None:
        """Put it in the place of whatever version is installed, also of a newer one."""
        self._dkms("install", "-k", kernel, "--force")
        # What it replaces is removed next, and a power cut must not take both.
        os.sync()

    def remove(self) -> None:
        if (self.tree / "source").exists():
            self._dkms("remove", "--all")
        else:
            # dkms cannot remove a package whose source was deleted.
            for link in _links(self.host, self.name):
                if link.readlink().parts[0] == self.version:
                    link.unlink()
        shutil.rmtree(self.tree, ignore_errors=True)

    def discard(self) -> None:
        """Remove the package and its source."""
        if self.added:
            self.remove()
        source_tree.remove(self.source)

    def _dkms(self, command: str, *options: str) -> None:
        self.host.runner.run(["dkms", command, str(self), *options], timeout=OTHER_SECONDS)


def build_log(name: str) -> str:
    return f"/var/log/{name}-make.log"


def _links(host: Host, name: str) -> list[Path]:
    """What dkms marks the installed versions with: kernel-KERNEL-ARCH, which points to VERSION/KERNEL/ARCH."""
    return sorted(host.path(f"/var/lib/dkms/{name}").glob("kernel-*"))


def active_versions(host: Host, name: str) -> dict[str, str]:
    """By kernel, the version that is installed for it."""
    targets = [link.readlink().parts for link in _links(host, name)]
    return {kernel: version for version, kernel, _arch in targets}


def first_error(log: Path, error: CommandError) -> str:
    """The compiler's first complaint, or else what dkms said."""
    lines = (read(log) or "").splitlines()
    return next((line.strip() for line in lines if "error:" in line.lower()), error.output or str(error))


def versions(host: Host, name: str) -> list[str]:
    """All versions of the package that dkms knows or whose source is there."""
    known = {path.parent.name for path in host.path(f"/var/lib/dkms/{name}").glob("*/source")}
    for source in host.path("/usr/src").glob(f"{name}-*"):
        settings = dict(SETTING.findall(read(source / source_tree.CONF) or ""))
        # An empty one is what is left last of one that was being removed.
        if settings.get("PACKAGE_NAME") == name or not entries(source):
            known.add(source.name[len(name) + 1 :])
    return sorted(known)
