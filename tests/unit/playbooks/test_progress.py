# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run of this checkout says of how far it has come."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from lab.paths import PROJECT

PLAY = """
- hosts: all
  gather_facts: false
  tasks:
    - name: Take a while
      ansible.builtin.command: sleep 3
    - name: Be quick
      ansible.builtin.debug:
        msg: quick
"""


def test_one_task_that_takes_a_while(tmp_path: Path) -> None:
    """No event comes of it before its end."""
    (tmp_path / "play.yml").write_text(PLAY)
    (tmp_path / "hosts").write_text(f"hv1 ansible_connection=local ansible_python_interpreter={sys.executable}\n")
    done = subprocess.run(
        ["ansible-playbook", "--inventory", tmp_path / "hosts", tmp_path / "play.yml"],
        cwd=PROJECT, env={**os.environ, "LIGHTIOV_PROGRESS_INTERVAL": "1"}, check=True, capture_output=True, text=True,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    said = [line.partition("] ")[2] for line in done.stderr.splitlines() if line.startswith("[0")]
    assert said[0] == "Take a while: 0 of 1 done, left: hv1"
    assert "Take a while: 1 of 1 done, changes: 1" in said
    assert said[-1].startswith("hv1 took 00:0") and ", of it Take a while 00:0" in said[-1]
    assert not any("Be quick: 1 of 1" in line for line in said), "of what changes nothing, nothing is said"
    assert "left: hv1" not in done.stdout
