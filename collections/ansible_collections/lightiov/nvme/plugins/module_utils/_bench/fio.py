# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What fio says of a job, as JSON."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError

MEASURES = ("iops", "bytes_per_second", "mean_us", "p50_us", "p99_us")


def parse(output: str) -> dict[str, float]:
    """Of its one job: IOPS, bytes a second, and microseconds of mean, median and 99th percentile.

    A job that reads and writes has the latency of what it does more of, since percentiles cannot be added up.
    """
    # Warnings come before it.
    begin = output.find("{\n")
    try:
        if begin < 0:
            raise ValueError
        [job] = json.JSONDecoder().raw_decode(output, begin)[0]["jobs"]
    except (ValueError, KeyError):
        raise LightiovError(f"fio did not do its job, and said: {output.strip() or 'nothing'}") from None
    if job["error"]:
        raise LightiovError(f"fio ended with error {job['error']}, and said: {output[:begin].strip() or 'nothing'}")
    kinds: list[dict[str, Any]] = [job[kind] for kind in ("read", "write")]
    main = max(kinds, key=lambda kind: kind["total_ios"])
    if not main["total_ios"]:
        raise LightiovError("fio did no I/O at all: give it more seconds")
    # With its submission, which is where the doorbell is rung.
    latency = main["lat_ns"]
    return {
        "iops": sum(kind["iops"] for kind in kinds),
        "bytes_per_second": float(sum(kind["bw_bytes"] for kind in kinds)),
        "mean_us": latency["mean"] / 1000,
        "p50_us": latency["percentile"]["50.000000"] / 1000,
        "p99_us": latency["percentile"]["99.000000"] / 1000,
    }
