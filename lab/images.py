# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the images of a lab, or finds them in the cache.

An image set is a directory named by the hash of its recipes: the host's and the guest's disk, the host's kernel and
initramfs, and the tree that the host's disk was made from.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from . import cache, debug_kernel, disk
from .bootstrap import bootstrap_command
from .errors import LabError, tail
from .keys import public_key
from .mirror import debian_mirror
from .paths import cache_dir
from .progress import Progress
from .recipe import SUITE, Recipe

# Raise when the steps below change what comes out of an unchanged recipe.
FORMAT = 3
GIB = 1 << 30
MODULES = "*/modules/*/kernel"
FLAVOURS = ("stock", "debug")
HOST_DISK = 16 * GIB
GUEST_DISK = 4 * GIB


def flavour(image_set_id: str) -> str:
    return image_set_id.partition("-")[0]


@dataclass(frozen=True)
class ImageSet:
    root: Path

    @classmethod
    def by_id(cls, id: str) -> ImageSet:
        return cls(images_dir() / id)

    @property
    def id(self) -> str:
        return self.root.name

    @property
    def instrumented(self) -> bool:
        """Whether their kernel is that of debug_kernel.py."""
        return flavour(self.id) == "debug"

    @property
    def host_disk(self) -> Path:
        return self.root / "host.raw"

    @property
    def guest_disk(self) -> Path:
        return self.root / "guest.raw"

    @property
    def kernel(self) -> Path:
        return self.root / "vmlinuz"

    @property
    def initrd(self) -> Path:
        return self.root / "initrd.img"

    @property
    def host_tree(self) -> Path:
        """What the host's disk was made from. Images of former versions lack it."""
        return self.root / "host"

    @property
    def host_kernel(self) -> str:
        """As `uname -r` says."""
        return kernel_version(self.host_tree)


def images_dir() -> Path:
    return cache_dir() / "images"


def ensure(flavour: str, progress: Progress) -> ImageSet:
    """The image set of a flavour; built now if nobody has built it before."""
    recipes = recipes_of(flavour)
    images = of_recipes(flavour, recipes)

    def build_set(scratch: Path, whole: Path) -> None:
        if images.instrumented:
            debug_kernel.ensure(progress)
        build(scratch, whole, recipes, progress)

    cache.ensure("images", images.root, build_set, progress)
    return images


def newest(flavour: str) -> ImageSet:
    """What `ensure` returns; it need not be built yet."""
    return of_recipes(flavour, recipes_of(flavour))


def recipes_of(flavour: str) -> list[Recipe]:
    if flavour not in FLAVOURS:
        raise LabError(f"the lab has no flavour {flavour!r}: choose {' or '.join(FLAVOURS)}")
    key = public_key()
    recipes = [Recipe.load(name, key) for name in ("host", "guest")]
    if flavour == "debug":
        kernel = debug_kernel.packages()
        recipes = [recipe.with_kernel(kernel.image, kernel.headers) for recipe in recipes]
    return recipes


def of_recipes(flavour: str, recipes: list[Recipe]) -> ImageSet:
    """Images that are built, and used, together."""
    inputs = {"format": FORMAT, "suite": SUITE, "recipes": [recipe.as_json() for recipe in recipes]}
    return ImageSet(cache.place("images", inputs, prefix=f"{flavour}-"))


