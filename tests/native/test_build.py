# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel modules build for every supported kernel without a word from the compiler, sparse or checkpatch.

liov passes its own tests. Nothing is built in the source tree, which deployments may be packing meanwhile.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import kernels
import modules
import pytest

from lab.compiled import NATIVE
from lab.paths import COLLECTION, PROJECT

PACK = COLLECTION / "roles/native/files/pack.sh"
TREE = kernels.ensure_tree()
# What dkms.conf says for a build without debug information.
AS_DKMS = ("KCFLAGS=-g0", "CONFIG_DEBUG_INFO_BTF_MODULES=")
# Work that waits in a queue is how a file tells one above it what it may not call.
TOLD_BY = {"liov_wq"}
SOURCES = sorted(path for part in ("abi", "host", "guest", "tools") for path in (NATIVE / part).rglob("*.[ch]"))


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Path]:
    """A copy of the native tree where the kernels' build tools see it: modules are built in place.

    What was built there must not make another source of it for a deployment.
    """
    copy = TREE / "tmp" / f"native-{uuid.uuid4()}"
    shutil.copytree(NATIVE, copy, ignore=modules.BUILT)
    before = packed_as(copy, tmp_path)
    yield copy
    after = packed_as(copy, tmp_path)
    shutil.rmtree(copy)
    assert after == before


def packed_as(source: Path, cache: Path) -> list[str]:
    """The names of the content: of the whole, and of the guest driver."""
    pack = subprocess.run(["sh", PACK, source, cache], check=True, capture_output=True, text=True)
    return pack.stdout.split()


@pytest.mark.parametrize("version", kernels.versions(TREE))
def test_modules_build_clean(version: str, source: Path) -> None:
    build_clean(version, source, f"C={sparse(version)}")
    assert {module.name for module in source.rglob("*.ko")} == {"lightiov_host.ko", "lightiov_guest.ko"}
    assert not upward_calls(source / "host")
    assert not upward_calls(source / "guest")


def series(version: str) -> tuple[int, int]:
    major, minor = re.split(r"[.+~-]", version)[:2]
    return int(major), int(minor)


def test_all_kernels_that_the_readme_names_are_built_for() -> None:
    """The newest of them moves on by itself: Debian's backports have one kernel at a time."""
    named = re.search(r"Linux (\d+\.\d+), (\d+\.\d+) or (\d+\.\d+)", (PROJECT / "README.md").read_text())
    assert named
    *lasting, newest = map(series, named.groups())
    built = {series(version) for version in kernels.versions(TREE)}
    assert set(lasting) <= built
    assert newest <= max(built)


def test_modules_are_one_unit_each_for_dkms(source: Path) -> None:
    """Names that are static in their files must not meet in one."""
    build_clean(kernels.versions(TREE)[0], source, "LIGHTIOV_ONE_UNIT=1", *AS_DKMS)
    assert {unit.parent.name for unit in source.rglob("one_unit.o")} == {"host", "guest"}


def test_liov_passes_its_own_tests_and_its_files_call_downwards(source: Path) -> None:
    subprocess.run(["make", "-s", "-C", source / "tools", "check"], check=True)
    assert not upward_calls(source / "tools", "Makefile")


def upward_calls(folder: Path, makefile: str = "Kbuild") -> list[str]:
    """What a file uses of one that comes before it in the makefile, where each file is above those that it calls."""
    text = (folder / makefile).read_text().replace("\\\n", " ")
    listed = re.search(r"^(?:parts|OBJECTS) *:= (.*)$", text, re.MULTILINE)
    assert listed
    parts = [part.removesuffix(".o") for part in listed[1].split()]
    place: dict[str, int] = {}
    used: list[tuple[int, str]] = []
    for index, part in enumerate(parts):
        symbols = subprocess.run(["nm", folder / f"{part}.o"], capture_output=True, text=True, check=True).stdout
        for kind, name in (line.split()[-2:] for line in symbols.splitlines()):
            if kind == "U":
                used.append((index, name))
            elif kind.isupper():
                place[name] = index
    return [
        f"{parts[user]}.c uses {name}" for user, name in used if name not in TOLD_BY and place.get(name, user) < user
    ]


def build_clean(version: str, source: Path, *arguments: str) -> None:
    inside = f"/{source.relative_to(TREE)}"
    build = f"/lib/modules/{version}/build"
    # objtool looks into /proc; the mount ends with the command that made it.
    inner = 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"'
    command = [
        "unshare",
        "--mount",
        "sh",
        "-c",
        inner,
        TREE,
        "make",
        "-s",
        "-C",
        build,
        f"M={inside}",
        "W=1",
        *arguments,
        "modules",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = [line for line in (done.stdout + done.stderr).splitlines() if not is_noise(line)]
    assert done.returncode == 0, done.stdout + done.stderr
    assert not said, "\n".join(said)


def sparse(version: str) -> int:
    """2 checks every file, 0 none: Debian's headers of 7.x lack scripts/checker-valid.sh, which finds sparse."""
    return 2 if int(version.split(".", maxsplit=1)[0]) < 7 else 0


def is_noise(line: str) -> bool:
    """What a correct build outside the kernel's own tree says all the same."""
    return any(
        words in line
        for words in (
            "Skipping BTF generation",  # the headers package has no vmlinux
            "the compiler differs from the one used to build the kernel",
            "The kernel was built by:",
            "You are using:",
        )
    )


@pytest.mark.parametrize("compat", [False, True])
def test_checkpatch(compat: bool) -> None:
    script = TREE / "opt/scripts/checkpatch.pl"
    files = [path for path in SOURCES if (path.name == "compat.h") == compat]
    assert files
    # Version checks are what a compatibility header is for, and keep the kernel out of all other files.
    ignored = ["--ignore", "LINUX_VERSION_CODE,CONSTANT_COMPARISON"] if compat else []
    command = ["perl", script, "--no-tree", "--strict", "--terse", "--no-summary", *ignored, "-f", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not done.stdout, done.stdout
    assert done.returncode == 0, done.stderr
