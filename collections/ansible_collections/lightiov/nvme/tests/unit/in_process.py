# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays the tools of the fake host without starting a process for each."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence

from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._runner import DEADLINE_SECONDS, CommandError, Heard, Runner
from fake_host import FakeHost, Refused
from fake_nvme import FakeNvme


class InProcess(Runner):
    """Tools that a test brings as scripts of its own are processes."""

    def __init__(self, fake: FakeHost) -> None:
        super().__init__(path=str(fake.bin))
        self.fake = fake

    def run(self, arguments: Sequence[str], timeout: float = DEADLINE_SECONDS, heard: Heard = None) -> str:
        tool, *others = arguments
        if not self.find(tool) or not hasattr(self.fake, tool):
            return super().run(arguments, timeout, heard)
        output = io.StringIO()
        try:
            with contextlib.redirect_stdout(output):
                self.fake.call(tool, *others)
        except Refused as refused:
            raise CommandError(f"{' '.join(arguments)!r} failed: {refused}", str(refused)) from None
        if heard is not None:
            for line in output.getvalue().splitlines():
                heard(line)
        return output.getvalue()


class PlayedHost(Host):
    """Plays what the host module does when its attributes are written to, and controllers by their device nodes."""

    def write_attribute(self, absolute: str, text: str) -> None:
        assert isinstance(self.runner, InProcess)
        self.runner.fake.told(absolute, text)

    def ioctl(self, absolute: str, request: int, argument: bytearray) -> int:
        assert isinstance(self.runner, InProcess)
        return FakeNvme.behind(self.runner.fake, absolute).answer(request, argument)
