# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible_collections.lightiov.nvme.plugins.action.placements import ActionModule
from fleets import described, host, vm

OF_BEFORE = "take the file of before from version control"


def act(directory: Path) -> dict[str, Any]:
    hosts = described({"hv1": {**host("hv1"), "placed": []}}, [vm("vm1")])
    arguments = {"hosts": hosts, "directory": str(directory)}
    task = SimpleNamespace(args=arguments, async_val=0, check_mode=False, diff=False)
    connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=str(directory)))
    return ActionModule(task, connection, SimpleNamespace(), DataLoader(), None, None).run(task_vars={})


def test_file_is_written_once(tmp_path: Path) -> None:
    assert (act(tmp_path)["changed"], act(tmp_path)["changed"]) == (True, False)
    assert [one["name"] for one in yaml.safe_load((tmp_path / "hv1.yml").read_text())["lightiov_vms"]] == ["vm1"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("- vm1\n", f"is not a file of placements: {OF_BEFORE}"),
        ("vm1\n", f"is not a file of placements: {OF_BEFORE}"),
        # What two operators' merge has left; the parser's own words differ by version.
        ("<<<<<<< HEAD\na: [\n", rf"cannot be read as YAML \(.+\): correct it, or {OF_BEFORE}"),
    ],
)
def test_file_that_is_none_of_placements_is_left_as_it_is(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "hv1.yml"
    path.write_text(text)
    result = act(tmp_path)
    assert result["failed"] and path.read_text() == text
    assert re.fullmatch(f"{re.escape(str(path))} {sentence}", result["msg"])
