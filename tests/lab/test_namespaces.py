# SPDX-License-Identifier: GPL-3.0-or-later
"""What owners are told of their controller and namespaces, when they start and while these change."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from passthrough import GIB_BLOCKS, OWNER, PCI, Controller, Mdev, load_module

from lab import Admin, Fault, Host, Kind, Program, wait_until
from lab.fault import RETRY_DELAYS_MS

READ_ONLY, GONE = 1, 2
SLOT = "nvme1"
ENOUGH = "/run/enough-changes"
CNS_NAMESPACE = 0
# Bytes of Identify Namespace; the first format is that of all namespaces of the lab.
FLBAS, NOIOB, NPWG, NOWS, METADATA = 26, 46, 64, 72, 128


def told(mdev: Mdev) -> dict:
    return json.loads(mdev.host.run(f"python3 {OWNER} tell {mdev.uuid}").stdout)


def nvme(host: Host, command: str) -> dict:
    return json.loads(host.run(f"nvme {command} -o json").stdout)


@contextmanager
def another_card(host: Host, **properties: object) -> Iterator[None]:
    """In the place of the second controller, which is put back afterwards."""

    def pull_out() -> None:
        slot = host.slot_address(SLOT)
        host.unplug(SLOT)
        device = f"{PCI}/devices/0000:{secondary(host, slot)}:00.0"
        wait_until(lambda: host.run(f"test -e {device}", check=False).returncode != 0, "an empty slot")

    def put_in(**properties: object) -> None:
        slot = host.slot_address(SLOT)
        host.plug(SLOT, **properties)
        driver = f"{PCI}/devices/0000:{secondary(host, slot)}:00.0/driver"
        wait_until(lambda: host.run(f"test -e {driver}", check=False).returncode == 0, "a driver")

    pull_out()
    put_in(**properties)
    try:
        yield
    finally:
        pull_out()
        put_in()


def secondary(host: Host, slot: str) -> str:
    """The bus behind a slot."""
    return host.run(f"setpci -s {slot} SECONDARY_BUS").stdout.strip()


@pytest.fixture
def sibling(controller: Controller, lockdep_looks_away: None) -> Iterator[str]:
    """Another controller of the same subsystem, with the same namespaces, and the stock driver."""
    host = controller.host
    with another_card(host, subsys="subsys-nvme0", serial=controller.serial):
        find = f"grep -ls '^{controller.serial} *$' /sys/class/nvme/nvme*/serial"
        (path,) = host.run(find).stdout.split()
        yield f"/dev/{path.split('/')[-2]}"


@contextmanager
def watched(mdev: Mdev) -> Iterator[Callable[..., None]]:
    """A function that waits until the first namespaces of the open mdev are said to be so, and then no other yet."""
    host = mdev.host
    host.run(f"rm -f {ENOUGH}")
    watcher = Program(host, f"python3 {OWNER} watch {mdev.uuid} {ENOUGH}")

    def last() -> list[tuple[int, int]]:
        lines = watcher.output().splitlines()
        assert watcher.running(), "\n".join(lines)
        return [(ns["flags"], ns["lba_count"]) for ns in json.loads(lines[-1])] if lines else []

    def expect(*namespaces: tuple[int, int]) -> None:
        wait_until(lambda: last() == list(namespaces), f"namespaces {namespaces} instead of {last()}")

    try:
        yield expect
    finally:
        host.run(f"touch {ENOUGH}")
    assert watcher.wait() == 0, watcher.output()


@contextmanager
def put(controller: Controller, at: int, value: int) -> Iterator[None]:
    """What namespace 1 says of itself has this byte there meanwhile, and the host module has read it."""
    rescan = f"nvme ns-rescan {controller.admin}"
    lie = Fault(Kind.PUT, value, command=Admin.IDENTIFY, nsid=1, cdw10=CNS_NAMESPACE, at=at)
    try:
        with controller.fault(lie):
            controller.host.run(rescan)
            assert controller.faults_played == 1
            yield
    finally:
        controller.host.run(rescan)


class TestLimits:
    def test_an_owner_is_told_what_the_controller_tells(self, controller: Controller) -> None:
        host = controller.host
        nvm = nvme(host, f"nvm-id-ctrl {controller.admin}")
        ns = nvme(host, f"id-ns {controller.admin} -n 1")
        known = told(controller.mdev("1"))
        assert known["version"] == 0x10003
        assert nvm["dmrl"] and nvm["dmrsl"] and nvm["dmsl"]
        assert [known[name] for name in ("dealloc_ranges", "dealloc_range", "dealloc_lbas")] == [
            nvm[name] for name in ("dmrl", "dmrsl", "dmsl")
        ]
        assert known["write_zeroes"] == (4096 << nvm["wzsl"] if nvm["wzsl"] else 0)
        assert known["retry_delays"] == list(RETRY_DELAYS_MS)
        # The controller's fields are 0's based, and it says so by bit 4 of NSFEAT.
        assert ns["nsfeat"] & 0x10
        (namespace,) = known["namespaces"]
        assert namespace["write_granularity"] == ns["npwg"] + 1
        assert namespace["write_optimal"] == (ns["nows"] + 1 if ns["nows"] else 0)
        assert namespace["dealloc_granularity"] == ns["npdg"] + 1 > 1
        assert namespace["boundary"] == ns["noiob"]
        assert namespace["atomic_write"] == max(ns["nawupf"], 0) + 1

    @pytest.mark.parametrize(
        ("name", "at", "value", "lbas"),
        [("write_granularity", NPWG, 15, 16), ("write_optimal", NOWS, 31, 32), ("boundary", NOIOB, 64, 64)],
    )
    def test_also_what_is_told_seldom(self, controller: Controller, name: str, at: int, value: int, lbas: int) -> None:
        (usual,) = told(controller.mdev("1"))["namespaces"]
        controller.remove_mdevs()
        with put(controller, at, value):
            (namespace,) = told(controller.mdev("1"))["namespaces"]
        assert namespace == usual | {name: lbas} != usual

    @pytest.mark.usefixtures("lockdep_looks_away")
    def test_a_drive_that_lies_is_known(self, host: Host) -> None:
        """QEMU's controller with the ID that it once had, under which it had no unique identities."""
        load_module(host)
        with another_card(host, **{"use-intel-id": True}):
            controller = Controller.find(host, "LIOV1B")
            controller.bind("lightiov")
            try:
                mdev = controller.mdev("1")
                assert set(controller.identities().values()) == {"-"}
                # Write Zeroes, bit 1, which Identify Controller promises.
                assert nvme(host, f"id-ctrl {controller.admin}")["oncs"] & 0x08
                assert told(mdev)["features"] == 0b101
            finally:
                controller.remove_mdevs()
                controller.bind("")


