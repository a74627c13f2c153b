# SPDX-License-Identifier: GPL-3.0-or-later
"""Emulated NVMe hosts, and VMs in them, on any Linux machine. README.md shows how tests use it."""

from .errors import LabError
from .host import Host
from .labs import Lab
from .ssh import Remote

__all__ = ["Host", "Lab", "LabError", "Remote"]
