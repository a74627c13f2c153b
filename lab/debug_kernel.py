# SPDX-License-Identifier: GPL-3.0-or-later
"""The instrumented kernel of the `debug` flavour, as Debian packages that take the stock kernel's place in the images.

Debian's own source, the kernel's default configuration, and debug.config on top. The packages include headers, so
modules are built for this kernel by DKMS on the host, as for any other. Built once: an hour and more on two busy
cores, a quarter of that on idle ones.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from .errors import LabError, tail
from .locks import exclusive
from .mirror import debian_mirror
from .paths import PACKAGE, cache_dir
from .progress import Progress
from .recipe import SUITE

FRAGMENT = PACKAGE / "debug.config"
# `linux-source` is the suite's own kernel; the rest is what its `make bindeb-pkg` asks for.
PACKAGES = (
    "linux-source", "xz-utils", "build-essential", "bc", "bison", "cpio", "debhelper", "flex", "kmod", "libelf-dev",
    "libssl-dev", "rsync",
)  # fmt: skip
BASE = ("x86_64_defconfig", "kvm_guest.config")
# Raise when the steps below change what comes out of unchanged inputs.
FORMAT = 1
REPORT_EVERY = 250  # compiled files


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
    digest = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
    return KernelPackages(cache_dir() / "debug-kernel" / digest[:16])


def ensure(progress: Progress) -> None:
    """Build the packages, unless the cache has them."""
    target = packages().root
    with exclusive(target.parent / "lock", lambda: progress.say("kernel", "somebody else is building; waiting")):
        if not target.exists():
            build(target, progress)


def build(target: Path, progress: Progress) -> None:
    log = target.parent / "build.log"
    scratch = Path(tempfile.mkdtemp(prefix="building-", dir=target.parent))
    tree = scratch / "tree"
    try:
        with log.open("w") as output:
            progress.say("kernel", "fetching its source and what builds it")
            run(
                [
                    "mmdebstrap", "--mode=root", "--variant=minbase", "--format=directory",
                    f"--include={','.join(PACKAGES)}", SUITE, str(tree), f"deb {debian_mirror()} {SUITE} main",
                ],
                output, log,
            )  # fmt: skip
            configure(tree, output, log)
            compile_packages(tree, output, log, progress)
        whole = scratch / "packages"
        whole.mkdir()
        kept = KernelPackages(whole)
        for kind, deb in (("image", kept.image), ("headers", kept.headers)):
            (built,) = tree.glob(f"usr/src/linux-{kind}-*.deb")
            shutil.copy(built, deb)
        whole.rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    progress.say("kernel", f"ready in {target}")


def configure(tree: Path, output: IO[str], log: Path) -> None:
    run(["chroot", str(tree), "sh", "-c", "mkdir /usr/src/linux && "
         "tar -xJf /usr/src/linux-source-*.tar.xz -C /usr/src/linux --strip-components=1"], output, log)  # fmt: skip
    source = tree / "usr/src/linux"
    # The kernel's makefiles merge fragments that lie in this directory.
    shutil.copy(FRAGMENT, source / "arch/x86/configs")
    run(make(tree, *BASE, FRAGMENT.name), output, log)
    if lost := unmet(FRAGMENT.read_text(), (source / ".config").read_text()):
        raise LabError(
            f"the kernel's configuration contradicts {FRAGMENT.name} in {', '.join(lost)}: "
            "add what each option depends on, or drop the line",
            log,
        )


def compile_packages(tree: Path, output: IO[str], log: Path, progress: Progress) -> None:
    jobs = len(os.sched_getaffinity(0))
    settings = {
        "KDEB_COMPRESS": "none",  # installed once, on this machine
        "KBUILD_BUILD_USER": "lightiov",
        "KBUILD_BUILD_HOST": "lab",
    }
    command = make(tree, f"-j{jobs}", "bindeb-pkg")
    process = subprocess.Popen(
        command, env=os.environ | settings, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert process.stdout
    compiled = 0
    try:
        for line in process.stdout:
            output.write(line)
            compiled += line.startswith("  CC ")
            if line.startswith("  CC ") and compiled % REPORT_EVERY == 0:
                progress.say("kernel", f"{compiled} files compiled")
    except BaseException:
        process.terminate()
        raise
    if process.wait() != 0:
        raise LabError("the debug kernel could not be built; the last lines say why", log, tail(log))


def make(tree: Path, *arguments: str) -> list[str]:
    return ["chroot", str(tree), "make", "-C", "/usr/src/linux", *arguments]


def run(command: list[str], output: IO[str], log: Path) -> None:
    output.flush()
    done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise LabError("the debug kernel could not be built; the last lines say why", log, tail(log))


def options(config: str) -> dict[str, str]:
    """The options that a kernel configuration states, as text; "n" for `# CONFIG_X is not set`."""
    stated = dict(re.findall(r"^CONFIG_(\w+)=(.*)$", config, re.MULTILINE))
    return stated | dict.fromkeys(re.findall(r"^# CONFIG_(\w+) is not set$", config, re.MULTILINE), "n")


def unmet(fragment: str, final: str) -> list[str]:
    """Options of the fragment that the final configuration has otherwise. One that it does not mention is off."""
    have = options(final)
    return [name for name, value in options(fragment).items() if have.get(name, "n") != value]
