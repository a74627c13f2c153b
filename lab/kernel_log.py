# SPDX-License-Identifier: GPL-3.0-or-later
"""What in a kernel log means that a test has failed, whatever else it says."""

from __future__ import annotations

import re

PROBLEMS = re.compile(
    r"""
      \bWARNING:
    | \bBUG\b                                   # also KFENCE, KASAN, slab and lockdep reports, soft lockups
    | \bUBSAN: | \bKCSAN: | kmemleak:.*new\ suspected
    | \bOops\b | Kernel\ panic
    | general\ protection\ fault
    | refcount_t: | list_(add|del)\ corruption
    | (Poison|Padding|Redzone)\ overwritten | Object\ already\ free
    | DMAR:.*(fault|DMA\ (Read|Write)) | DMA-API:.*(not|error|leak|overlap)
    | INFO:\ (possible|inconsistent|task\ .*\ blocked|.*stall)
    | possible\ (circular|recursive)\ locking
    """,
    re.VERBOSE,
)
FATAL = re.compile(r"Kernel panic - not syncing|You are in emergency mode|^\(initramfs\)", re.MULTILINE)
# Kernels that are configured so (the debug flavour's) say which task or CPU speaks, too.
TIMESTAMP = re.compile(r"\[ *\d+\.\d+\](\[ *[TC]\d+\])? ")


def kernel_lines(console: str) -> list[str]:
    """The kernel's own lines of a console: boot loaders, systemd and login prompts have no time stamp."""
    return [line.rstrip() for line in console.splitlines() if TIMESTAMP.search(line)]


def problems(console: str) -> list[str]:
    return [line for line in kernel_lines(console) if PROBLEMS.search(line)]
