# SPDX-License-Identifier: GPL-3.0-or-later
"""A root disk that lies where a new VM's is to be may hold another's data: it is taken only on the operator's word."""

from __future__ import annotations

from pathlib import Path

import pytest
from fleet import VM, Ansible


@pytest.mark.slow
def test_kept_on_purpose(ansible: Ansible, inventory: Path, vm3: VM) -> None:
    vm3.remote.run("echo vm3 was here > /root/former && sync")
    vm3.remote.disconnect()
    ansible.remove(vm3, keep_root_disk=True)

    refused = ansible.playbook("playbooks/deploy.yml", *vm3.only)
    assert refused.returncode != 0
    assert f"{vm3.root_disk}, exists and may hold a former VM's data" in refused.stdout
    assert "vm3" not in vm3.host.run("virsh list --all --name").stdout

    variables = inventory / "host_vars/host2.yml"
    variables.write_text(variables.read_text().replace("tenant: green", "tenant: green\n    root_keep: true"))
    kept = ansible.playbook("playbooks/deploy.yml", "-i", str(inventory), *vm3.only)
    assert kept.returncode == 0, kept.stdout[-4000:]
    assert vm3.remote.run("cat /root/former").stdout == "vm3 was here\n"
    vm3.remote.run("rm /root/former")
