# SPDX-License-Identifier: GPL-3.0-or-later
"""The guest driver built in a VM by DKMS, for VMs that follow their own distribution's kernels."""

from __future__ import annotations

import subprocess

import pytest
from fleet import VM, Ansible, changed

TOOLS = "dkms gcc libc6-dev make linux-headers-$(uname -r)"
DISK = "/dev/disk/by-id/lightiov-LIOV2A-ns1"


def install_tools(vm: VM) -> None:
    """What users' VMs get from a mirror, which the lab's cannot reach, this one gets from its hypervisor."""
    depends = "apt-cache depends --recurse --installed --no-suggests --no-recommends --no-conflicts --no-breaks"
    packages = vm.host.run(f"{depends} --no-replaces --no-enhances {TOOLS} | grep '^[a-z]'").stdout.split()
    missing = set(packages) - set(vm.remote.run("dpkg-query --show --showformat '${Package}\\n'").stdout.split())
    pack = f"dpkg -L {' '.join(sorted(missing))} | sort -u | tar cz --no-recursion --ignore-failed-read --files-from -"
    with subprocess.Popen(
        [*vm.host.ssh_command(), "--", pack], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as packing:
        subprocess.run([*vm.remote.ssh_command(), "--", "tar xz -C /"], stdin=packing.stdout, check=True)


@pytest.mark.slow
def test_built_in_the_vm(vm3: VM, ansible: Ansible) -> None:
    by_dkms = ("playbooks/deploy.yml", *vm3.only, "-e", "lightiov_guest_install=dkms")
    install_tools(vm3)
    vm3.remote.run("rmmod lightiov_guest && dpkg --purge lightiov-guest-$(uname -r)", timeout=600)
    assert vm3.remote.run("ls /dev/disk/by-id/lightiov-*", check=False).returncode

    run = ansible.playbook(*by_dkms)
    assert run.returncode == 0, run.stdout[-4000:]
    assert "dkms" in vm3.remote.run("modinfo -n lightiov_guest").stdout
    vm3.fio("--name=built", "--rw=randwrite", "--bs=64k", "--size=4m", "--verify=crc32c", "--verify_fatal=1")

    # Only the initramfs has what it takes to mount this.
    vm3.remote.run(f"mkfs.ext4 -qF {DISK} && mount {DISK} /mnt && cp -ax / /mnt && umount /mnt", timeout=300)
    vm3.remote.run(f"sed -i s,root=[^\\ ]*,root={DISK}, /boot/grub/grub.cfg && sync")
    vm3.restart()
    assert vm3.remote.run("findmnt --noheadings --output SOURCE /").stdout.strip() == DISK
    again = ansible.playbook(*by_dkms)
    assert set(changed(again).values()) == {0}, again.stdout[-4000:]

    # It goes, by consent, and comes back as the others are.
    ansible.remove(vm3)
    assert vm3.name not in vm3.host.run("virsh list --all --name").stdout.split()
    run = ansible.playbook("playbooks/deploy.yml", *vm3.only)
    assert run.returncode == 0, run.stdout[-4000:]
    vm3.remote.run(f"blkdiscard {DISK}")
