# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action of lightiov.nvme.placements: plan, and write a file for each host, where Ansible runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError, sentence
from ansible_collections.lightiov.nvme.plugins.module_utils._host import write_atomically
from ansible_collections.lightiov.nvme.plugins.module_utils._partition import fleet

# In the temporary directory of the run, which ends with it.
PLANNED = "lightiov-placements"


class ActionModule(ActionBase):  # type: ignore[misc]
    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, options = self.validate_argument_spec(
            argument_spec={
                "hosts": {"type": "dict"},
                "directory": {"type": "path"},
                "unplaced": {"type": "list", "elements": "dict"},
                "memory_mib": {"type": "int", "default": 512},
                "vcpus": {"type": "int", "default": 2},
                "strategy": {"type": "str", "default": "pack"},
                "reserve": {"type": "int", "default": 0},
                "moves_for": {"type": "list", "elements": "str", "default": []},
                "moves_from": {"type": "list", "elements": "str", "default": []},
            },
            required_one_of=[["hosts", "unplaced"]],
            mutually_exclusive=[["hosts", "unplaced"]],
            required_together=[["hosts", "directory"]],
        )
        if options["unplaced"]:
            # Ansible's exit code for it is 4, and that of what fails is 2: scripts tell them apart.
            return {**result, "unreachable": True, "msg": "\n".join(one["sentence"] for one in options["unplaced"])}
        if options["hosts"] is None:
            return {**result, "changed": False}
        try:
            result.update(self._plan(options))
        except (LightiovError, OSError) as error:
            return {**result, "failed": True, "msg": sentence(error)}
        return result

    def _plan(self, options: Mapping[str, Any]) -> dict[str, Any]:
        directory = Path(options["directory"])
        policy = fleet.Policy(**{one.name: options[one.name] for one in fields(fleet.Policy)})
        paths = {name: directory / f"{name}.yml" for name in options["hosts"]}
        before = {name: _text(path) for name, path in paths.items()}
        hosts = {
            name: {**host, "placements": self._content(paths[name], before[name])}
            for name, host in options["hosts"].items()
        }
        planned = fleet.partition(hosts, policy)
        changed = {name: text for name, text in planned.pop("files").items() if text != before[name]}
        # Not among what is returned: what a task that runs once returns is registered for every host.
        written = Path(constants.DEFAULT_LOCAL_TMP) / PLANNED if self._task.check_mode else directory
        for name, text in changed.items():
            write_atomically(written / paths[name].name, text)
        del planned["placements"]
        result = {"changed": bool(changed), "hosts": sorted(changed), "directory": str(written), **planned}
        if self._task.diff:
            result["diff"] = [
                {
                    "before_header": str(paths[name]),
                    "after_header": str(paths[name]),
                    "before": before[name],
                    "after": text,
                }
                for name, text in sorted(changed.items())
            ]
        return result

    def _content(self, path: Path, text: str) -> dict[str, Any]:
        try:
            content = self._loader.load(text, file_name=str(path)) or {}
        except AnsibleError as error:
            raise LightiovError(
                f"{path} cannot be read as YAML ({' '.join(str(error).split())}): correct it, or take the file of "
                "before from version control"
            ) from None
        if not isinstance(content, dict):
            raise LightiovError(f"{path} is not a file of placements: take the file of before from version control")
        return content


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
