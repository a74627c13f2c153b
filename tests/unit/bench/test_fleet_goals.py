# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark of the planner says which of its goals are not reached."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from bench.fleet_goals import Figures, Speed, Stranded, growth, judge


def speed(hosts: int, each: int = 200, power: float = 1, **figures: float) -> Speed:
    vms = hosts * each
    work = vms * math.log2(vms)
    return replace(Speed(hosts, vms, 50 * (work / (200_000 * math.log2(200_000))) ** power, 5, 1), **figures)


GOOD = Figures(
    speeds=[speed(125), speed(1000), speed(10_000, 100, seconds=299, peak_gib=7.9)],
    many_disks=49,
    needed=203,
    fewest=200.0,
    stranded=Stranded(0.019, 0.107, 0, 0.088),
)


def test_nothing_is_said_of_goals_that_are_reached() -> None:
    assert judge(GOOD) == []


@pytest.mark.parametrize(
    ("figures", "sentence"),
    [
        (
            replace(GOOD, speeds=[speed(1000, seconds=61)]),
            "1,000 hosts and 200,000 VMs take 61.0 s, and 60 s is the limit",
        ),
        (
            replace(GOOD, speeds=[speed(1000), speed(10_000, 100, seconds=301)]),
            "10,000 hosts and 1,000,000 VMs take 301.0 s, and 300 s is the limit",
        ),
        (
            replace(GOOD, speeds=[speed(1000), speed(10_000, 100, seconds=299, peak_gib=8.1)]),
            "10,000 hosts and 1,000,000 VMs take 8.1 GiB, and 8 GiB is the limit",
        ),
        (
            replace(GOOD, speeds=[speed(125, p99=20.5)]),
            "one more VM beside 125 hosts and 25,000 VMs takes 20.5 ms, and 20 ms is the limit",
        ),
        (
            replace(GOOD, speeds=[speed(125, power=1.2), speed(1000, power=1.2), speed(10_000, 100)]),
            "a plan grows with n log n to the power of 1.20, and 1.1 is the limit",
        ),
        (replace(GOOD, many_disks=51), "12 disks apart take 51.0 ms, and 50 ms is the limit"),
        (
            # Rounded up, the bound would be 203, and nothing wrong.
            replace(GOOD, needed=206, fewest=202.1),
            "206 hosts are needed, 1.93% more than the 202.10 of the linear program, and 1.5% is the limit",
        ),
        (
            replace(GOOD, stranded=Stranded(0.022, 0, 0.001, 0)),
            "2.20% of bytes are stranded, 0.10% in any plan, and 2% beside that is the limit",
        ),
        (
            replace(GOOD, stranded=Stranded(0, 0.109, 0, 0.088)),
            "10.90% of queue pairs are stranded, 8.80% in any plan, and 2% beside that is the limit",
        ),
    ],
)
def test_goal_that_is_not_reached_is_told_with_its_limit(figures: Figures, sentence: str) -> None:
    assert judge(figures) == [sentence]


def test_growth_is_that_of_hosts_which_are_as_full() -> None:
    assert growth([speed(125), speed(1000), speed(10_000, 100, seconds=1e6)]) == pytest.approx(1)
    assert growth([speed(125, power=2), speed(1000, power=2)]) == pytest.approx(2)
