# SPDX-License-Identifier: GPL-3.0-or-later
"""What role partition refuses before it asks a host, and where it reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playing import play

PLAN = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.import_role: {name: lightiov.nvme.partition, tasks_from: %s}
"""
SHOW = """
    - ansible.builtin.debug: {msg: "{{ lightiov_generation }}"}
"""


@pytest.mark.parametrize("tasks", ["main", "ask"])
@pytest.mark.parametrize("variables", [{}, {"lightiov_vms": None}])
def test_missing_list_is_refused(tmp_path: Path, tasks: str, variables: dict[str, Any]) -> None:
    last = play(tmp_path, PLAN % tasks, **variables)[-1]
    assert last["failed"]
    assert last["msg"].startswith("hv1 has no lightiov_vms, and is not planned as a host without VMs: ")


def test_placements_may_be_below_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/hv1.yml").write_text("lightiov_generation: 7\n")
    last = play(tmp_path, PLAN % "read" + SHOW, lightiov_placements="~/mine")[-1]
    assert last["msg"] == 7
