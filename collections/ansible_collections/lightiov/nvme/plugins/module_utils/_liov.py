# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `liov` does with all of a disk, which takes as long as the disk is large."""

from __future__ import annotations

from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host

# Any drive is faster, so a command that takes longer hangs.
BYTES_PER_SECOND = 10_000_000


def run(host: Host, about: str, size: int, command: str, mdev: str, *arguments: str) -> None:
    """Of `size` bytes, 0 where nobody knows. The host's journal is told how far it is; CommandError if it fails."""
    host.runner.run(
        ["liov", command, mdev, *arguments, "--progress"],
        timeout=60 + size // BYTES_PER_SECOND,
        heard=lambda line: host.note(f"liov {command}, {about}: {line}"),
    )
