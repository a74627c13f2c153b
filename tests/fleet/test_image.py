# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM whose image has the guest driver comes up with its disk, and nobody has entered it."""

from __future__ import annotations

import json

import pytest
from fleet import VM, Ansible

from lab import wait_until

IMAGES = "/var/lib/libvirt/images"
NOBODY_ENTERS = ("--skip-tags", "verify", "-e", "lightiov_guest_install=none")


@pytest.mark.slow
def test_new_vm_boots_with_the_driver(ansible: Ansible, vm3: VM) -> None:
    vm3.remote.disconnect()
    ansible.remove(vm3)
    made = ansible.playbook("playbooks/deploy.yml", *vm3.only, *NOBODY_ENTERS, "-e", "lightiov_image_driver=true")
    assert made.returncode == 0, made.stdout[-4000:]
    wait_until(lambda: vm3.state == "ready", "vm3 to use its queues", 600)

    vm3.remote.wait()
    vm3.fio("--name=new", "--rw=randwrite", "--bs=64k", "--size=4m", "--verify=crc32c", "--verify_fatal=1")
    root = json.loads(vm3.host.run(f"qemu-img info --force-share --output=json {vm3.root_disk}").stdout)
    assert root["backing-filename"].startswith(f"{IMAGES}/lightiov-")
    assert not vm3.host.run(f"ls -A {IMAGES} | grep '[.]new'", check=False).stdout
