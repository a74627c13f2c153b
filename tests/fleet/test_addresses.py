# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs of two hypervisors that have one private address: each command reaches the one that it is for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fleet import VM, Ansible

from lab.paths import PROJECT

SHARED = "192.168.122.11"  # vm1's
# Ansible keeps the connection of the first VM, and must not take it for that of the second.
PLAYBOOK = f"""
- ansible.builtin.import_playbook: {PROJECT}/playbooks/guests.yml

- hosts: vm1:vm3
  gather_facts: false
  tasks:
    - ansible.builtin.command:
        cmd: ls {{{{ ([lightiov_vm] | lightiov.nvme.vm_disks | first).path }}}}
      register: found
      throttle: 1
    - ansible.builtin.debug:
        var: found.stdout
"""


@pytest.fixture
def shared(vm3: VM, inventory: Path) -> Iterator[Path]:
    """The inventory, in which vm3 has vm1's address, and so has vm3 itself."""
    [link] = vm3.remote.run("ip -o -4 addr show to 192.168.122.0/24 | cut -d' ' -f2").stdout.split()
    vm3.remote.run(f"ip addr add {SHARED}/32 dev {link}")
    host2 = inventory / "host_vars/host2.yml"
    host2.write_text(host2.read_text().replace("192.168.122.13", SHARED))
    yield inventory
    vm3.remote.run(f"ip addr del {SHARED}/32 dev {link}")


@pytest.mark.usefixtures("vm1")
def test_one_address_behind_two_hypervisors(ansible: Ansible, shared: Path, tmp_path: Path) -> None:
    playbook = tmp_path / "who.yml"
    playbook.write_text(PLAYBOOK)
    for _ in range(2):  # the second time over connections that are there
        run = ansible.playbook(str(playbook), "-i", str(shared))
        assert run.returncode == 0, run.stdout[-4000:]
        for vm, serial in (("vm1", "LIOV1A"), ("vm3", "LIOV2A")):
            answer = run.stdout.split(f"ok: [{vm}] => {{")[-1].split("}")[0]
            assert f"lightiov-{serial}-ns1" in answer, answer
