# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a guest image boots, as files of the host, which boots VMs with it whose root disk no firmware can read."""

from __future__ import annotations

import re
import shlex
import shutil

from ansible_collections.lightiov.nvme.plugins.module_utils import _guest_container, _whole_file
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._runner import CommandError

# Where the directory is inside the container.
INSIDE = "/run/lightiov-boot"
EXTRACT = f"""\
set -eu
kernel=$(ls -v /boot/vmlinuz-* | tail -n 1)
cp "$kernel" {INSIDE}/vmlinuz
cp "/boot/initrd.img-${{kernel#/boot/vmlinuz-}}" {INSIDE}/initrd.img
cp /boot/grub/grub.cfg {INSIDE}
chmod 644 {INSIDE}/*
"""
ENTRY = re.compile(r"^\s*linux(?:16|efi)?\s+\S+(.*)$", re.MULTILINE)
# Disks that are known by what is on them, whatever they are called.
LASTING_ROOT = re.compile(
    r"root=(?:(?:UUID|LABEL|PARTUUID|PARTLABEL)=|/dev/disk/by-(?:uuid|label|partuuid|partlabel)/)."
)


def extract(host: Host, image: str, directory: str) -> None:
    """It appears whole or not at all."""
    path = host.path(directory)
    new = path.with_name(f".{path.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    # Whoever runs the VM reads them.
    new.chmod(0o755)
    try:
        options = ("--read-only", f"--bind={new}:{INSIDE}")
        _guest_container.run(host, host.path(image), EXTRACT, options=options)
        menu = (new / "grub.cfg").read_text(encoding="utf-8", errors="replace")
    except (CommandError, OSError) as error:
        said = (error.output if isinstance(error, CommandError) else "") or error
        raise LightiovError(
            f"What {image} boots could not be taken out of it ({said}): have a kernel, its initramfs and GRUB's menu "
            "in its /boot, or give the VM a root disk of its own (root: {on: file})"
        ) from error
    (new / "arguments").write_text(f"{arguments(menu, image)}\n", encoding="utf-8")
    for part in (*new.iterdir(), new):
        _whole_file.sync(part)
    new.rename(path)
    _whole_file.sync(path.parent)


def arguments(menu: str, image: str) -> str:
    """What GRUB gives the kernel of the first entry of its menu."""
    entry = ENTRY.search(menu)
    # GRUB's own variables are nothing to the kernel.
    words = [word for word in shlex.split(entry[1]) if "$" not in word] if entry else []
    if not any(LASTING_ROOT.match(word) for word in words):
        raise LightiovError(
            f"The first entry in the menu of GRUB in {image} does not name the root file system by what is on it: make "
            "it root=UUID= or root=LABEL=, since the disk has another name when it is LightIOV's"
        )
    return " ".join(words)


def read(host: Host, directory: str) -> dict[str, str]:
    """What was extracted."""
    path = host.path(directory)
    return {
        "kernel": f"{directory}/vmlinuz",
        "initrd": f"{directory}/initrd.img",
        "arguments": (path / "arguments").read_text(encoding="utf-8").strip(),
    }
