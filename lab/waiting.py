# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for what a machine does by itself."""

from __future__ import annotations

import time
from collections.abc import Callable

from .errors import LabError

# Nothing that a healthy machine does takes longer, however slow the one below it is.
PATIENCE = 120.0


def wait_until(condition: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise LabError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.2)
