# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Medians and how far they can be trusted."""

from __future__ import annotations

import random
import statistics
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

RESAMPLES = 1000
CONFIDENCE = 0.95


def median(values: Sequence[float]) -> dict[str, Any]:
    """The median, and the interval of its bootstrap: of the medians of resamples with replacement, the middle 95 %."""
    if not values:
        raise ValueError("the median of nothing")
    ordered = sorted(values)
    medians = sorted((ordered[low] + ordered[high]) / 2 for low, high in _ranks(len(ordered)))
    tail = (1 - CONFIDENCE) / 2
    return {
        "median": statistics.median(values),
        "low": medians[int(RESAMPLES * tail)],
        "high": medians[int(RESAMPLES * (1 - tail)) - 1],
        "rounds": len(values),
    }


@cache
def _ranks(count: int) -> list[tuple[int, int]]:
    """Which of so many ordered values are in the middle of each resample: whatever the values, it is the same."""
    # The same values have the same interval.
    chance = random.Random(count)
    middle = ((count - 1) // 2, count // 2)
    resamples = (sorted(chance.choices(range(count), k=count)) for _resample in range(RESAMPLES))
    return [(one[middle[0]], one[middle[1]]) for one in resamples]


def together(results: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Of several that did the same at the same time: the mean of all I/O, and the 99th percentile of the median one."""
    iops = [one["iops"] for one in results]
    return {
        "iops": sum(iops),
        "mean_us": sum(one["mean_us"] * one["iops"] for one in results) / sum(iops),
        "p99_us": statistics.median(one["p99_us"] for one in results),
        "fairness": jain(iops),
    }


def jain(values: Sequence[float]) -> float:
    """Jain's index: 1 if all have the same, 1/n if one has all."""
    return sum(values) ** 2 / (len(values) * sum(value * value for value in values))
