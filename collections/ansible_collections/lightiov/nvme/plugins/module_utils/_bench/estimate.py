# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Medians and how far they can be trusted."""

from __future__ import annotations

import random
import statistics
from collections.abc import Sequence
from typing import Any

RESAMPLES = 1000
CONFIDENCE = 0.95


def median(values: Sequence[float]) -> dict[str, Any]:
    """The median, and the interval of its bootstrap: of the medians of resamples with replacement, the middle 95 %."""
    if not values:
        raise ValueError("the median of nothing")
    # The same values have the same interval.
    chance = random.Random(len(values))
    medians = sorted(statistics.median(chance.choices(values, k=len(values))) for _ in range(RESAMPLES))
    tail = (1 - CONFIDENCE) / 2
    return {
        "median": statistics.median(values),
        "low": medians[int(RESAMPLES * tail)],
        "high": medians[int(RESAMPLES * (1 - tail)) - 1],
        "rounds": len(values),
    }
