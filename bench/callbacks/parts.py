# SPDX-License-Identifier: GPL-3.0-or-later
"""Adds the plays of a run to the list of times that tests/timed.py keeps."""

from __future__ import annotations

DOCUMENTATION = r"""
name: parts
type: notification
short_description: Tells how long each play takes
description:
  - Adds plays that took a second or more to the list that C(tests/timed.py) keeps while it runs, each with the name of
    the make target that it is a part of.
author: LightIOV contributors
options:
  target:
    description: Name of the make target.
    type: str
    required: true
    env:
      - name: PARTS_TARGET
"""

import os
import time
from typing import Any

from ansible.plugins.callback import CallbackBase

from tests.timed import TIMES, note


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "parts"

    def __init__(self) -> None:
        super().__init__()
        self.play = ("", 0.0)

    def v2_playbook_on_play_start(self, play: Any) -> None:
        self._end()
        self.play = (play.get_name(), time.monotonic())

    def v2_playbook_on_stats(self, stats: Any) -> None:
        self._end()

    def _end(self) -> None:
        name, began = self.play
        if name and TIMES in os.environ and time.monotonic() - began >= 1:
            note(f"{self.get_option('target')}: {name}", began)
