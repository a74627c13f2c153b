# SPDX-License-Identifier: GPL-3.0-or-later
"""The key that opens every host and guest: made once per cache, because images in the cache carry it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from .locks import exclusive
from .paths import cache_dir


def private_key() -> Path:
    key = cache_dir() / "key" / "id_ed25519"
    with exclusive(key.parent / "lock"):
        if not key.exists():
            scratch = key.with_suffix(".new")
            for stale in (scratch, scratch.with_suffix(".new.pub")):
                stale.unlink(missing_ok=True)
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lightiov lab", "-f", str(scratch)], check=True
            )
            scratch.with_suffix(".new.pub").rename(key.with_suffix(".pub"))
            scratch.rename(key)
    return key


def public_key() -> str:
    return private_key().with_suffix(".pub").read_text()
