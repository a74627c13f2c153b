# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection as Galaxy would deliver it does what the checkout does."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from fleet import Ansible, changed

from lab.paths import COLLECTION, PROJECT


@pytest.mark.slow
def test_installed_collection_finds_nothing_to_do(ansible: Ansible, tmp_path: Path) -> None:
    target = tmp_path / "collections"
    # Here, nothing of the checkout but its inventory is known to Ansible.
    (tmp_path / "ansible.cfg").write_text(f"[defaults]\ncollections_path = {target}\n")

    def galaxy(command: str, *arguments: object) -> None:
        subprocess.run(
            ["ansible-galaxy", "collection", command, *map(str, arguments)],
            cwd=tmp_path, check=True, capture_output=True,
        )  # fmt: skip

    galaxy("build", "--output-path", tmp_path, COLLECTION)
    [archive] = tmp_path.glob("lightiov-nvme-*.tar.gz")
    galaxy("install", "--no-deps", "-p", target, archive)
    assert (target / "ansible_collections/lightiov/nvme/native/host/Kbuild").is_file()

    run = ansible.playbook("lightiov.nvme.deploy", "-i", str(PROJECT / "inventories/lab-pinned"), cwd=tmp_path)
    assert run.returncode == 0, run.stdout[-4000:]
    assert set(changed(run).values()) == {0}, run.stdout[-4000:]
