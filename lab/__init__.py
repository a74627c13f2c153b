# SPDX-License-Identifier: GPL-3.0-or-later
"""Emulated NVMe hosts, and VMs in them, on any Linux machine. README.md shows how tests use it."""

from .errors import LabError
from .fault import Admin, Fault, Io, Kind
from .host import Host
from .labs import Lab
from .program import Program
from .ssh import Remote
from .waiting import wait_until

__all__ = ["Admin", "Fault", "Host", "Io", "Kind", "Lab", "LabError", "Program", "Remote", "wait_until"]
