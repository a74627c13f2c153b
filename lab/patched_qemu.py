# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the lab's emulator: Debian's QEMU source, four patches, and only the devices that the hosts are made of.

Built rather than installed because KVM inside an emulated host is not dependable without qemu.patch, which says why.
With qemu_faults.patch an NVMe controller does wrong on demand, with qemu_hmb.patch it takes a host memory buffer, with
qemu_counters.patch it counts what only it sees.
Once for all labs; two to three minutes on two cores.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from . import builder, cache, emulator
from .builder import Builder
from .emulator import Emulator
from .paths import PACKAGE
from .progress import Progress
from .recipe import SUITE

# In this order.
PATCHES = tuple(PACKAGE / name for name in ("qemu.patch", "qemu_faults.patch", "qemu_hmb.patch", "qemu_counters.patch"))
DEVICES = PACKAGE / "qemu_devices.mak"
# The firmware comes ready-made.
PACKAGES = (
    "bison", "dpkg-dev", "flex", "gcc", "libc6-dev", "libfdt-dev", "libglib2.0-dev", "libslirp-dev", "meson",
    "ninja-build", "patch", "pkgconf", "python3", "python3-venv", "qemu-system-data", "seabios", "zlib1g-dev",
)  # fmt: skip
CONFIGURE = (
    "--target-list=x86_64-softmmu", "--with-devices-x86_64=lab", "--without-default-devices",
    "--without-default-features", "--enable-system", "--enable-tcg", "--enable-kvm", "--enable-slirp", "--enable-tools",
    "--disable-install-blobs",
    # For speed: the emulator runs nobody's code but our own.
    "--disable-stack-protector", "--disable-qom-cast-debug", "--enable-lto",
)  # fmt: skip
SOURCE = "usr/src/qemu"
OUTPUT = f"{SOURCE}/build"
# Raise when the steps below change what comes out of unchanged inputs.
FORMAT = 1


def root() -> Path:
    """Where the emulator is, once `ensure` has returned."""
    inputs = {
        "format": FORMAT, "suite": SUITE, "packages": PACKAGES, "configure": CONFIGURE,
        "patches": [patch.read_text() for patch in PATCHES], "devices": DEVICES.read_text(),
    }  # fmt: skip
    return cache.place("emulator", inputs)


def ensure(progress: Progress) -> Emulator:
    """Build the emulator, unless the cache has it."""
    return Emulator(builder.ensure("emulator", root(), build, progress))


def build(qemu: Builder, whole: Path) -> None:
    qemu.bootstrap(PACKAGES, source="qemu")
    source = qemu.tree / SOURCE
    shutil.copy(DEVICES, source / "configs/devices/x86_64-softmmu/lab.mak")
    for patch in PATCHES:
        qemu.run(["patch", "--directory", str(source), "--strip=1", "--forward", "--input", str(patch)])
    qemu.inside("sh", "-c", f"mkdir /{OUTPUT} && cd /{OUTPUT} && ../configure {' '.join(CONFIGURE)}")
    jobs = len(os.sched_getaffinity(0))
    qemu.compile(["ninja", f"-j{jobs}", "-C", f"/{OUTPUT}", *emulator.PROGRAMS], compiled="[")
    emulator.extract(qemu.tree, OUTPUT, whole)
