# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the host's own tools."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from typing import Optional

from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError

# Non-interactive sessions may lack the sbin directories, where most of these tools are.
SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")
# Longer than any of these tools takes on a host that works: a controller may use two minutes to become ready.
DEADLINE_SECONDS = 300

# Takes a line of output.
Heard = Optional[Callable[[str], object]]


class CommandError(LightiovError):
    """A tool ended with an error; `output` is what it said."""

    def __init__(self, message: str, output: str = "") -> None:
        super().__init__(message)
        self.output = output


class Runner:
    """Starts commands without a shell and in the C locale."""

    def __init__(self, path: str | None = None) -> None:
        """`path` replaces the search path of the session and the sbin directories."""
        if path is None:
            path = os.pathsep.join((os.environ.get("PATH", os.defpath), *SBIN))
        self.environment = dict(os.environ, PATH=path, LC_ALL="C")

    def find(self, program: str) -> str | None:
        """Path of a program, None if it is not installed."""
        for directory in self.environment["PATH"].split(os.pathsep):
            candidate = os.path.join(directory, program)  # noqa: PTH118 - PATH entries are strings
            if os.access(candidate, os.X_OK):
                return candidate
        return None

    def run(self, arguments: Sequence[str], timeout: float = DEADLINE_SECONDS, heard: Heard = None) -> str:
        """Standard output of a command that succeeded; its lines go to `heard` as they come, if there is one."""
        program = self.find(arguments[0])
        if program is None:
            raise CommandError(
                f"{arguments[0]} is not installed, but this task needs it: install the package of that name"
            )
        said = " ".join(arguments)
        process = subprocess.Popen(
            [program, *arguments[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environment,
            text=True,
            # A group of its own, so that what it started ends with it.
            start_new_session=True,
        )
        try:
            if heard is None:
                stdout, stderr = process.communicate(timeout=timeout)
            else:
                stdout, stderr = _communicate(process, timeout, heard)
        except BaseException as error:
            # It may hang in the kernel, where no signal reaches it, so its end is not awaited.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            raise CommandError(
                f"{said!r} did not end within {timeout:g} seconds and was killed: see the host's kernel log for what "
                "it waited for, and reboot the host if it hangs again"
            ) from None
        if process.returncode != 0:
            output = (stderr.strip() or stdout.strip()).replace("\n", "; ") or f"exit status {process.returncode}"
            raise CommandError(f"{said!r} failed: {output}", output)
        return stdout


def _communicate(process: subprocess.Popen[str], timeout: float, heard: Callable[[str], object]) -> tuple[str, str]:
    """As the process's own, with each line as it comes."""
    lines = []
    # The process's own would wait for this pipe.
    output, process.stdout = process.stdout, None

    def listen() -> None:
        for line in output or ():
            lines.append(line)
            heard(line.strip())

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    stderr = process.communicate(timeout=timeout)[1]
    listener.join(timeout)
    return "".join(lines), stderr
