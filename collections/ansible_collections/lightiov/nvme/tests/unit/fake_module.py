# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An AnsibleModule that keeps what it is told."""

from __future__ import annotations

from typing import Any


class Ended(Exception):
    """AnsibleModule ends the process; here it raises."""


class FakeModule:
    def __init__(
        self, check_mode: bool = False, diff: bool = False, verbosity: int = 3, returns: list[str] | None = None
    ) -> None:
        self._verbosity = verbosity
        self.params = {"returns": returns}
        self.check_mode = check_mode
        self._diff = diff
        self.result: dict[str, Any] = {}
        self.warnings: list[str] = []
        self.journal: list[str] = []

    def log(self, line: str) -> None:
        self.journal.append(line)

    def warn(self, warning: str) -> None:
        self.warnings.append(warning)

    def exit_json(self, **result: Any) -> None:
        self.result = result

    def fail_json(self, **result: Any) -> None:
        self.result = {"failed": True, **result}
        raise Ended
