# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""RocksDB's own benchmark, db_bench: its commands, and what it says."""

from __future__ import annotations

import re

from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError

KEYS = 100_000
BENCHMARK = "readrandomwriterandom"
# As much as a small VM has memory for: data several times as large as its cache, past the kernel's.
COMMON = (
    f"--num={KEYS}",
    "--key_size=16",
    "--value_size=400",
    "--write_buffer_size=16777216",
    "--cache_size=4194304",
    "--compression_type=none",
    "--use_direct_reads=1",
    "--use_direct_io_for_flush_and_compaction=1",
    "--open_files=100",
    "--seed=1",
)
# Its progress is in the same line.
RESULT = re.compile(rf"{BENCHMARK} *: *[\d.]+ micros/op (\d+) ops/sec")
READS = re.compile(
    r"^Microseconds per read:\nCount: \d+ Average: ([\d.]+).*\n.*\nPercentiles: P50: ([\d.]+).* P99: ([\d.]+)",
    re.MULTILINE,
)


def fill() -> list[str]:
    return ["db_bench", "--db=db", "--benchmarks=fillrandom", "--disable_wal=1", *COMMON]


def run(seconds: float) -> list[str]:
    return [
        "db_bench",
        "--db=db",
        "--use_existing_db=1",
        f"--benchmarks={BENCHMARK}",
        "--readwritepercent=90",
        "--sync=1",
        "--threads=4",
        f"--duration={round(seconds + 0.5)}",
        # Otherwise each thread looks at the clock after 1,000 operations, on an emulated CPU half a minute.
        "--ops_between_duration_checks=10",
        "--histogram=1",
        *COMMON,
    ]


def parse(output: str) -> dict[str, float]:
    """Operations a second, and microseconds of its reads."""
    operations, reads = RESULT.search(output), READS.search(output)
    if not operations or not reads:
        last = "; ".join(output.strip().splitlines()[-3:])
        raise LightiovError(f"db_bench did not do its work, and said last: {last or 'nothing'}")
    mean, median, late = map(float, reads.groups())
    return {
        "iops": float(operations[1]),
        "bytes_per_second": float(operations[1]) * 416,
        "mean_us": mean,
        "p50_us": median,
        "p99_us": late,
    }
