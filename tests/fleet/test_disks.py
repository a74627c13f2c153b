# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of a namespace as disks: they keep to their place, and come, grow and go in VMs that run."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from fleet import VM, Ansible

MIB = 1 << 20
MEDIA = "LIOV1A-3.raw"  # of the namespace with the parts
A_MINUTE = ("--name=pattern", "--rw=randwrite", "--bs=8k", "--iodepth=8", "--size=64m", "--time_based", "--runtime=60",
            "--verify=pattern", "--verify_fatal=1", "--verify_backlog=256")  # fmt: skip
FIO = ("--name=part", "--rw=randwrite", "--bs=8k", "--iodepth=8", "--size=64m", "--verify=crc32c", "--verify_fatal=1")


@dataclass(frozen=True)
class Listing:
    """The lab's inventory, in which tests change what host1 has."""

    ansible: Ansible
    directory: Path

    @property
    def file(self) -> Path:
        return self.directory / "host_vars/host1.yml"

    def deploy(self, *options: str) -> str:
        tags = ("--limit", "host1", "--tags", "mdev,vm")
        run = self.ansible.playbook("playbooks/deploy.yml", "-i", str(self.directory), *tags, *options)
        assert run.returncode == 0, run.stdout[-4000:]
        return run.stdout

    def with_disk(self, vm: VM, size: str | None) -> None:
        """Have a disk `more` on namespace 3 in the list of a VM's disks, of this size, or not."""
        content = yaml.safe_load(self.file.read_text())
        [listed] = [one for one in content["lightiov_vms"] if one["name"] == vm.name]
        listed["disks"] = [disk for disk in listed["disks"] if disk["name"] != "more"]
        if size:
            listed["disks"].append({"name": "more", "controller": "LIOV1A", "namespace": 3, "size": size})
        self.file.write_text(yaml.safe_dump(content))


@pytest.fixture
def listing(ansible: Ansible, inventory: Path) -> Iterator[Listing]:
    """At the end host1 is as the lab's inventory says."""
    found = Listing(ansible, inventory)
    before = found.file.read_text()
    yield found
    found.file.write_text(before)
    found.deploy()


def extent(vm: VM, name: str) -> list[str]:
    """SLOT ID NSID IDENTITY FIRST COUNT FLAGS NAME of one of a VM's disks."""
    lines = vm.host.run(f"cat {vm.mdev}/extents").stdout.splitlines()
    [words] = [line.split() for line in lines if line.split()[-1] == name]
    return words


def path(vm: VM, name: str) -> str:
    return f"/dev/disk/by-id/lightiov-uuid.{extent(vm, name)[1]}"


def size(vm: VM, name: str) -> int:
    return int(vm.remote.run(f"blockdev --getsize64 {path(vm, name)}").stdout)


def test_a_vm_with_two_disks_pins_its_memory_once(vm1: VM) -> None:
    assert size(vm1, "scratch") == 320 * MIB
    memory = int(vm1.host.run(f"virsh dominfo {vm1.name} | awk '/Max memory/ {{print $3}}'").stdout) << 10
    assert memory // 2 < vm1.statistics["pinned_bytes"] <= memory


def patterns(media: Path, patterns: bytes) -> dict[int, set[int]]:
    """The MiB of a drive's media in which a page is one byte over and over, by that byte."""
    found: dict[int, set[int]] = {pattern: set() for pattern in patterns}
    pages = {bytes([pattern]) * 4096: pattern for pattern in patterns}
    with media.open("rb") as handle:
        for mib, piece in enumerate(iter(lambda: handle.read(MIB), b"")):
            for page in pages.keys() & {piece[at : at + 4096] for at in range(0, len(piece), 4096)}:
                found[pages[page]].add(mib)
    return found


@pytest.mark.slow
def test_each_vm_writes_to_its_part_only(listing: Listing, vm1: VM, vm2: VM) -> None:
    """What two VMs wrote at once for a minute, as it is on the drive's media, not as anybody's driver reads it."""
    listing.with_disk(vm2, "320 MiB")
    listing.deploy()
    vm2.remote.run(f"timeout 60 sh -c 'until test -e {path(vm2, 'more')}; do sleep 1; done'")
    parts = {0xA5: (vm1, "scratch"), 0x3C: (vm2, "more")}

    def write(pattern: int) -> None:
        vm, name = parts[pattern]
        vm.fio(*A_MINUTE, f"--verify_pattern={pattern:#x}", f"--filename={path(vm, name)}")

    with ThreadPoolExecutor() as pool:
        list(pool.map(write, parts))
    found = patterns(vm1.host.directory / MEDIA, bytes(parts))
    for pattern, (vm, name) in parts.items():
        first, count = (int(word) * 512 // MIB for word in extent(vm, name)[4:6])
        assert found[pattern], f"{vm.name} wrote nothing"
        assert found[pattern] <= set(range(first, first + count)), f"{vm.name} wrote beside its part"


@pytest.mark.slow
def test_a_part_comes_grows_and_goes(listing: Listing, vm1: VM, vm2: VM) -> None:
    vm2.remote.wait()
    listing.with_disk(vm2, "100 MiB")
    with vm1.verified_load(), vm2.verified_load():
        listing.deploy()
        vm2.remote.run(f"timeout 60 sh -c 'until test -e {path(vm2, 'more')}; do sleep 1; done'")
        assert size(vm2, "more") == 100 * MIB
        with ThreadPoolExecutor() as pool:
            parts = [(vm1, path(vm1, "scratch")), (vm2, path(vm2, "more"))]
            list(pool.map(lambda part: part[0].fio(*FIO, f"--filename={part[1]}"), parts))
        listing.with_disk(vm2, "150 MiB")
        identity = extent(vm2, "more")[1]
        listing.deploy()
        assert (size(vm2, "more"), extent(vm2, "more")[1]) == (150 * MIB, identity)

        before = vm2.remote.run(f"sha256sum < {path(vm2, 'more')}").stdout
        gone = path(vm2, "more")
        listing.with_disk(vm2, None)
        listing.deploy()
        assert vm2.remote.run(f"test -e {gone}", check=False).returncode, "the VM still has it"
        # Listed again, it is in its place.
        listing.with_disk(vm2, "150 MiB")
        listing.deploy()
        vm2.remote.run(f"timeout 60 sh -c 'until test -e {gone}; do sleep 1; done'")
        assert vm2.remote.run(f"sha256sum < {gone}").stdout == before


@pytest.mark.slow
def test_one_in_use_stays_without_consent(listing: Listing, ansible: Ansible, vm2: VM) -> None:
    listing.with_disk(vm2, "100 MiB")
    listing.deploy()
    disk = path(vm2, "more")
    vm2.remote.run(f"timeout 60 sh -c 'until test -e {disk}; do sleep 1; done'")
    vm2.remote.run(f"mkfs.ext4 -qF {disk} && mount {disk} /mnt")
    try:
        listing.with_disk(vm2, None)
        options = ("--limit", "host1", "--tags", "mdev,vm", "-e", "{lightiov_allow: [remove]}")
        run = ansible.playbook("playbooks/deploy.yml", "-i", str(listing.directory), *options)
        assert run.returncode != 0
        assert f"Disk more of mdev {vm2.uuid} is still in use in its VM" in run.stdout
        vm2.remote.run("touch /mnt/still-there && sync")
    finally:
        vm2.remote.run(f"umount /mnt && wipefs -qa {disk}")
