# SPDX-License-Identifier: GPL-3.0-or-later
"""Now and then a booting host hangs by a fault of the emulator, and only its reset helps.

Seen rarely, on a busy machine, before the first process starts: a CPU has accepted its timer's interrupt, never served
it, and halts. The interrupt stays in service and blocks all others of that CPU. Why is not known: some 50 boots of the
same machine beside two busy labs, half of them without SMM, did not show it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable

IN_SERVICE = re.compile(r"^ISR\s+(\d.*)", re.MULTILINE)
LOOKS = 5
SECONDS_BETWEEN = 0.5


def find(monitor: Callable[[str], str], cpus: int) -> int | None:
    """A CPU that was halted with the same interrupt in service at each of several looks.

    monitor: runs a command of QEMU's human monitor. A kernel never halts a CPU before the end of an interrupt.
    """
    lost = {cpu: served for cpu in range(cpus) if (served := _halted_serving(monitor, cpu))}
    for _ in range(LOOKS - 1):
        if not lost:
            return None
        time.sleep(SECONDS_BETWEEN)
        lost = {cpu: served for cpu, served in lost.items() if _halted_serving(monitor, cpu) == served}
    return next(iter(lost), None)


def _halted_serving(monitor: Callable[[str], str], cpu: int) -> str | None:
    served = IN_SERVICE.search(monitor(f"info lapic {cpu}"))
    registers = monitor("info registers -a").split("CPU#")
    halted = any(one.startswith(f"{cpu}\n") or one.startswith(f"{cpu}\r") for one in registers if "HLT=1" in one)
    return served[1].strip() if served and halted else None
