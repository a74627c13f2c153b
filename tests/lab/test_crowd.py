# SPDX-License-Identifier: GPL-3.0-or-later
"""A crowd of clients on a controller that is reset all the while: tests/shared/crowd.py says how many of both."""

from __future__ import annotations

import pytest
from crowd import Crowd
from passthrough import Controller


@pytest.mark.slow
def test_all_come_back(controller: Controller) -> None:
    crowd = Crowd.gather(controller, range(1, 9))
    crowd.live_through_resets()
    crowd.is_whole()
