# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for what a machine does by itself."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from .errors import LabError

# Nothing that a healthy machine does takes longer, however slow the one below it is. An instrumented VM in an
# instrumented host does: who runs one says so.
PATIENCE = float(os.environ.get("LIGHTIOV_PATIENCE", "120"))


def wait_until(condition: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise LabError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.2)
