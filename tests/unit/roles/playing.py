# SPDX-License-Identifier: GPL-3.0-or-later
"""A playbook on this machine, as ansible-playbook runs it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.paths import PROJECT


def play(directory: Path, playbook: str, verbosity: int = 0, **variables: Any) -> list[dict[str, Any]]:
    """What the tasks of the last play gave on hv1, which has these variables."""
    return play_on(directory, playbook, {"hv1": variables}, verbosity)["hv1"]


def play_on(
    directory: Path, playbook: str, hosts: Mapping[str, Mapping[str, Any]], verbosity: int = 0
) -> dict[str, list[dict[str, Any]]]:
    """What the tasks of the last play gave on each host, of its variables: a run for many cases, each a host."""
    (directory / "play.yml").write_text(playbook)
    listed = {name: {"ansible_connection": "local", **variables} for name, variables in hosts.items()}
    (directory / "hosts.json").write_text(json.dumps({"all": {"hosts": listed}}))
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
    tasks = found["plays"][-1]["tasks"]
    return {name: [task["hosts"][name] for task in tasks if name in task["hosts"]] for name in hosts}
