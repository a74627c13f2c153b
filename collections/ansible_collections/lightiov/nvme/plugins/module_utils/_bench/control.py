# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the machine was disturbed while something was measured.

Beside each measurement stand two of fixed work on the host, one before and one after it, in which no contender has a
part. The rule was written before anything was measured, and is applied to all contenders alike.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence

# Of a loop that only counts: a hundredth of a second on a server, some tenths where the CPU is emulated.
TURNS = 400_000
SLOWER = 1.15
STEAL = 0.02
OTHERS_CPUS = 0.25

RULE = (
    "Before and after each measurement the host does a fixed piece of work. A measurement is left out if (1) that work "
    f"took, on average of the two, more than {SLOWER:g} times its median over all rounds of the same contender and "
    f"workload, or (2) more than {STEAL:.0%} of the CPUs' time was stolen from the host while it was measured, or "
    f"(3) in the second before the contender was set up, others used {OTHERS_CPUS:g} CPUs more than in the median of "
    "all visits. Of starts only (3) is known, of many clients only (2). A round counts for a ratio only if neither of "
    "its two measurements is left out and the host was not restarted between them."
)


def work() -> float:
    """Seconds that the fixed work takes now."""
    began = time.perf_counter()
    for _turn in range(TURNS):
        pass
    return time.perf_counter() - began


def disturbed(
    control: float, controls: Sequence[float], steal: float, others: float, all_others: Sequence[float]
) -> str:
    """Why a measurement is left out, empty if it is not."""
    if control > SLOWER * statistics.median(controls):
        return "slow"
    if steal > STEAL:
        return "steal"
    if others > statistics.median(all_others) + OTHERS_CPUS:
        return "others"
    return ""
