# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of guest images with the guest driver in, one for each image and version of the driver."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils import _guest_boot, _guest_container, _whole_file
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._plan import Plan
from ansible_collections.lightiov.nvme.plugins.module_utils._runner import CommandError

# An image of some GiB from a slow storage.
COPY_SECONDS = 1800
# Of a disk as large as any, what tells two images apart: partition table and super block, with UUIDs and times.
HEAD_BYTES = 4 << 20
# Where the packages are inside the container.
PACKAGES = "/run/lightiov"
# A kernel that the image may boot and that has no driver would be a VM without its disks.
INSTALL = f"""\
set -eu
version=$1
for image in /boot/vmlinuz-*; do
    [ -e "$image" ] || {{ echo "it has no kernel in /boot" >&2; exit 1; }}
    kernel=${{image#/boot/vmlinuz-}}
    set -- {PACKAGES}/lightiov-guest-"$kernel"_"$version"_*.deb
    [ -e "$1" ] || {{ echo "there is no package of the driver for its kernel $kernel" >&2; exit 1; }}
    dpkg --install "$@" >/dev/null
    [ -e "/boot/initrd.img-$kernel" ] || continue
    lsinitramfs "/boot/initrd.img-$kernel" | grep -q lightiov_guest.ko || {{
        echo "the initramfs of its kernel $kernel does not take the driver in" >&2; exit 1; }}
done
"""


@dataclass(frozen=True)
class GuestImage:
    """What copies are made of; a file, or a block device."""

    path: str
    format: str
    # Whether what it boots is wanted, too.
    boot: bool = False

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> GuestImage:
        return cls(path=options["path"], format=options["format"], boot=options["boot"])

    def is_device(self, host: Host) -> bool:
        return host.path(self.path).is_block_device()

    def identity(self, host: Host) -> str:
        """Another one for an image that was replaced under its name."""
        path = host.path(self.path)
        traits = [self.path, self.format]
        if self.is_device(host):
            with path.open("rb") as stream:
                traits += [hashlib.sha256(stream.read(HEAD_BYTES)).hexdigest(), str(stream.seek(0, os.SEEK_END))]
        else:
            status = path.stat()
            traits += [str(status.st_size), str(status.st_mtime_ns)]
        return hashlib.sha256("\n".join(traits).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Driver:
    """The guest driver: its version, and the directory with its packages, one for each kernel."""

    version: str
    directory: str

    def packages(self, host: Host) -> list[Path]:
        return sorted(host.path(self.directory).glob(f"lightiov-guest-*_{self.version}_*.deb"))


def plan(host: Host, images: Sequence[GuestImage], driver: Driver, directory: str, *, predict: bool) -> Plan:
    """Make the copies that are not there yet. None is removed: root disks are overlays of them."""
    made = Plan(predict=predict)
    copies: dict[str, dict[str, Any]] = {}
    boots: list[str] = []
    for image in dict.fromkeys(images):
        if not host.path(image.path).exists():
            raise LightiovError(
                f"{image.path} is not on this host, so no copy with the guest driver can be made of it: put it there, "
                "or correct lightiov_vm_image or the image of the VM in lightiov_vms"
            )
        copy = f"{directory}/lightiov-{Path(image.path).stem}-{image.identity(host)}-{driver.version}.raw"
        copies[image.path] = {"path": copy, "format": "raw"}
        if not _whole_file.is_whole(host.path(copy)):
            fill = partial(_fill, host, image, driver)
            made.add("make_image", copy, partial(_whole_file.make, host.path(copy), fill), image=image.path)
        if image.boot:
            boots.append(copy.removesuffix(".raw") + ".boot")
            if host.path(boots[-1]).exists():
                copies[image.path]["boot"] = _guest_boot.read(host, boots[-1])
            else:
                extract = partial(_extract, host, copies[image.path], boots[-1])
                made.add("extract_boot", boots[-1], extract, image=image.path)
    if any(step.action == "make_image" for step in made.steps) and not driver.packages(host):
        made.refuse(f"{driver.directory} has no package of guest driver {driver.version}: build one", until="packages")
    paths = [copy["path"] for copy in copies.values()]
    whole = [path for path in paths if _whole_file.is_whole(host.path(path))]
    made.before = {"images": [*whole, *(path for path in boots if host.path(path).exists())]}
    made.after = {"images": [*paths, *boots]}
    made.returned = {"images": copies}
    return made


def _extract(host: Host, copy: dict[str, Any], directory: str) -> None:
    _guest_boot.extract(host, copy["path"], directory)
    copy["boot"] = _guest_boot.read(host, directory)


def _fill(host: Host, image: GuestImage, driver: Driver, path: Path) -> None:
    # A device is read to its end; in the page cache that would drive out what the host needs.
    direct = ["-T", "none"] if image.is_device(host) else []
    convert = ["qemu-img", "convert", *direct, "-f", image.format, "-O", "raw", str(host.path(image.path)), str(path)]
    host.runner.run(convert, timeout=COPY_SECONDS)
    packages = f"--bind-ro={host.path(driver.directory)}:{PACKAGES}"
    try:
        _guest_container.run(host, path, INSTALL, driver.version, options=(packages,))
    except CommandError as error:
        raise LightiovError(
            f"The guest driver could not be installed in a copy of {image.path} ({error.output or error}): add the "
            "kernel of the image to lightiov_guest_kernels, or set lightiov_image_driver to false to have the driver "
            "installed in running VMs"
        ) from error
