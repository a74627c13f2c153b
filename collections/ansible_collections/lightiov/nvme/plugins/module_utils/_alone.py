# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run at a time changes a host: two that make the same file, or write the same record, would spoil it for good."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host

# Not in /run/lock, where any user could make it first, and keep it.
LOCK = "/run/lightiov/lock"


@contextmanager
def alone(host: Host) -> Iterator[None]:
    """When no other run is, and so that none is meanwhile. It ends with the process, however that ends."""
    path = host.path(LOCK)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Who can open a file can lock it.
    path.touch(mode=0o600)
    with path.open(encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            host.note("another run changes this host, and is waited for")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
