# SPDX-License-Identifier: GPL-3.0-or-later
"""A playbook on this machine, as ansible-playbook runs it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[3]


def play(directory: Path, playbook: str, verbosity: int = 0, **variables: Any) -> list[dict[str, Any]]:
    """What the tasks of the last play gave on hv1, which has these variables."""
    (directory / "play.yml").write_text(playbook)
    hosts = {"hv1": {"ansible_connection": "local", **variables}}
    (directory / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts}}))
    played = subprocess.run(
        ["ansible-playbook", "--inventory", directory / "hosts.json", directory / "play.yml"],
        cwd=PROJECT,
        env={**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", "ANSIBLE_VERBOSITY": str(verbosity)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert played.stdout, played.stderr
    # What is said of more verbose runs comes before it.
    found = json.loads(played.stdout[f"\n{played.stdout}".index("\n{") :])
    return [task["hosts"]["hv1"] for task in found["plays"][-1]["tasks"]]
