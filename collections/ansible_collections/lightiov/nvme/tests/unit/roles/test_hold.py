# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps the stock driver off LightIOV's controllers at boot, on a host made of files."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "roles/native/files/hold.sh"
KERNEL = "6.12.57+deb13-amd64"
INITRAMFS = f"/boot/initrd.img-{KERNEL}"
OURS, THEIRS, OTHER = "0000:01:00.0", "0000:02:00.0", "0000:03:00.0"
# An initramfs is a list of names; the hook that is installed decides on them, as in initramfs-tools.
UPDATE = """#!/bin/sh
mkdir -p "$DESTDIR/initramfs"
rm -rf "$DESTDIR"/initramfs/*
hook=$DESTDIR/etc/initramfs-tools/hooks/lightiov-hold
if [ -e "$hook" ]; then
    sed "s,/etc/,$DESTDIR&,g; s,/usr/share/initramfs-tools/hook-functions,$DESTDIR/functions," "$hook" |
        sed "s,cat /usr,cat $DESTDIR/usr,; s,DESTDIR$DESTDIR,DESTDIR,g" >"$DESTDIR/hook"
    (root=$DESTDIR; export DESTDIR=$root/initramfs; export root; sh "$root/hook")
fi
{ cat "$DESTDIR/modules"; cd "$DESTDIR/initramfs"; find * || true; } >"$DESTDIR/boot/initrd.img-$3" 2>/dev/null
"""
FUNCTIONS = 'copy_file() { copy=${2#"$root"}; mkdir -p "$DESTDIR/${copy%/*}"; : >"$DESTDIR/$copy"; }\n'


class Machine:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.write("/bin/lsinitramfs", '#!/bin/sh\necho >>"$DESTDIR/listed"\ncat "$1"\n').chmod(0o755)
        self.write("/bin/update-initramfs", UPDATE).chmod(0o755)
        self.write("/bin/sync", '#!/bin/sh\nrealpath "$@" >>"$DESTDIR/synced"\n').chmod(0o755)
        self.write("/functions", FUNCTIONS)
        self.path(f"/lib/modules/{KERNEL}").mkdir(parents=True)
        self.write("/modules", "usr/lib/modules/6/kernel/drivers/nvme/host/nvme.ko.xz\n")
        self.write(INITRAMFS, self.read("/modules"))
        for address, driver in ((OURS, "lightiov"), (THEIRS, "vfio-pci")):
            self.write(f"/etc/driverctl.d/pci-{address}", f"{driver}\n")
        for address in (OURS, THEIRS, OTHER):
            self.write(f"/sys/bus/pci/devices/{address}/driver_override", "(null)\n")
        self.write("/proc/cmdline", "root=/dev/vda quiet\n")

    def path(self, absolute: str) -> Path:
        return self.root / absolute.lstrip("/")

    def write(self, absolute: str, text: str) -> Path:
        path = self.path(absolute)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def read(self, absolute: str) -> str:
        return self.path(absolute).read_text(encoding="utf-8")

    def run(self, *arguments: str) -> list[str]:
        environment = {"PATH": f"{self.path('/bin')}:{os.defpath}", "DESTDIR": str(self.root)}
        done = subprocess.run(["sh", SCRIPT, *arguments], env=environment, capture_output=True, text=True, check=True)
        return done.stdout.split()

    def load_nvme(self) -> dict[str, str]:
        """Overrides after what modprobe does before it loads nvme."""
        hold = self.read("/usr/local/lib/lightiov/hold-controllers")
        for directory in ("/etc", "/sys", "/proc"):
            hold = hold.replace(f"{directory}/", f"{self.root}{directory}/")
        subprocess.run(["sh", "-c", hold], check=True)
        return {one: self.read(f"/sys/bus/pci/devices/{one}/driver_override").strip() for one in (OURS, THEIRS, OTHER)}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_only_controllers_of_lightiov_are_held(machine: Machine) -> None:
    machine.run("present")
    assert machine.load_nvme() == {OURS: "lightiov", THEIRS: "(null)", OTHER: "(null)"}


def test_a_host_that_does_not_find_its_root_can_be_booted(machine: Machine) -> None:
    machine.run("present")
    machine.write("/proc/cmdline", "root=/dev/vda lightiov.hold=off\n")
    assert machine.load_nvme()[OURS] == "(null)"


def test_a_controller_that_is_not_there_is_no_error(machine: Machine) -> None:
    machine.run("present")
    machine.write("/etc/driverctl.d/pci-0000:09:00.0", "lightiov\n")
    assert machine.load_nvme()[OURS] == "lightiov"


def test_the_initramfs_has_it_too_and_follows_the_controllers(machine: Machine) -> None:
    assert INITRAMFS in machine.run("present", "check")
    assert INITRAMFS in machine.run("present")
    assert f"etc/driverctl.d/pci-{OURS}\n" in machine.read(INITRAMFS)
    assert THEIRS not in machine.read(INITRAMFS)
    assert machine.run("present") == []

    machine.write(f"/etc/driverctl.d/pci-{OTHER}", "lightiov\n")
    assert machine.run("present", "check") == [INITRAMFS]
    assert OTHER not in machine.read(INITRAMFS)
    assert machine.run("present") == [INITRAMFS]
    assert OTHER in machine.read(INITRAMFS)

    # One that an earlier version of it wrote.
    machine.write("/usr/local/lib/lightiov/hold-controllers", "#!/bin/sh\n")
    assert machine.run("present") == ["/usr/local/lib/lightiov/hold-controllers", INITRAMFS]


def test_a_power_cut_leaves_no_empty_file(machine: Machine) -> None:
    installed = machine.run("present")
    synced = [Path(line).relative_to(machine.root) for line in machine.read("/synced").splitlines()]
    assert [f"/{path}".removesuffix(".new") for path in synced] == installed
    assert installed.pop() == INITRAMFS


def test_an_initramfs_is_unpacked_again_when_it_is_another(machine: Machine) -> None:
    machine.run("present")  # which writes it
    assert [machine.run("present"), machine.run("present")] == [[], []]
    assert len(machine.read("/listed")) == 2
    machine.write(INITRAMFS, machine.read("/modules"))
    assert machine.run("present") == [INITRAMFS]
    assert machine.run("present") == []
    assert len(machine.read("/listed")) == 4


def test_an_initramfs_without_the_stock_driver_is_left_alone(machine: Machine) -> None:
    machine.write(INITRAMFS, "usr/lib/modules/6/kernel/drivers/block/virtio_blk.ko.xz\n")
    assert INITRAMFS not in machine.run("present")


def test_check_mode_changes_nothing(machine: Machine) -> None:
    before = sorted(machine.root.rglob("*"))
    assert len(machine.run("present", "check")) == 5
    machine.path("/listed").unlink()
    assert sorted(machine.root.rglob("*")) == before


def test_nothing_is_left_of_it(machine: Machine) -> None:
    installed = machine.run("present")
    assert machine.run("absent") == installed
    assert not [one for one in installed if machine.path(one).exists() and one != INITRAMFS]
    assert "lightiov" not in machine.read(INITRAMFS)
    assert not list(machine.path("/run").rglob("initramfs"))
    assert machine.run("absent") == []
