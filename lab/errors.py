# SPDX-License-Identifier: GPL-3.0-or-later
"""The one exception that users of the lab see."""

from __future__ import annotations

from pathlib import Path


class LabError(Exception):
    """One sentence that names the object, the cause and the remedy; and the log with the details, if there is one."""

    def __init__(self, sentence: str, log: Path | None = None, details: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.log = log
        self.details = details

    def __str__(self) -> str:
        text = self.sentence
        if self.log:
            text += f"\n  log: {self.log}"
        if self.details:
            text += "\n" + self.details.rstrip()
        return text


def tail(log: Path, lines: int = 25) -> str:
    """The end of a log, indented, to stand under an error."""
    try:
        text = log.read_text(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join("  | " + line for line in text.splitlines()[-lines:])
