# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Debian mirror this machine uses."""

from __future__ import annotations

import os
import subprocess

from .errors import LabError


def debian_mirror() -> str:
    if explicit := os.environ.get("LIGHTIOV_MIRROR"):
        return explicit
    try:
        listing = subprocess.run(
            ["apt-get", "indextargets", "--format", "$(REPO_URI)"], capture_output=True, text=True, check=True
        ).stdout
    except (FileNotFoundError, subprocess.CalledProcessError):
        listing = ""
    mirror = first_debian(listing)
    if not mirror:
        raise LabError(
            "apt on this machine has no source whose path is debian/, so the lab cannot tell where to get Debian: "
            "set LIGHTIOV_MIRROR to a Debian mirror's URL"
        )
    return mirror


def first_debian(listing: str) -> str | None:
    """The first archive proper: security and update archives have paths of their own."""
    return next((uri for uri in listing.split() if uri.rstrip("/").endswith("/debian")), None)
