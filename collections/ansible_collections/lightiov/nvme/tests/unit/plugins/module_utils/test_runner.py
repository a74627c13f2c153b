# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import time

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils._runner import CommandError, Runner


def test_output_is_returned() -> None:
    assert Runner().run(["echo", "a b"]) == "a b\n"


def test_arguments_are_not_for_a_shell() -> None:
    assert Runner().run(["echo", "$HOME; ls"]) == "$HOME; ls\n"


def test_failure_tells_what_the_tool_said() -> None:
    with pytest.raises(CommandError, match="said") as raised:
        Runner().run(["sh", "-c", "echo said >&2; exit 3"])
    assert raised.value.output == "said"


def test_silent_failure_tells_the_status() -> None:
    with pytest.raises(CommandError, match="exit status 3"):
        Runner().run(["sh", "-c", "exit 3"])


def test_missing_tool_is_named() -> None:
    with pytest.raises(CommandError, match="no-such-tool is not installed"):
        Runner().run(["no-such-tool"])


def test_a_tool_that_hangs_is_left_at_the_deadline() -> None:
    started = time.monotonic()
    with pytest.raises(CommandError, match=r"within 0\.2 seconds"):
        Runner().run(["sleep", "20"], timeout=0.2)
    assert time.monotonic() - started < 5
