# SPDX-License-Identifier: GPL-3.0-or-later
"""`--check --diff` says exactly what a run then changes."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from fleet import PROJECT, Ansible, changed

MORE = """
      - name: more
        controller: LIOV2A
        namespace: 2
"""


def changed_tasks(output: str) -> list[tuple[str, str]]:
    """(task, host) of every task that changed something, or would."""
    found, task = set(), ""
    for line in output.splitlines():
        if header := re.match(r"(?:TASK|RUNNING HANDLER) \[(.*)\]", line):
            task = header[1]
        elif change := re.match(r"changed: \[([^\] ]+)", line):
            found.add((task, change[1]))
    return sorted(found)


@pytest.mark.slow
def test_check_predicts_a_larger_and_an_added_disk(ansible: Ansible, tmp_path: Path) -> None:
    inventory = PROJECT / ".lab" / tmp_path.name
    shutil.rmtree(inventory, ignore_errors=True)  # of a run that was interrupted
    shutil.copytree(PROJECT / "inventories/lab", inventory)
    try:
        host_vars = inventory / "host_vars/host2.yml"
        host_vars.write_text(host_vars.read_text().replace("queue_pairs: 2", "queue_pairs: 3") + MORE.lstrip("\n"))
        arguments = ("-i", str(inventory), "--limit", "host2,vm3", "--diff")

        predicted = ansible.playbook("playbooks/deploy.yml", *arguments, "--check")
        assert predicted.returncode == 0, predicted.stdout[-4000:]
        assert "queue_pairs" in predicted.stdout, "the diff does not show the new device"
        done = ansible.playbook("playbooks/deploy.yml", *arguments)
        assert done.returncode == 0, done.stdout[-4000:]
        assert "2 vCPUs use 2 of 3 queue pairs" in done.stdout
        assert changed_tasks(predicted.stdout) == changed_tasks(done.stdout) != []
    finally:
        shutil.rmtree(inventory)

    back = ansible.playbook("playbooks/deploy.yml", "--limit", "host2,vm3")
    assert back.returncode == 0, back.stdout[-4000:]
    assert changed(back)["host2"] > 0
