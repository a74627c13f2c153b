# SPDX-License-Identifier: GPL-3.0-or-later
"""What the compiler makes of the native source on a host, made beforehand by this machine's own CPU.

Compiling is much of what a first deployment costs an emulated host. So it is done once here, by the commands that do it
there, in the tree that the host's disk was made from. What comes of it is on a disk of the host, where ccache looks
before it compiles: of another source, or with another compiler, it compiles as ever.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from . import builder, cache, disk
from .builder import Builder
from .images import ImageSet
from .paths import COLLECTION, PACKAGE
from .progress import Progress

NATIVE = COLLECTION / "native"
SCRIPTS = COLLECTION / "roles/native/files"
WHAT = "native source"
STEPS = PACKAGE / "compiled.sh"
# What role native tells module dkms_module.
PACKAGE_NAME = "lightiov-host"
CONF = "dkms/host.conf"
EXCLUDE = ("guest", "tools")
DISK = "compiled.raw"
SIZE = 64 << 20


def ensure(images: ImageSet, progress: Progress) -> Path | None:
    """The disk for hosts with these images; made now (some seconds) if the source has changed. None: older images."""
    if not images.host_tree.exists():
        return None
    inputs = {"images": images.id, "steps": digest(STEPS), "scripts": digest(SCRIPTS), "native": digest(NATIVE)}
    target = cache.place("compiled", inputs)
    if not target.exists() and os.geteuid() != 0:  # as for building images; hosts can do without
        return None

    def build(compiling: Builder, whole: Path) -> None:
        progress.say(WHAT, "compiling it for the hosts")
        stage, kept = whole.parent / "stage", whole.parent / "kept"
        fill(stage)
        kept.mkdir()
        places = map(str, (STEPS, images.host_tree, stage, kept))
        compiling.run(["unshare", "--mount", "sh", *places, images.host_kernel])
        disk.make_ext4(kept, whole / DISK, SIZE, "compiled")

    builder.ensure(WHAT, target, build, progress)
    return target / DISK


def digest(place: Path) -> str:
    """Of a file, or of all files of a directory that a build has not left there."""
    if place.is_file():
        return hashlib.sha256(place.read_bytes()).hexdigest()
    tree = source_tree()
    return str(tree.digest(tree.files(place)))


def fill(stage: Path) -> None:
    """What compiled.sh finds in /usr/local, named as on a host: dkms' package, the source beside it, the scripts."""
    tree = source_tree()
    package = tree.files(NATIVE, EXCLUDE, CONF)
    [version] = re.findall(r"(?m)^version: *(\S+)", (COLLECTION / "galaxy.yml").read_text())
    version = f"{version}+{tree.digest(package)[:12]}"
    tree.copy(package, stage / f"src/{PACKAGE_NAME}-{version}", version)
    tree.copy(tree.files(NATIVE), stage / "src/lightiov/source")
    shutil.copytree(SCRIPTS, stage / "scripts")


def source_tree() -> ModuleType:
    """The collection's own idea of what belongs to a source, and what names it."""
    spec = spec_from_file_location("source_tree", COLLECTION / "plugins/module_utils/_source_tree.py")
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
