# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole visit: a hypervisor made of files, fio that is a script, and in the place of a VM a shell of this machine."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils._bench import drive, initramfs, label, shared, visit
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.contenders import CONTENDERS
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.machine import Local, Shape
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.order import Order
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.plan import Visit
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.summary import summarise
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.workloads import WORKLOADS
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from bench_host import ADDRESS, BenchHost, hypervisor
from bench_results import SETTINGS
from fake_host import KERNEL, FakeHost

FIO = """#!/bin/sh
case "$*" in *--name=fill*) exit;; esac
for argument; do case $argument in --exec_prerun=*) sh -c "${argument#--exec_prerun=}";; esac; done
trap : TERM
sleep 5 &
wait $!
echo '{
"jobs": [{"error": 0, "read": {"iops": 1000.0, "bw_bytes": 4096000, "total_ios": 4000, "lat_ns": {"mean": 900000.0,
"percentile": {"50.000000": 800000, "99.000000": 2000000}}}, "write": {"iops": 0, "bw_bytes": 0, "total_ios": 0}}]
}'
"""
REAL = ("sh", "cat", "rm", "sleep", "mkdir", "head", "mount", "wc", "echo")


class ShellVM(Local):
    """Its disk is a file that has the label."""

    pid = 4711
    threads = (4711, 4712)

    def __init__(self, host: BenchHost, command: list[str], number: int = 0) -> None:
        super().__init__(host)
        self.command = command
        self.root = root = host.path(f"/vm{number}")
        self.files, self.devices, self.sysfs_block = (str(root / name) for name in ("run", "dev", "block"))
        for name in ("run", "dev", "block/vda/vda1", "block/nvme0n1/nvme0n1p1"):
            (root / name).mkdir(parents=True)
        for disk in ("vda", "nvme0n1"):
            (root / "dev" / disk).write_bytes(label.first_block(1 << 28, 512, True))
            (root / "block" / disk / "nsid").write_text("1\n")
        (root / "block/vda/vda1/partition").touch()
        (root / "block/vda/cache_type").write_text("write through\n")
        (root / "block/nvme0n1/nvme0n1p1/partition").touch()

    def wait(self) -> None:
        pass

    def ask(self, command: str) -> None:
        self.run(command)

    def answer(self, command: str, timeout: float = 0) -> str:
        return ""

    def stop(self) -> None:
        shutil.rmtree(self.root)


@pytest.fixture
def host(fake: FakeHost, monkeypatch: pytest.MonkeyPatch) -> BenchHost:
    made = hypervisor(fake)
    monkeypatch.setattr(visit, "VM", ShellVM)
    monkeypatch.setattr(visit, "RAMP_SECONDS", 0.1)
    monkeypatch.setattr(visit, "TRACE_SECONDS", 0.05)
    tools = {
        "fio": FIO,
        "qemu-system-x86_64": "#!/bin/sh\necho 'QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)'\n",
        "ldd": "#!/bin/sh\necho '\tstatically linked'\n",
        "insmod": "#!/bin/sh\n",
    }
    for name in REAL:
        (fake.bin / name).symlink_to(shutil.which(name) or "/bin/false")
    for name, text in tools.items():
        (fake.bin / name).unlink(missing_ok=True)
        (fake.bin / name).write_text(text)
        (fake.bin / name).chmod(0o755)
    fake.write(f"/boot/vmlinuz-{KERNEL}", "")
    fake.write("/proc/stat", "cpu  1000 50 300 4000 200 30 20 100 400 40\n")
    fake.write("/proc/interrupts", "           CPU0       CPU1\n 27:       1867          0  PCI-MSIX  nvme0q1\n")
    fake.write("/proc/cpuinfo", "processor\t: 0\nmodel name\t: QEMU TCG CPU version 2.5+\nprocessor\t: 1\n")
    fake.write("/proc/sys/kernel/random/boot_id", "b8c6\n")
    for name, value in (("exits", 100), ("mmio_exits", 3)):
        fake.write(f"/sys/kernel/debug/kvm/4711-12/{name}", f"{value}\n")
    return made


def order(contender: str, **changes: Any) -> Order:
    given = {
        "serial": "S1",
        "nsid": 1,
        "size": 1 << 28,
        "contender": contender,
        "workloads": ("randread-qd1", "rocksdb"),
        "seconds": 0.1,
        "shape": Shape(2, 512, ""),
        "packages": "",
        "version": "",
    }
    return Order(**{**given, **changes})


@pytest.mark.parametrize("contender", ["host", "vfio", "virtio-blk"])
def test_a_visit(host: BenchHost, fake: FakeHost, contender: str) -> None:
    found = visit.visit(host, order(contender))
    assert found["contender"] == contender and found["boot_id"] == "b8c6"
    assert found["host"] == {
        "kernel": KERNEL,
        "cpu": "2 x QEMU TCG CPU version 2.5+",
        "qemu": "10.0",
        "emulated": "yes",
        "drive": "QEMU NVMe Ctrl",
    }
    assert found["missing"] == {"rocksdb": ["db_bench", "mkfs.ext4", "umount"]}
    [measured] = found["measurements"].values()
    assert measured["iops"] == 1000 and measured["per_io"]["outside_us"] == 0
    assert len(measured["control"]) == 2
    assert ("exits" in measured["per_io"]) == CONTENDERS[contender].virtual
    # Everything is as before.
    assert fake.driver(ADDRESS) == "nvme" and not fake.path(drive.TAKEN).exists()
    # The summary takes it as it is.
    assert (
        summarise(SETTINGS, {Visit(0, contender): found})["figures"]["randread-qd1"][contender]["iops"]["median"]
        == 1000
    )