def build(scratch: Path, whole: Path, recipes: list[Recipe], progress: Progress) -> None:
    require_tools()
    trees = Trees(scratch, debian_mirror(), progress)
    with ThreadPoolExecutor() as pool:
        steps = {"host": finish_host, "guest": finish_guest}
        jobs = [pool.submit(trees.make, recipe, steps[recipe.name], whole) for recipe in recipes]
        try:
            kernels = {job.result() for job in jobs}
        except BaseException:
            trees.stop()
            raise
    if len(kernels) != 1:
        raise LabError(
            f"the mirror changed while images were built (kernels {', '.join(sorted(kernels))}): build again"
        )
    manifest = {"kernel": kernels.pop(), "recipes": [recipe.as_json() for recipe in recipes]}
    (whole / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")


def require_tools() -> None:
    if os.geteuid() != 0:
        raise LabError("building images needs root, for chroot: run `lab build` once as root or with sudo")
    packages = {"mmdebstrap": "mmdebstrap", "mke2fs": "e2fsprogs", "ssh-keygen": "openssh-client"}
    missing = [packages[tool] for tool in packages if not shutil.which(tool)]
    if missing:
        raise LabError(f"this machine lacks tools that build images: apt-get install {' '.join(missing)}")


class Trees:
    """Makes root filesystems, several at once, and can be stopped."""

    def __init__(self, scratch: Path, mirror: str, progress: Progress) -> None:
        self.scratch = scratch
        self.mirror = mirror
        self.progress = progress
        self.running: list[subprocess.Popen[str]] = []

    def make(self, recipe: Recipe, finish: Callable[[Path, Path], None], whole: Path) -> str:
        """Build one tree, let `finish` turn it into files of the image set, and return its kernel version."""
        subject = f"{recipe.name} image"
        tree = self.scratch / recipe.name
        self.bootstrap(recipe, tree, subject)
        self.progress.say(subject, "making the disk")
        kernel = kernel_version(tree)
        finish(tree, whole)
        self.progress.say(subject, "done")
        return kernel

    def bootstrap(self, recipe: Recipe, tree: Path, subject: str) -> None:
        staging = self.scratch / f"{recipe.name}-files"
        stage(recipe, staging)
        log = images_dir() / f"{recipe.name}.log"
        options = [
            # Before the other packages: the kernel's installation already makes an initramfs by our rules.
            f'--essential-hook=cp -dR "{staging}/." "$1/"',
            *(f"--dpkgopt=path-exclude={pattern}" for pattern in (*recipe.excludes, f"{MODULES}/*")),
            *(f"--dpkgopt=path-include={MODULES}/{pattern}" for pattern in recipe.modules),
            *install_hooks(recipe.debs),
        ]
        command = bootstrap_command(tree, SUITE, recipe.packages, [f"deb {self.mirror} {SUITE} main"], options)
        with log.open("w") as output:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                process_group=0,
            )  # fmt: skip
            self.running.append(process)
            assert process.stdout
            for line in process.stdout:
                output.write(line)
                if line.startswith("I: ") and line.rstrip().endswith("..."):
                    self.progress.say(subject, line[3:].rstrip(" .\n"))
        if process.wait() != 0:
            raise LabError(
                f"{subject}: mmdebstrap failed; its last lines say why",
                log,
                tail(log),
            )

    def stop(self) -> None:
        """End what runs, with all its children: mmdebstrap alone would wait until they have finished."""
        for process in self.running:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)


def install_hooks(debs: tuple[str, ...]) -> list[str]:
    """mmdebstrap's arguments that install package files: last, because these do not name what they depend on."""
    if not debs:
        return []
    outside = shlex.join(debs)
    inside = shlex.join(f"/tmp/{Path(deb).name}" for deb in debs)
    return [
        f"--customize-hook=copy-in {outside} /tmp",
        f'--customize-hook=chroot "$1" dpkg --install {inside}',
        f'--customize-hook=chroot "$1" rm {inside}',
    ]


def stage(recipe: Recipe, staging: Path) -> None:
    """Write the recipe's files, with the modes they shall have in the image."""
    for name, file in recipe.files.items():
        path = staging / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content)
        path.chmod(0o755 if file.executable else 0o644)
    systemd = staging / "etc/systemd"
    for unit in recipe.enabled:
        link(systemd / "system/multi-user.target.wants" / unit, f"/etc/systemd/system/{unit}")
    for unit in recipe.masked:
        link(systemd / unit, "/dev/null")
    (staging / "root").chmod(0o700)


def link(path: Path, target: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def kernel_version(tree: Path) -> str:
    return next((tree / "usr/lib/modules").iterdir()).name


def finish_host(tree: Path, whole: Path) -> None:
    for name in ("vmlinuz", "initrd.img"):
        shutil.copy(tree / name, whole)
    disk.make_ext4(tree, whole / "host.raw", HOST_DISK, "host-root")
    tree.rename(whole / "host")


def finish_guest(tree: Path, whole: Path) -> None:
    modules = ["part_msdos", "ext2", "biosdisk", "normal", "linux", "search", "search_label", "configfile"]
    grub_mkimage = ["grub-mkimage", "-O", "i386-pc", "-o", "/core.img", "-p", "(hd0,msdos1)/boot/grub", *modules]
    subprocess.run(["chroot", str(tree), *grub_mkimage], check=True, capture_output=True, text=True)
    core = tree / "core.img"
    core_img = core.read_bytes()
    core.unlink()
    image = whole / "guest.raw"
    start = disk.PARTITION_START * disk.SECTOR
    disk.make_ext4(tree, image, GUEST_DISK - start, "guest-root", offset=start)
    disk.make_bootable(image, (tree / "usr/lib/grub/i386-pc/boot.img").read_bytes(), core_img)
    shutil.rmtree(tree)
