# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the lab's emulator: Debian's QEMU source, qemu.patch, and only the devices that the hosts are made of.

Built rather than installed because KVM inside an emulated host is not dependable without the patch, which says why.
Once for all labs; two to three minutes on two cores.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

from . import emulator
from .builder import Builder, building
from .emulator import Emulator
from .locks import exclusive
from .paths import PACKAGE, cache_dir
from .progress import Progress
from .recipe import SUITE

PATCH = PACKAGE / "qemu.patch"
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
)  # fmt: skip
SOURCE = "usr/src/qemu"
OUTPUT = f"{SOURCE}/build"
# Raise when the steps below change what comes out of unchanged inputs.
FORMAT = 1


def root() -> Path:
    """Where the emulator is, once `ensure` has returned."""
    inputs = {
        "format": FORMAT, "suite": SUITE, "packages": PACKAGES, "configure": CONFIGURE,
        "patch": PATCH.read_text(), "devices": DEVICES.read_text(),
    }  # fmt: skip
    digest = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
    return cache_dir() / "emulator" / digest[:16]


def ensure(progress: Progress) -> Emulator:
    """Build the emulator, unless the cache has it."""
    target = root()
    if not target.exists():
        with exclusive(target.parent / "lock", lambda: progress.say("emulator", "somebody else is building; waiting")):
            if not target.exists():
                with building("emulator", target, progress) as (builder, whole):
                    build(builder, whole)
    return Emulator(target)


def build(builder: Builder, whole: Path) -> None:
    builder.bootstrap(PACKAGES, source="qemu")
    source = builder.tree / SOURCE
    shutil.copy(DEVICES, source / "configs/devices/x86_64-softmmu/lab.mak")
    builder.run(["patch", "--directory", str(source), "--strip=1", "--forward", "--input", str(PATCH)])
    builder.inside("sh", "-c", f"mkdir /{OUTPUT} && cd /{OUTPUT} && ../configure {' '.join(CONFIGURE)}")
    jobs = len(os.sched_getaffinity(0))
    builder.compile(["ninja", f"-j{jobs}", "-C", f"/{OUTPUT}", *emulator.PROGRAMS], compiled="[")
    emulator.extract(builder.tree, OUTPUT, whole)
