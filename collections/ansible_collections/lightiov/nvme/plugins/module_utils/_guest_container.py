# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs what is in a guest image, in a container without network."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host

# An initramfs on a slow processor.
SECONDS = 900
OPTIONS = (
    "--pipe", "--register=no", "--settings=no", "--private-network", "--resolv-conf=off", "--timezone=off",
    "--link-journal=no",
)  # fmt: skip


def run(host: Host, image: Path, script: str, *arguments: str, options: tuple[str, ...]) -> None:
    """A shell script with arguments; `options` are further ones of systemd-nspawn."""
    container = ["systemd-nspawn", "--quiet", f"--image={image}", *options, *OPTIONS]
    host.runner.run([*container, "/bin/sh", "-c", script, "sh", *arguments], timeout=SECONDS)
