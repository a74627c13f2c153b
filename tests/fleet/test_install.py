# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection as Galaxy would deliver it does what the checkout does."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from fleet import PROJECT, Ansible, changed

COLLECTION = PROJECT / "collections/ansible_collections/lightiov/nvme"


@pytest.mark.slow
def test_installed_collection_finds_nothing_to_do(ansible: Ansible, tmp_path: Path) -> None:
    galaxy = ["ansible-galaxy", "collection"]
    subprocess.run([*galaxy, "build", "--output-path", tmp_path, COLLECTION], check=True, capture_output=True)
    [archive] = tmp_path.glob("lightiov-nvme-*.tar.gz")
    target = tmp_path / "collections"
    subprocess.run([*galaxy, "install", "--no-deps", "-p", target, archive], check=True, capture_output=True)
    assert (target / "ansible_collections/lightiov/nvme/native/host/Kbuild").is_file()

    # Nothing of the checkout but its inventory.
    (tmp_path / "ansible.cfg").write_text(f"[defaults]\ncollections_path = {target}\n")
    run = ansible.playbook("lightiov.nvme.deploy", "-i", str(PROJECT / "inventories/lab"), cwd=tmp_path)
    assert run.returncode == 0, run.stdout[-4000:]
    assert set(changed(run).values()) == {0}, run.stdout[-4000:]