def test_a_visit_of_several_vms(host: BenchHost, fake: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "VM", ShellVM)
    monkeypatch.setattr(shared, "APART_SECONDS", 0)
    monkeypatch.setattr(shared, "RAMP_SECONDS", 0.1)
    found = visit.visit(host, order("virtio-blk", vms=3, workloads=("randread-qd1",)))
    assert found["shared"].keys() == {"randread-qd1"}
    measured = found["shared"]["randread-qd1"]
    assert (measured["iops"], measured["fairness"], measured["p99_us"]) == (3000, 1, 2000)
    assert fake.driver(ADDRESS) == "nvme"
    scale = summarise(
        SETTINGS, {Visit(0, "vms-03-virtio-blk"): found, Visit(0, "host"): visit.visit(host, order("host"))}
    )
    assert scale["scale"]["randread-qd1"]["virtio-blk"]["3"]["mean_us"]["median"] == 900


def test_what_cannot_poll_is_not_measured_as_polled(host: BenchHost) -> None:
    assert [one.name for one in WORKLOADS.values() if not one.polls] == ["fsync", "rocksdb", "sysbench"]
    found = visit.visit(host, order("vfio-polled", workloads=("randread-qd1", "fsync", "rocksdb")))
    assert found["measurements"].keys() == {"randread-qd1"} and not found["missing"]


@pytest.mark.parametrize("vms", [0, 2])
def test_a_vm_flushes_the_daemon_that_says_it_has_no_cache(
    host: BenchHost, monkeypatch: pytest.MonkeyPatch, vms: int
) -> None:
    contender = CONTENDERS["vhost-user"]
    adjusted: list[Path] = []

    class Adjusted(ShellVM):
        def run(self, command: str, timeout: float = 0) -> str:
            said = super().run(command.replace("/sys/block", self.sysfs_block))
            if command == contender.adjustment:
                adjusted.append(Path(self.sysfs_block) / "vda/cache_type")
                assert adjusted[-1].read_text() == "write back\n"
            return said

    monkeypatch.setattr(type(contender), "set_up", lambda *_: None)
    for module in (visit, shared):
        monkeypatch.setattr(module, "VM", Adjusted)
    monkeypatch.setattr(shared, "RAMP_SECONDS", 0.1)
    monkeypatch.setattr(shared, "APART_SECONDS", 0)
    visit.visit(host, order("vhost-user", vms=vms, workloads=("randread-qd1",)))
    assert len(adjusted) == max(vms, 1)


def test_workload_without_the_room_is_refused_before_anything_is_set_up(host: BenchHost, fake: FakeHost) -> None:
    """Of 256 MiB two VMs get what RocksDB needs, three do not."""
    with pytest.raises(drive.Refusal, match=r"Workload rocksdb needs 384 MiB for 3 VMs, and .* of controller S1 are"):
        visit.visit(host, order("virtio-blk", vms=3, workloads=("randread-qd1", "rocksdb")))
    with pytest.raises(drive.Refusal, match="too few for 257 shares"):
        visit.visit(host, order("virtio-blk", vms=257, workloads=("randread-qd1",)))
    assert not [call for call in fake.log() if call.startswith("fio")]
    assert fake.driver(ADDRESS) == "nvme" and not fake.path(drive.TAKEN).exists()


# Of what does it right, and of what does not: an end with an error, and one that comes while it is counted.
WRONG = {"error": ("0,", "5,", "fio ended with error 5"), "early": ("wait $!", "", "ended before all was counted")}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("contender", ["host", "virtio-blk"])
def test_a_workload_that_fails_takes_no_others_with_it(
    host: BenchHost, fake: FakeHost, contender: str, wrong: str
) -> None:
    right, other, sentence = WRONG[wrong]
    broken = fake.bin / "broken-fio"
    broken.write_text(FIO.replace(right, other, 1))
    broken.chmod(0o755)
    fio = FIO.replace("trap", f'case "$*" in *--iodepth=8*) exec {broken} "$@";; esac\ntrap')
    (fake.bin / "fio").write_text(fio)
    found = visit.visit(host, order(contender, workloads=("randread-qd1", "randread-qd8", "randread-qd32")))
    assert found["measurements"].keys() == {"randread-qd1", "randread-qd32"}
    assert sentence in found["failures"]["randread-qd8"]
    summary = summarise(SETTINGS, {Visit(0, contender): found})
    assert list(summary["failed"]) == [f"{contender}, randread-qd8"]


def test_a_visit_that_fails_gives_the_drive_back(host: BenchHost, fake: FakeHost) -> None:
    (fake.bin / "fio").write_text(FIO.replace('"error": 0', '"error": 5'))
    with pytest.raises(LightiovError, match="fio ended with error 5"):
        visit.visit(host, order("vfio"))
    assert fake.driver(ADDRESS) == "nvme" and not fake.path("/vm0").exists()
    # Another may follow.
    (fake.bin / "fio").write_text(FIO)
    assert "measurements" in visit.visit(host, order("vfio"))


def test_what_cannot_be_measured_says_why(host: BenchHost, fake: FakeHost) -> None:
    found = visit.visit(host, order("lightiov-polled"))
    assert found["unavailable"] == "The guest driver has no poll queues."
    assert fake.driver(ADDRESS) == "nvme"


def test_package_that_is_not_there(host: BenchHost) -> None:
    with pytest.raises(LightiovError, match=r"role native of lightiov\.nvme builds it"):
        visit.visit(host, order("lightiov", packages="/usr/local/src/lightiov", version="0.1.0"))


def test_programs_that_vms_need(host: BenchHost, fake: FakeHost) -> None:
    assert set(initramfs.PROGRAMS) <= {*REAL, "fio", "insmod"}
    (fake.bin / "insmod").unlink()
    with pytest.raises(LightiovError, match="insmod is not installed"):
        visit.visit(host, order("vfio"))
