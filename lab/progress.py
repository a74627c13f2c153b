# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells what happens, and when, on standard error: standard output belongs to the command's result."""

from __future__ import annotations

import sys
import time


class Progress:
    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self.start = time.monotonic()

    def say(self, subject: str, text: str) -> None:
        if not self.quiet:
            print(f"[{time.monotonic() - self.start:6.1f} s] {subject}: {text}", file=sys.stderr, flush=True)
