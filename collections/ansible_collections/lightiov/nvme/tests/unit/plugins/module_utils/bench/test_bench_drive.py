# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drive that is measured: who may lose it, who has it, who gets it back; and how each contender has it."""

from __future__ import annotations

import json
import struct

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils._bench import drive, label
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.contenders import (
    ALL,
    BASELINE,
    CONTENDERS,
    QUICK,
    lightiov,
)
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.contenders.base import WHOLE, Place, Share
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.drive import MIB, Drive, Refusal
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from bench_host import ADDRESS, BenchHost, hypervisor
from fake_host import LBA_BYTES, NAMESPACE_BYTES, FakeHost

DRIVERS = ("nvme", "vfio-pci", "lightiov")


@pytest.fixture
def host(fake: FakeHost) -> BenchHost:
    return hypervisor(fake)


def take(host: Host, serial: str = "S1", nsid: int = 1, mib: int = 256, shares: int = 1) -> Drive:
    return drive.take(host, serial, nsid, mib * MIB, lambda spare: drive.parts(spare, shares))


def first_block(fake: FakeHost) -> bytes:
    with fake.path("/dev/nvme0n1").open("rb") as device:
        return device.read(LBA_BYTES)


def test_a_blank_drive_is_labelled_and_filled_once(host: Host, fake: FakeHost) -> None:
    assert take(host) == Drive(host, ADDRESS, "S1", 1, "QEMU NVMe Ctrl", LBA_BYTES, 256 * MIB)
    assert label.is_filled(first_block(fake), 256 * MIB, LBA_BYTES)
    fills = [call for call in fake.log() if call.startswith("fio")]
    assert len(fills) == 1 and "--filename=/dev/nvme0n1p1" in fills[0]
    take(host)
    assert [call for call in fake.log() if call.startswith("fio")] == fills


def test_udev_has_no_partition_open_while_the_kernel_reads_the_table(host: Host, fake: FakeHost) -> None:
    (fake.bin / "blockdev").write_text(
        f'#!/bin/sh\nflock --nonblock "$2" true && what=free || what=locked\necho $what >> {fake.path("/calls")}\n'
    )
    take(host)
    assert [call for call in fake.log() if call in ("locked", "free")] == ["locked", "locked"]


def test_another_size_is_filled_anew(host: Host, fake: FakeHost) -> None:
    take(host)
    take(host, mib=128)
    assert label.is_filled(first_block(fake), 128 * MIB, LBA_BYTES)
    assert sum(call.startswith("fio") for call in fake.log()) == 2


@pytest.mark.parametrize("at", [0, 12345, drive.ENDS - 1, NAMESPACE_BYTES - 1])
def test_a_drive_with_data_is_refused(host: Host, fake: FakeHost, at: int) -> None:
    with fake.path("/dev/nvme0n1").open("r+b") as device:
        device.seek(at)
        device.write(b"x")
    with pytest.raises(Refusal, match="has data at byte"):
        take(host)
    assert not [call for call in fake.log() if call.startswith(("fio", "blockdev"))]


