# SPDX-License-Identifier: GPL-3.0-or-later
"""Linux's own tests of VFIO: built as they come in Debian's newest kernel source, and run on mdevs.

They know a device by its PCI address only. A mount namespace has one for each mdev, and named_as.c has the kernel
asked for the mdev's own name; the programs are what the kernel's makefiles make of them.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from passthrough import Mdev

from lab import Host, builder, cache
from lab.builder import Builder
from lab.errors import LabError
from lab.mirror import debian_mirror
from lab.next_kernel import BACKPORTS
from lab.progress import Progress
from lab.recipe import SUITE

PACKAGES = ("gcc", "libc6-dev", f"linux-source/{BACKPORTS}", "make", "uuid-dev", "xz-utils")
SOURCE = "usr/src/linux/tools/testing/selftests/vfio"
MAKE = f"""
set -eu
mkdir /usr/src/linux
tar -xJf /usr/src/linux-source-*.tar.xz -C /usr/src/linux --strip-components=1
make -C /usr/src/linux headers
make -C /{SOURCE}
"""
NAMES = Path(__file__).with_name("named_as.c")
PROGRAMS = "/root/vfio-selftests"
SHIM = "/root/named_as.so"
# What the programs look at of a device in sysfs; an mdev has no files of its own for its IDs.
SHOW = """
mdev=/sys/bus/mdev/devices/{uuid} shown=/sys/bus/pci/devices/{address}
mkdir $shown
ln -s $(readlink -f $mdev/iommu_group) $shown/iommu_group
ln -s $mdev/vfio-dev $shown/vfio-dev
ln -s {uuid} $shown/mdev
echo 0x4c49 > $shown/vendor
echo 0x4f56 > $shown/device
"""
SKIPPED = 4  # kselftest.h: KSFT_SKIP
RESULT = re.compile(r"^(?P<failed>not )?ok \d+ +(?P<name>[\w.]+)(?: +# +(?P<skipped>SKIP)?.*)?$")


@dataclass(frozen=True)
class Result:
    """Of one test: `ok`, `failed` or `skipped`, and all that it said."""

    test: str
    status: str
    output: str


def ensure() -> Path:
    """The directory of the programs; built now (some minutes) if the cache does not hold it.

    Delete it there to get those of a newer kernel.
    """
    inputs = {"suites": (SUITE, BACKPORTS), "packages": PACKAGES, "make": MAKE}
    return builder.ensure("VFIO selftests", cache.place("vfio-selftests", inputs), build, Progress())


def build(tests: Builder, whole: Path) -> None:
    sources = [f"deb {debian_mirror()} {suite} main" for suite in (SUITE, BACKPORTS)]
    tests.bootstrap_tree(tests.tree, SUITE, PACKAGES, sources, [])
    tests.inside("sh", "-c", MAKE)
    programs = list((tests.tree / SOURCE).glob("vfio_*_test"))
    if not programs:
        raise LabError(f"The VFIO selftests were built, but none is in {SOURCE}; the last lines say why", tests.log)
    for program in programs:
        shutil.copy(program, whole)


def install(host: Host) -> None:
    host.run(f"rm -rf {PROGRAMS} && mkdir {PROGRAMS}")
    for program in ensure().iterdir():
        host.copy(program, PROGRAMS)
    host.copy(NAMES, "/root/named_as.c")
    host.run(f"gcc -shared -fPIC -O2 -D_GNU_SOURCE -o {SHIM} /root/named_as.c")


def run(program: str, *mdevs: Mdev) -> list[Result]:
    """One program on these mdevs. A program that skips itself as a whole has one result, without a test's name."""
    addresses = [f"0000:00:{number:02x}.7" for number in range(len(mdevs))]
    steps = ["mount -t tmpfs none /sys/bus/pci/devices"]
    # There the tests would look for the page tables of a device's own, of which an mdev has none.
    steps += ["[ ! -d /sys/kernel/debug/iommu ] || mount -t tmpfs none /sys/kernel/debug"]
    steps += [SHOW.format(uuid=mdev.uuid, address=address) for mdev, address in zip(mdevs, addresses)]
    steps += [f"exec env LD_PRELOAD={SHIM} {PROGRAMS}/{program} {' '.join(addresses)} 2>&1"]
    done = mdevs[0].host.run("unshare --mount sh -eu", stdin="\n".join(steps), check=False, timeout=900)
    if done.returncode == SKIPPED:
        return [Result("", "skipped", done.stdout)]
    return list(results(done.stdout)) or [Result("", "failed", done.stdout + done.stderr)]


def results(output: str) -> list[Result]:
    """Each test's, of what kselftest_harness.h prints: how a test went comes after all that the test said."""
    found, said = [], []
    for line in output.splitlines():
        said.append(line)
        if match := RESULT.match(line):
            status = "skipped" if match["skipped"] else "failed" if match["failed"] else "ok"
            found.append(Result(match["name"], status, "\n".join(said)))
            said = []
    return found
