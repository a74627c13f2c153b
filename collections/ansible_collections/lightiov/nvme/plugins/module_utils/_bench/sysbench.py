# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""sysbench on files: its commands, and what it says."""

from __future__ import annotations

import re

from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError

BLOCK_BYTES = 16384
# Of about the size of the database of db_bench.
FILES = (
    "sysbench",
    "fileio",
    "--file-num=4",
    "--file-total-size=64M",
    f"--file-block-size={BLOCK_BYTES}",
)
RATE = re.compile(r"^ +(?:reads|writes)/s: +([\d.]+)", re.MULTILINE)
# In milliseconds, of its syncs, too.
MEAN = re.compile(r"^ +avg: +([\d.]+)", re.MULTILINE)
LATE = re.compile(r"^ +99th percentile: +([\d.]+)", re.MULTILINE)
HISTOGRAM = re.compile(r"^ *([\d.]+) \|[* ]+ (\d+)$", re.MULTILINE)


def fill() -> list[str]:
    return [*FILES, "prepare"]


def run(seconds: float) -> list[str]:
    return [
        *FILES,
        "--file-test-mode=rndrw",
        "--file-extra-flags=direct",
        "--file-fsync-freq=10",
        "--file-fsync-end=off",
        "--threads=4",
        f"--time={round(seconds + 0.5)}",
        "--percentile=99",
        "--histogram=on",
        "--rand-seed=1",
        "run",
    ]


def parse(output: str) -> dict[str, float]:
    """Reads and writes a second, and microseconds of all operations."""
    rates, mean, late = RATE.findall(output), MEAN.search(output), LATE.search(output)
    histogram = [(float(value), int(count)) for value, count in HISTOGRAM.findall(output)]
    if len(rates) != 2 or not mean or not late or not histogram:
        last = "; ".join(output.strip().splitlines()[-3:])
        raise LightiovError(f"sysbench did not do its work, and said last: {last or 'nothing'}")
    operations = sum(map(float, rates))
    return {
        "iops": operations,
        "bytes_per_second": operations * BLOCK_BYTES,
        "mean_us": float(mean[1]) * 1000,
        "p50_us": _middle(histogram) * 1000,
        "p99_us": float(late[1]) * 1000,
    }


def _middle(histogram: list[tuple[float, int]]) -> float:
    """The value that half of all are not above."""
    half, seen = sum(count for _value, count in histogram) / 2, 0
    for value, count in histogram:
        seen += count
        if seen >= half:
            return value
    raise ValueError("the middle of nothing")