def test_data_in_the_middle_is_found_if_there_is_some_of_it(host: Host, fake: FakeHost) -> None:
    with fake.path("/dev/nvme0n1").open("r+b") as device:
        device.seek(NAMESPACE_BYTES // 2)
        device.write(b"x" * (16 * MIB))
    with pytest.raises(Refusal, match="has data at byte"):
        take(host)


def test_a_drive_in_use_is_refused(host: Host, fake: FakeHost) -> None:
    fake.write("/proc/self/mountinfo", "29 1 259:1 / /srv rw shared:1 - ext4 /dev/nvme0n1 rw\n")
    with pytest.raises(Refusal, match="mounted on /srv"):
        take(host)
    # Of another namespace, too: the whole controller goes to VMs.
    with pytest.raises(Refusal, match="mounted on /srv"):
        take(host, nsid=2)


def test_a_controller_that_is_lightiovs_is_refused(host: Host, fake: FakeHost) -> None:
    fake.bind(ADDRESS, "lightiov")
    with pytest.raises(Refusal, match="not with the stock driver"):
        take(host)


@pytest.mark.parametrize(("serial", "nsid", "sentence"), [("S2", 1, "serial 'S2'"), ("S1", 7, "no namespace 7")])
def test_what_is_not_there_is_refused(host: Host, serial: str, nsid: int, sentence: str) -> None:
    with pytest.raises(Refusal, match=sentence):
        take(host, serial, nsid)


def test_a_drive_that_is_too_small_is_not_written(host: Host, fake: FakeHost) -> None:
    with pytest.raises(Refusal, match="too few for 257 shares"):
        take(host, shares=257)
    assert not first_block(fake).strip(b"\0")
    assert not fake.path(drive.TAKEN).exists()


@pytest.mark.parametrize("driver", DRIVERS[1:])
def test_a_visit_that_was_cut_short_is_cleaned_up(host: Host, fake: FakeHost, driver: str) -> None:
    take(host).bind(driver)
    assert fake.driver(ADDRESS) == driver
    # No driver but the stock one says which drive it is, and yet it is found.
    take(host)
    assert fake.driver(ADDRESS) == "nvme"
    drive.give_back(host)
    assert not fake.path(drive.TAKEN).exists()


def test_another_benchmark_is_waited_for(host: Host, fake: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drive, "ALONE_SECONDS", 0)
    fake.path(drive.RUN).mkdir(parents=True)
    with drive.alone(host), pytest.raises(Refusal, match="Another benchmark"), drive.alone(host):
        raise AssertionError
    with drive.alone(host):
        pass


@pytest.mark.parametrize("block_size", [512, 4096])
def test_label_is_a_partition_table(block_size: int) -> None:
    block = label.first_block(256 * MIB, block_size, filled=False)
    assert len(block) == block_size and label.is_ours(block) and not label.is_filled(block, 256 * MIB, block_size)
    boot, kind, start, count = struct.unpack("<B3xB3xII", block[446:462])
    assert (boot, kind, start * block_size, count * block_size) == (0, 0x83, MIB, 256 * MIB)
    assert block[510:512] == b"\x55\xaa"
    assert not label.is_ours(bytes(block_size))
    # A drive larger than the table can say has a partition that is.
    assert struct.unpack("<I", label.first_block(4 << 40, 512, filled=True)[458:462]) == (0xFFFFFFFF,)


# Contenders


@pytest.fixture
def place(host: Host) -> Place:
    return Place(host, take(host), vcpus=2, qemu=(10, 0), guest_parameters=frozenset({"poll_queues"}))


def test_contenders_are_told_apart() -> None:
    assert len(CONTENDERS) == len(ALL) == len({one.title for one in ALL})
    assert {BASELINE, *QUICK} <= CONTENDERS.keys()
    assert all(type(one).__doc__ for one in ALL)


@pytest.mark.parametrize("name", [one.name for one in ALL if not one.name.startswith("vhost-user")])
def test_set_up_attach_tear_down(fake: FakeHost, place: Place, name: str) -> None:
    contender = CONTENDERS[name]
    contender.set_up(place)
    assert fake.driver(ADDRESS) == contender.driver
    configuration = contender.configuration(place)
    assert configuration["driver on the host"] == contender.driver
    if contender.virtual:
        assert configuration["QEMU"] == " ".join(contender.attach(place))
    contender.tear_down(place)
    assert fake.driver(ADDRESS) == "nvme"
    # Also of what was set up in part, or not at all.
    contender.tear_down(place)


def devices(arguments: list[str]) -> list[dict[str, object]]:
    return [json.loads(argument) for argument in arguments if argument.startswith("{")]


def test_lightiov_is_an_mdev_with_the_whole_namespace(fake: FakeHost, place: Place) -> None:
    mdev = lightiov.mdev(WHOLE)
    CONTENDERS["lightiov"].set_up(place)
    told = [call for call in fake.log() if " > " in call][-5:]
    assert told == [
        f"{mdev} > create",
        "S1 > serial",
        "bench > tenant",
        "2 > queue_pairs",
        f"id={mdev},nsid=1 > extent",
    ]
    assert devices(CONTENDERS["lightiov"].attach(place))[-1]["sysfsdev"] == f"{lightiov.MDEVS}/{mdev}"
    CONTENDERS["lightiov"].tear_down(place)
    assert not [*fake.path(lightiov.MDEVS).iterdir()]


@pytest.mark.parametrize("name", ["vfio", "lightiov"])
def test_no_port_has_the_name_of_one_of_its_properties(place: Place, name: str) -> None:
    port, passed = devices(CONTENDERS[name].attach(place))
    assert passed["bus"] == port["id"]
    # QEMU refuses a port whose bus is called like one.
    assert port["id"] not in {"slot", "port", "chassis", "addr", "bus", "hotplug"}


def test_polled_lightiov_has_a_queue_pair_more(fake: FakeHost, place: Place) -> None:
    polled = CONTENDERS["lightiov-polled"]
    assert polled.unavailable(place) == ""
    polled.set_up(place)
    assert "3 > queue_pairs" in fake.log()
    place.guest_parameters = frozenset()
    assert "no poll queues" in polled.unavailable(place)


def test_virtqueues_have_threads_where_qemu_can(place: Place) -> None:
    contender = CONTENDERS["virtio-blk"]
    arguments = contender.attach(place)
    assert [one for one in arguments if one.startswith("iothread,")] == ["iothread,id=thread0", "iothread,id=thread1"]
    drive_of, disk = devices(arguments)
    assert disk["iothread-vq-mapping"] == [{"iothread": "thread0"}, {"iothread": "thread1"}]
    assert (drive_of["filename"], drive_of["aio"], drive_of["cache"]) == ("/dev/nvme0n1", "io_uring", {"direct": True})
    place.qemu = (7, 2)
    [_drive, disk] = devices(contender.attach(place))
    assert disk["iothread"] == "thread0" and "iothread-vq-mapping" not in disk
    assert "QEMU 7.2 does not know" in contender.configuration(place)["lacks"]


@pytest.mark.parametrize(
    ("name", "thread"),
    [("virtio-nvme", "iothread,id=thread0"), ("virtio-polled", "iothread,id=thread0,poll-max-ns=1000000000")],
)
def test_user_space_driver_has_one_thread(place: Place, name: str, thread: str) -> None:
    arguments = CONTENDERS[name].attach(place)
    assert [one for one in arguments if one.startswith("iothread,")] == [thread]
    drive_of, disk = devices(arguments)
    assert (drive_of["driver"], drive_of["device"], drive_of["namespace"]) == ("nvme", ADDRESS, 1)
    assert (disk["iothread"], disk["num-queues"]) == ("thread0", 2) and "iothread-vq-mapping" not in disk
    # That it has no more is not for want of a newer QEMU.
    place.qemu = (7, 2)
    assert "lacks" not in CONTENDERS[name].configuration(place)


def test_storage_daemon_has_the_block_device(place: Place) -> None:
    daemon = CONTENDERS["vhost-user"].daemon(place)
    drive_of, export = devices(daemon)
    assert "iothread,id=thread0" in daemon and drive_of["filename"] == "/dev/nvme0n1" and export["num-queues"] == 2
    assert CONTENDERS["vhost-user"].shared_memory


def test_parts_of_a_drive(place: Place) -> None:
    for count in (1, 3, 16):
        found = drive.parts(place.drive, count)
        assert found[0][0] == MIB and len(found) == count and len({size for _first, size in found}) == 1
        assert all(first + size == after for (first, size), (after, _size) in zip(found, found[1:]))
        assert sum(found[-1]) <= MIB + 256 * MIB
    with pytest.raises(LightiovError, match="too few for 257 shares"):
        drive.parts(place.drive, 257)


@pytest.fixture
def shared(place: Place) -> Place:
    place.shares = tuple(Share(number, *part) for number, part in enumerate(drive.parts(place.drive, 2)))
    return place


def test_vms_that_share_by_lightiov_have_an_mdev_each(fake: FakeHost, shared: Place) -> None:
    CONTENDERS["lightiov"].set_up(shared)
    extents = [call.partition(",")[2] for call in fake.log() if call.endswith("> extent")]
    assert extents == ["nsid=1,first=256,count=32768 > extent", "nsid=1,first=33024,count=32768 > extent"]
    paths = {devices(CONTENDERS["lightiov"].attach(shared, share))[-1]["sysfsdev"] for share in shared.shares}
    assert len(paths) == 2 and all(fake.path(str(path)).exists() for path in paths)
    CONTENDERS["lightiov"].tear_down(shared)
    assert not [*fake.path(lightiov.MDEVS).iterdir()]


def test_vms_that_share_by_virtio_have_a_part_of_the_block_device(shared: Place) -> None:
    node = devices(CONTENDERS["virtio-blk"].attach(shared, shared.shares[1]))[0]
    assert (node["driver"], node["offset"], node["size"]) == ("raw", 129 * MIB, 128 * MIB)
    assert node["file"]["filename"] == "/dev/nvme0n1" and node["file"]["locking"] == "off"


def test_vms_that_share_a_daemon_have_an_export_each(shared: Place) -> None:
    contender = CONTENDERS["vhost-user"]
    first, export, second, other = devices(contender.daemon(shared))
    assert [one["file"]["locking"] for one in (first, second)] == ["off", "off"]
    assert (first["node-name"], export["node-name"]) == ("disk0", "disk0")
    # On a node that exports have together they would have one thread.
    assert (export["iothread"], other["iothread"], second["node-name"]) == ("thread0", "thread1", "disk1")
    assert other["addr"]["path"] in " ".join(contender.attach(shared, shared.shares[1]))
    assert export["addr"] != other["addr"] and export["id"] != other["id"]


def test_only_what_can_share_does() -> None:
    assert [one.name for one in ALL if one.sharing] == ["lightiov", "virtio-blk", "vhost-user"]
