# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import time
from pathlib import Path

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils._host import wait_until
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


def test_lines_are_heard_as_they_come(tmp_path: Path) -> None:
    """The command goes on only once its first line was heard."""
    seen: list[str] = []
    heard = tmp_path / "heard"

    def hear(line: str) -> None:
        seen.append(line)
        heard.touch()

    command = f"echo 1 of 2; until [ -e {heard} ]; do sleep 0.01; done; echo 2 of 2; echo well >&2"
    assert Runner().run(["sh", "-c", command], timeout=20, heard=hear) == "1 of 2\n2 of 2\n"
    assert seen == ["1 of 2", "2 of 2"]


def test_one_that_is_heard_has_its_deadline_and_its_errors() -> None:
    seen: list[str] = []
    with pytest.raises(CommandError, match=r"within 0\.2 seconds"):
        Runner().run(["sleep", "20"], timeout=0.2, heard=seen.append)
    with pytest.raises(CommandError, match="said") as raised:
        Runner().run(["sh", "-c", "echo half; echo said >&2; exit 3"], heard=seen.append)
    assert (raised.value.output, seen) == ("said", ["half"])


def test_every_command_has_a_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Runner.run, "__defaults__", (0.2, None))
    with pytest.raises(CommandError, match=r"'sleep 20' did not end within 0\.2 seconds.*reboot the host"):
        Runner().run(["sleep", "20"])


def test_what_a_hung_tool_started_ends_with_it(tmp_path: Path) -> None:
    started = tmp_path / "started"
    with pytest.raises(CommandError, match="did not end"):
        Runner().run(["sh", "-c", f"sleep 20 & echo $! >{started}; wait"], timeout=1)
    child = Path("/proc", started.read_text().strip(), "stat")
    # A zombie is one that nobody has asked about yet.
    assert wait_until(lambda: not child.exists() or " Z " in child.read_text(), seconds=5)
