# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One host: its files below a root directory, and its tools."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional, TextIO

from ansible_collections.lightiov.nvme.plugins.module_utils._runner import CommandError, Runner

# Texts of files before and after a change; None where there is no file.
Texts = dict[str, tuple[Optional[str], Optional[str]]]


@dataclass(frozen=True)
class Host:
    """The root can be another directory, so that the file side of everything works on a made-up tree."""

    root: Path = Path("/")
    runner: Runner = field(default_factory=Runner)
    # For the host's journal: how far is what takes long.
    note: Callable[[str], object] = field(default=lambda _line: None)

    def path(self, absolute: str) -> Path:
        return self.root / absolute.lstrip("/")

    def read(self, absolute: str) -> str | None:
        return read(self.path(absolute))

    def write_attribute(self, absolute: str, text: str) -> None:
        """Tell a driver something; OSError is its refusal."""
        self.path(absolute).write_text(text, encoding="ascii")

    def ioctl(self, absolute: str, request: int, argument: bytearray) -> int:
        """Ask a device for something; the argument is changed in place. OSError is the kernel's refusal."""
        descriptor = os.open(self.path(absolute), os.O_RDWR | os.O_CLOEXEC)
        try:
            answer: int = fcntl.ioctl(descriptor, request, argument, True)
            return answer
        finally:
            os.close(descriptor)

    def settle(self) -> None:
        """Wait for udev: its rules start drivers' mdevs and make device nodes."""
        # What matters of it is checked by whoever needs it, so events of others may take longer.
        with contextlib.suppress(CommandError):
            self.runner.run(["udevadm", "settle", "--timeout=120"])

    def put_udev_rule(self, absolute: str, text: str | None) -> None:
        """Have this file of rules with this text, or with None not at all."""
        path = self.path(absolute)
        if text is None:
            path.unlink(missing_ok=True)
        elif self.read(absolute) != text.strip():
            write_atomically(path, text)
        self.runner.run(["udevadm", "control", "--reload"])


def read(path: Path) -> str | None:
    """Stripped text of a file, None if it is not there or not readable (sysfs attributes may answer with an error)."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def read_int(path: Path) -> int | None:
    text = read(path)
    try:
        return int(text, 0) if text else None
    except ValueError:
        return None


def link_name(path: Path) -> str:
    """Last component of what a symbolic link points to, empty if there is no link."""
    try:
        return path.readlink().name
    except OSError:
        return ""


def entries(directory: Path) -> list[Path]:
    """Sorted content of a directory, empty if it is not there."""
    try:
        return sorted(directory.iterdir())
    except OSError:
        return []


def write_atomically(path: Path, text: str) -> None:
    """Replace a configuration file so that a crash leaves the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Of one name, so that what a killed run leaves is no more once another has written the file.
    temporary = path.with_name(f".{path.name}.new")
    with _sole_writer(temporary) as stream:
        try:
            stream.truncate(0)
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise


@contextlib.contextmanager
def _sole_writer(path: Path) -> Iterator[TextIO]:
    """A lock is on a file, not on its name: whoever waited for it may have the file that was renamed meanwhile."""
    while True:
        with path.open("a", encoding="utf-8") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            if _is_named(stream, path):
                yield stream
                return


def _is_named(stream: TextIO, path: Path) -> bool:
    """One look: the name may come and go between two."""
    try:
        return os.path.samestat(path.stat(), os.fstat(stream.fileno()))
    except FileNotFoundError:
        return False


def wait_until(condition: Callable[[], bool], seconds: float, interval: float = 0.1) -> bool:
    """Whether the condition came true before the deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(interval)
    return True
