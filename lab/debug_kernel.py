# SPDX-License-Identifier: GPL-3.0-or-later
"""The instrumented kernel of the `debug` flavour, as Debian packages that take the stock kernel's place in the images.

Debian's own source, the kernel's default configuration, and debug.config on top. The packages include headers, so
modules are built for this kernel by DKMS on the host, as for any other. Built once: an hour and more on two busy
cores, a quarter of that on idle ones.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from . import builder, cache
from .builder import Builder
from .errors import LabError
from .paths import PACKAGE
from .progress import Progress
from .recipe import SUITE

FRAGMENT = PACKAGE / "debug.config"
# In the kernel's source, which has a debug.config of its own: make would take that one, too.
AS = "lightiov_debug.config"
# `linux-source` is the suite's own kernel; the rest is what its `make bindeb-pkg` asks for.
PACKAGES = (
    "linux-source", "xz-utils", "build-essential", "bc", "bison", "cpio", "debhelper", "flex", "kmod", "libelf-dev",
    "libssl-dev", "rsync",
)  # fmt: skip
BASE = ("x86_64_defconfig", "kvm_guest.config")
# Raise when the steps below change what comes out of unchanged inputs.
FORMAT = 2
MAKE = ("make", "-C", "/usr/src/linux")


@dataclass(frozen=True)
class KernelPackages:
    root: Path

    @property
    def image(self) -> Path:
        return self.root / "linux-image.deb"

    @property
    def headers(self) -> Path:
        return self.root / "linux-headers.deb"


def packages() -> KernelPackages:
    """Where the packages are, once `ensure` has returned."""
    inputs = {"format": FORMAT, "suite": SUITE, "packages": PACKAGES, "base": BASE, "fragment": FRAGMENT.read_text()}
    return KernelPackages(cache.place("debug-kernel", inputs))


def ensure(progress: Progress) -> None:
    """Build the packages, unless the cache has them."""
    builder.ensure("kernel", packages().root, build, progress)


def build(kernel: Builder, whole: Path) -> None:
    kernel.bootstrap(PACKAGES)
    configure(kernel)
    jobs = len(os.sched_getaffinity(0))
    settings = {
        "KDEB_COMPRESS": "none",  # installed once, on this machine
        "KBUILD_BUILD_USER": "lightiov",
        "KBUILD_BUILD_HOST": "lab",
    }
    kernel.compile([*MAKE, f"-j{jobs}", "bindeb-pkg"], compiled="  CC ", settings=settings)
    kept = KernelPackages(whole)
    for kind, deb in (("image", kept.image), ("headers", kept.headers)):
        (built,) = kernel.tree.glob(f"usr/src/linux-{kind}-*.deb")
        shutil.copy(built, deb)


def configure(kernel: Builder) -> None:
    unpack = "mkdir /usr/src/linux && tar -xJf /usr/src/linux-source-*.tar.xz -C /usr/src/linux --strip-components=1"
    kernel.inside("sh", "-c", unpack)
    source = kernel.tree / "usr/src/linux"
    # The kernel's makefiles merge fragments that lie in this directory.
    shutil.copy(FRAGMENT, source / "arch/x86/configs" / AS)
    kernel.inside(*MAKE, *BASE, AS)
    if lost := unmet(FRAGMENT.read_text(), (source / ".config").read_text()):
        raise LabError(
            f"the kernel's configuration contradicts {FRAGMENT.name} in {', '.join(lost)}: "
            "add what each option depends on, or drop the line",
            kernel.log,
        )


def options(config: str) -> dict[str, str]:
    """The options that a kernel configuration states, as text; "n" for `# CONFIG_X is not set`."""
    stated = dict(re.findall(r"^CONFIG_(\w+)=(.*)$", config, re.MULTILINE))
    return stated | dict.fromkeys(re.findall(r"^# CONFIG_(\w+) is not set$", config, re.MULTILINE), "n")


def unmet(fragment: str, final: str) -> list[str]:
    """Options of the fragment that the final configuration has otherwise. One that it does not mention is off."""
    have = options(final)
    return [name for name, value in options(fragment).items() if have.get(name, "n") != value]