@pytest.mark.parametrize(("at", "value"), [(FLBAS, 0x20), (METADATA, 8)], ids=["format 16", "metadata"])
class TestFormats:
    """A controller may have 64 of them; those of the emulated one end with the eighth."""

    def test_one_without_plain_blocks_is_not_given_away(self, controller: Controller, at: int, value: int) -> None:
        mdev, log = controller.create(), len(controller.host.kernel_log())
        with put(controller, at, value):
            assert "not supported" in mdev.write("namespaces", "1", check=False).stderr
        said = controller.host.kernel_log()[log:]
        assert any("namespace 1 has metadata or is not made of plain blocks" in line for line in said)
        mdev.write("namespaces", "1")

    def test_one_that_is_given_away_is_gone_with_them(self, controller: Controller, at: int, value: int) -> None:
        with watched(controller.mdev("1")) as expect:
            expect((0, GIB_BLOCKS))
            with put(controller, at, value):
                expect((GONE, GIB_BLOCKS))
            expect((0, GIB_BLOCKS))


class TestChanges:
    def test_events_are_asked_for(self, controller: Controller) -> None:
        run = controller.host.run
        assert nvme(controller.host, f"id-ctrl {controller.admin}")["oaes"] == 0x100
        # QEMU keeps what the stock driver asked for.
        controller.bind("")
        device = run(f"ls {controller.sysfs}/nvme").stdout.strip()
        run(f"nvme set-feature /dev/{device} -f 0x0b -V 0")
        controller.bind("lightiov")
        assert "0x00000100" in run(f"nvme get-feature {controller.admin} -f 0x0b").stdout

    def test_a_namespace_that_grows_and_shrinks(self, controller: Controller) -> None:
        """The disk behind namespace 2 is resized; the controller reports it, and nobody scans."""
        host, mdev = controller.host, controller.mdev("1,2")
        with watched(mdev) as expect:
            expect((0, GIB_BLOCKS), (0, GIB_BLOCKS))
            for blocks in (GIB_BLOCKS + 4096, GIB_BLOCKS - 4096, GIB_BLOCKS):
                host.qmp("block_resize", device="nvme0n2", size=blocks * 512)
                expect((0, GIB_BLOCKS), (0, blocks))
        assert mdev.read("state") == "closed"

    def test_a_namespace_that_is_taken_away_by_a_sibling(self, controller: Controller, sibling: str) -> None:
        host, mdev = controller.host, controller.mdev("1,2")
        own = nvme(host, f"id-ctrl {controller.admin}")["cntlid"]
        log = len(host.kernel_log())
        with watched(mdev) as expect:
            expect((0, GIB_BLOCKS), (0, GIB_BLOCKS))
            host.run(f"nvme detach-ns {sibling} -n 1 -c {own}")
            expect((GONE, GIB_BLOCKS), (0, GIB_BLOCKS))
            assert any("namespace 1 is gone" in line for line in host.kernel_log()[log:])
            # It stays the mdev's, whatever comes.
            assert 1 not in controller.namespaces()
            host.run(f"nvme attach-ns {sibling} -n 1 -c {own}")
            expect((0, GIB_BLOCKS), (0, GIB_BLOCKS))
            assert controller.namespaces()[1] == mdev.uuid

    def test_a_namespace_with_other_blocks_is_another_one(self, controller: Controller, sibling: str) -> None:
        host, mdev = controller.host, controller.mdev("2")
        with watched(mdev) as expect:
            expect((0, GIB_BLOCKS))
            for format_, flags in ((4, GONE), (0, 0)):
                host.run(f"nvme format {sibling} -n 2 --lbaf={format_} --force", timeout=300)
                # QEMU has no event for it.
                host.run(f"nvme ns-rescan {controller.admin}")
                expect((flags, GIB_BLOCKS))
