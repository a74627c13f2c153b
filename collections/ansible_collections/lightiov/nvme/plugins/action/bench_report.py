# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action of lightiov.nvme.bench_report: from results to a report, where Ansible runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.lightiov.nvme.plugins.module_utils._bench import plots, report
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.goals import goals
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError, sentence


class ActionModule(ActionBase):  # type: ignore[misc]
    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, options = self.validate_argument_spec(argument_spec={"directory": {"type": "path", "required": True}})
        directory = Path(options["directory"])
        try:
            summary = report.summary_of(directory)
            if not self._task.check_mode:
                report.write(directory, summary)
                if plots.possible():
                    plots.draw(directory, summary)
        except (LightiovError, OSError) as error:
            return {**result, "failed": True, "msg": sentence(error)}
        found = goals(summary)
        lines = [f"{one.number:2} {one.verdict:19} {one.text}" for one in found]
        lines.append(f"Report: {directory / report.REPORT}")
        if not plots.possible():
            lines.append("It has no plots: install matplotlib for Ansible's Python, and run the playbook again.")
        return {**result, "changed": True, "goals": [one.to_dict() for one in found], "lines": lines}
