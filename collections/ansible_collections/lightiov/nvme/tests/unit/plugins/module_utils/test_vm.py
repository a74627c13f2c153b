# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils import _libvirt, _libvirt_xml, _vm
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._plan import Plan
from fake_host import LBA_BYTES, FakeHost, Refused
from fake_libvirt import ASLEEP, CONFIG, LIVE, PAUSED, RUNNING, FakeConnection, FakeDomain, FakeNetwork, LibvirtError

U1 = "11111111-96c4-5fd1-bb5e-0c0a2e6c8a55"
U2 = "22222222-96c4-5fd1-bb5e-0c0a2e6c8a55"
IMAGE = "/images/debian.raw"
MAC = "52:54:00:00:00:01"
QEMU_IMG = f"""#!{sys.executable}
import json, sys
with open(sys.argv[9], "r+") as overlay:
    json.dump(sys.argv[1:], overlay)
"""


def root(name: str = "vm1", **options: Any) -> dict[str, Any]:
    path = f"/images/{name}-root.qcow2"
    usual = {"path": path, "mdev": None, "image": IMAGE, "format": "raw", "size_gib": None, "keep": False}
    return {**usual, **options}


def template(name: str, mac: str = MAC) -> str:
    return (
        f"<domain xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><name>{name}</name>"
        "<memory unit='MiB'>512</memory><vcpu>2</vcpu><devices>"
        f"<disk type='file'><source file='/images/{name}-root.qcow2'/></disk>"
        f"<interface type='network'><mac address='{mac}'/><source network='default'/></interface></devices>"
        "<qemu:commandline><qemu:arg value='-global'/></qemu:commandline></domain>"
    )


def vm(name: str = "vm1", state: str = "running", **options: Any) -> _vm.Wanted:
    usual = {
        "xml": template(name), "root": root(name), "address": None, "mdevs": [], "memory_mib": None, "vcpus": None,
    }  # fmt: skip
    return _vm.Wanted.parse({"name": name, "state": state, **usual, **options})


def make(
    host: Host, *vms: _vm.Wanted, predict: bool = False, network: str = "default", unplugged: Sequence[str] = ()
) -> Plan:
    return _vm.plan(
        host, uri="test", network=network, wanted=vms, timeout=1, shutdown_timeout=1, predict=predict,
        unplugged=unplugged,
    )  # fmt: skip


def act(host: Host, *vms: _vm.Wanted) -> list[tuple[str, str]]:
    plan = make(host, *vms)
    assert not plan.steps or plan.before != plan.after, "a change that the diff does not show"
    for step in plan.steps:
        step.run()
    return [(step.action, step.object) for step in plan.steps]


@pytest.fixture
def images(fake: FakeHost) -> Path:
    """Where root disks are, with an image to make them of."""
    tool = fake.bin / "qemu-img"
    tool.write_text(QEMU_IMG, encoding="utf-8")
    tool.chmod(0o755)
    fake.write(IMAGE, "")
    return fake.path("/images")


@pytest.fixture
def mdevs(fake: FakeHost) -> FakeHost:
    fake.add_controller("0000:01:00.0", "S1", driver="lightiov")
    for number, uuid in enumerate((U1, U2), start=1):
        fake.add_mdev("0000:01:00.0", uuid, tenant="blue", queue_pairs="1", namespaces=str(number))
    return fake


def known(name: str = "vm1", *devices: str, **options: Any) -> FakeDomain:
    """A domain that the module made earlier."""
    options = {"active": True, "disk": f"/images/{name}-root.qcow2", "mac": MAC, **options}
    domain = FakeDomain(name, *devices, **options)
    domain.starts_with_host = domain.status == RUNNING
    return domain


NEW = [
    ("define", "vm1"),
    ("make_root", "/images/vm1-root.qcow2"),
    ("autostart", "vm1"),
    ("start", "vm1"),
]


class TestNew:
    def test_comes_with_all_that_it_has(
        self, host: Host, images: Path, mdevs: FakeHost, libvirt: FakeConnection
    ) -> None:
        wanted = vm(mdevs=[U1], address="192.168.122.11", root=root(size_gib=4))
        assert act(host, wanted) == [("lease", "192.168.122.11"), *NEW]
        [domain] = libvirt.domains
        assert (domain.status, domain.starts_with_host, domain.has(CONFIG), domain.has(LIVE)) == (
            RUNNING, True, [U1], [U1],
        )  # fmt: skip
        assert "qemu:commandline" in _libvirt_xml.ET.tostring(domain.config, encoding="unicode")
        assert libvirt.networks["default"].leases(LIVE) == [(MAC, "vm1", "192.168.122.11")]
        overlay = images / "vm1-root.qcow2"
        assert overlay.stat().st_mode & 0o777 == 0o600
        arguments = json.loads(overlay.read_text())
        assert arguments[:7] == ["create", "-q", "-f", "qcow2", "-F", "raw", "-b"]
        assert arguments[9:] == ["4G"]
        assert sorted(path.name for path in images.iterdir()) == ["debian.raw", "vm1-root.qcow2"]
        assert act(host, wanted) == []

    def test_stopped_is_not_started(self, host: Host, images: Path, libvirt: FakeConnection) -> None:
        assert act(host, vm(state="stopped")) == NEW[:2]
        assert act(host, vm(state="stopped")) == []
        assert act(host, vm()) == NEW[2:]

    def test_absent_is_not_made(self, host: Host, images: Path, libvirt: FakeConnection) -> None:
        assert act(host, vm(state="absent")) == []

    def test_without_a_definition(self, host: Host, libvirt: FakeConnection) -> None:
        assert act(host, vm(state="stopped", xml=None, root=None)) == []
        with pytest.raises(LightiovError, match="Domain vm1 does not exist: give its xml"):
            make(host, vm(xml=None))

    def test_check_mode_shows_all_and_changes_nothing(self, host: Host, images: Path, libvirt: FakeConnection) -> None:
        plan = make(host, vm(mdevs=[U1], address="192.168.122.11"), predict=True)
        assert [(step.action, step.object) for step in plan.steps] == [("lease", "192.168.122.11"), *NEW]
        assert plan.before["domains"] == []
        assert plan.after["domains"] == [
            {
                "name": "vm1",
                "state": "running",
                "autostart": True,
                "memory_mib": 512,
                "vcpus": 2,
                "mdevs": [U1],
                "live": [U1],
                "root": "/images/vm1-root.qcow2",
                "address": "192.168.122.11",
            }
        ]
        assert libvirt.domains == [] and not (images / "vm1-root.qcow2").exists()

    def test_check_mode_on_a_bare_host(
        self, host: Host, images: Path, libvirt: FakeConnection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_libvirt, "api", None)
        plan = make(host, vm(address="192.168.122.11"), predict=True)
        assert [(step.action, step.object) for step in plan.steps] == NEW
        with pytest.raises(LightiovError, match="install python3-libvirt"):
            make(host, vm())

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"root": root(image=None)}, r"VM vm1 has no image .*: set lightiov_vm_image"),
            (
                {"root": root(image="/images/none")},
                "cannot be made from /images/none, because that is not on this host",
            ),
            ({"xml": "<domain>"}, "correct the template that lightiov_vm_template names"),
            ({"xml": template("vm2")}, r"has the name 'vm2'.*correct the template"),
            ({"xml": "<domain><name>vm1</name></domain>"}, "no devices: correct the template"),
            ({"mdevs": [U1, U1]}, "given twice, to domain vm1 and to domain"),
        ],
    )
    def test_what_cannot_be(
        self, host: Host, images: Path, libvirt: FakeConnection, options: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(LightiovError, match=message):
            make(host, vm(**options))

    def test_a_definition_that_libvirt_refuses(
        self, host: Host, images: Path, libvirt: FakeConnection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(xml: str) -> None:
            raise LibvirtError(27, "XML error: unsupported machine")

        monkeypatch.setattr(libvirt, "defineXML", refuse)
        with pytest.raises(LightiovError, match=r"correct the template that .* \(XML error: unsupported machine\)"):
            act(host, vm())

    def test_a_mac_that_another_domain_has(self, host: Host, images: Path, libvirt: FakeConnection) -> None:
        libvirt.add(known("vm2"))
        with pytest.raises(LightiovError, match=f"VM vm1 cannot have the MAC address {MAC}, because domain vm2 has it"):
            make(host, vm())
        # Not when that one goes.
        assert ("define", "vm1") in act(host, vm(), vm("vm2", "absent"))


class TestRootDisk:
    def test_an_old_one_is_not_taken(self, host: Host, images: Path, libvirt: FakeConnection) -> None:
        old = images / "vm1-root.qcow2"
        old.write_text("a former VM's")
        for predict in (False, True):
            with pytest.raises(
                LightiovError, match=r"vm1-root.qcow2, exists .*: move it away, or set root_keep of vm1"
            ):
                make(host, vm(), predict=predict)
        assert libvirt.domains == [] and old.read_text() == "a former VM's"

    def test_an_old_one_is_taken_when_it_is_said(self, host: Host, images: Path, libvirt: FakeConnection) -> None:
        old = images / "vm1-root.qcow2"
        old.write_text("its own")
        assert act(host, vm(root=root(keep=True, image=None))) == [NEW[0], *NEW[2:]]
        assert old.read_text() == "its own"

    def test_one_that_does_not_exist_cannot_be_kept(self, host: Host, images: Path, libvirt: FakeConnection) -> None:
        assert act(host, vm(root=root(keep=True))) == NEW

    @pytest.mark.parametrize("steps", range(5))
    def test_a_run_cut_short_is_completed(self, host: Host, images: Path, libvirt: FakeConnection, steps: int) -> None:
        for step in make(host, vm()).steps[:steps]:
            step.run()
        assert act(host, vm()) == NEW[steps:]
        assert act(host, vm()) == []

    @pytest.mark.parametrize("point", ["link", "unlink", "replace"])
    def test_a_run_cut_short_within_the_making(
        self, host: Host, images: Path, libvirt: FakeConnection, monkeypatch: pytest.MonkeyPatch, point: str
    ) -> None:
        whole = '["create"'

        class Killed(BaseException):
            pass

        def kill(*_: Any, **__: Any) -> None:
            raise Killed

        define, make_root = make(host, vm()).steps[:2]
        define.run()
        with monkeypatch.context() as patch, pytest.raises(Killed):
            if point == "link":
                patch.setattr("os.link", kill)
            elif point == "unlink":
                patch.setattr(_vm.RootDisk, "make", lambda *arguments: (_make(*arguments), kill()))
            else:
                patch.setattr(FakeDomain, "setMetadata", kill)
            make_root.run()
        assert act(host, vm()) == NEW[1:]
        assert (images / "vm1-root.qcow2").read_text().startswith(whole)
        assert sorted(path.name for path in images.iterdir()) == ["debian.raw", "vm1-root.qcow2"]

    def test_one_that_a_known_vm_has_lost_is_not_made_anew(
        self, host: Host, images: Path, libvirt: FakeConnection
    ) -> None:
        assert act(host, vm()) == NEW
        (images / "vm1-root.qcow2").unlink()
        assert act(host, vm()) == []


_make = _vm.RootDisk.make


class TestRootOnLightiov:
    """The second disk of U1, a part of a namespace."""

    BOOT = {"kernel": "/images/d.boot/vmlinuz", "initrd": "/images/d.boot/initrd.img", "arguments": "root=UUID=1 ro"}
    NEW = [("define", "vm1"), ("make_root", f"disk root of mdev {U1}"), ("autostart", "vm1"), ("start", "vm1")]

    @pytest.fixture(autouse=True)
    def disks(self, fake: FakeHost, images: Path, libvirt: FakeConnection) -> None:
        fake.add_controller("0000:01:00.0", "S1", driver="lightiov")
        disks = " ".join(
            f"id={number * 8}-96c4-5fd1-bb5e-0c0a2e6c8a55,nsid=2,first={first},count=8192,name={name}"
            for number, first, name in (("3", 0, "data"), ("4", 8192, "root"))
        )
        fake.add_mdev("0000:01:00.0", U1, tenant="blue", queue_pairs="1", extents=disks)

    @staticmethod
    def vm(**options: Any) -> _vm.Wanted:
        boot = TestRootOnLightiov.BOOT
        place = {"mdev": U1, "disk": "root", "image": IMAGE, "format": "raw", "boot": boot, "keep": False}
        return vm(mdevs=[U1], root={**place, **options})

    @staticmethod
    def on_disk(fake: FakeHost, first: int = 8192) -> str:
        return fake.data("0000:01:00.0", 2, first)

    def test_is_filled_and_booted_by_the_host(self, host: Host, fake: FakeHost, libvirt: FakeConnection) -> None:
        assert act(host, self.vm()) == self.NEW
        [domain] = libvirt.domains
        booted = {element: domain.config.findtext(f"os/{element}") for element in ("kernel", "initrd", "cmdline")}
        assert list(booted.values()) == list(self.BOOT.values())
        assert domain.status == RUNNING
        assert self.on_disk(fake) == f"image {host.path(IMAGE)}"
        assert self.on_disk(fake, 0) == "", "another disk was filled"
        assert act(host, self.vm()) == []

    def test_what_is_on_it_is_not_taken(self, host: Host, fake: FakeHost, libvirt: FakeConnection) -> None:
        fake.write_data("0000:01:00.0", 2, "a former VM's", 8192)
        with pytest.raises(LightiovError, match=rf"disk root of mdev {U1}, is not blank, .*: set root_keep"):
            act(host, self.vm())
        assert self.on_disk(fake) == "a former VM's"
        assert not libvirt.domains[0].calls

    @pytest.mark.parametrize("keep", [False, True])
    def test_what_is_on_it_is_erased_or_taken_as_the_refusal_says(
        self, host: Host, fake: FakeHost, libvirt: FakeConnection, keep: bool
    ) -> None:
        self.test_what_is_on_it_is_not_taken(host, fake, libvirt)
        if not keep:
            fake.write_data("0000:01:00.0", 2, "", 8192)
        assert act(host, self.vm(keep=keep)) == self.NEW[1:]
        assert self.on_disk(fake) == ("a former VM's" if keep else f"image {host.path(IMAGE)}")
        assert act(host, self.vm()) == []

    def test_what_is_on_it_is_taken_when_it_is_said(self, host: Host, fake: FakeHost) -> None:
        fake.write_data("0000:01:00.0", 2, "its own", 8192)
        assert act(host, self.vm(keep=True)) == [self.NEW[0], *self.NEW[2:]]
        assert self.on_disk(fake) == "its own"

    @pytest.mark.parametrize("steps", range(5))
    def test_a_run_cut_short_is_completed(self, host: Host, fake: FakeHost, steps: int) -> None:
        for step in make(host, self.vm()).steps[:steps]:
            step.run()
        assert act(host, self.vm()) == self.NEW[steps:]
        assert act(host, self.vm()) == []

    @staticmethod
    def cut_short(host: Host, fake: FakeHost) -> None:
        """A run that fails when it begins to fill the disk, which it has found blank."""
        define, fill = make(host, TestRootOnLightiov.vm()).steps[:2]
        define.run()

        def cut(*arguments: object) -> None:
            raise Refused("killed")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(FakeHost, "write_data", cut)
            with pytest.raises(LightiovError, match="was not filled"):
                fill.run()

    @staticmethod
    def put(fake: FakeHost, place: str) -> None:
        """The disk is elsewhere, of the same name and ID."""
        fake.remove_mdev(U1)
        disk = f"id=44444444-96c4-5fd1-bb5e-0c0a2e6c8a55,{place},name=root"
        fake.add_mdev("0000:01:00.0", U1, tenant="blue", queue_pairs="1", extents=disk)

    def test_a_filling_cut_short_is_done_again(self, host: Host, fake: FakeHost) -> None:
        self.cut_short(host, fake)
        fake.write_data("0000:01:00.0", 2, "half of it", 8192)
        assert act(host, self.vm()) == self.NEW[1:]
        assert self.on_disk(fake) == f"image {host.path(IMAGE)}"

    @pytest.mark.parametrize(("nsid", "first"), [(2, 16384), (3, 8192)])
    def test_a_filling_cut_short_says_nothing_of_other_bytes(
        self, host: Host, fake: FakeHost, nsid: int, first: int
    ) -> None:
        self.cut_short(host, fake)
        self.put(fake, f"nsid={nsid},first={first},count=8192")
        fake.write_data("0000:01:00.0", nsid, "a former VM's", first)
        with pytest.raises(LightiovError, match=rf"disk root of mdev {U1}, is not blank"):
            act(host, self.vm())
        assert fake.data("0000:01:00.0", nsid, first) == "a former VM's"
        # Meanwhile another VM can have had the first ones.
        self.put(fake, "nsid=2,first=8192,count=8192")
        fake.write_data("0000:01:00.0", 2, "another VM's", 8192)
        with pytest.raises(LightiovError, match=rf"disk root of mdev {U1}, is not blank"):
            act(host, self.vm())
        assert self.on_disk(fake) == "another VM's"

    def test_one_of_a_namespace_with_an_identity_is_known_by_that(self, host: Host, fake: FakeHost) -> None:
        """And not by its number, which may be another's by then."""
        ids = {nsid: f"eui.{nsid:032x}" for nsid in (2, 3)}
        fake.change_hardware("0000:01:00.0", ids={str(nsid): eui for nsid, eui in ids.items()})
        self.put(fake, f"nsid=2,eui={2:032x}")
        self.cut_short(host, fake)
        fake.change_hardware("0000:01:00.0", ids={"2": ids[3], "3": ids[2]})
        self.put(fake, f"nsid=2,eui={3:032x}")
        fake.write_data("0000:01:00.0", 2, "a former VM's")
        with pytest.raises(LightiovError, match=rf"disk root of mdev {U1}, is not blank"):
            act(host, self.vm())
        assert self.on_disk(fake, 0) == "a former VM's"

    def test_a_filling_cut_short_is_kept_when_it_is_said(self, host: Host, fake: FakeHost) -> None:
        self.cut_short(host, fake)
        fake.write_data("0000:01:00.0", 2, "its own", 8192)
        assert act(host, self.vm(keep=True)) == self.NEW[1:]
        assert self.on_disk(fake) == "its own"

    def test_a_filling_that_the_version_before_began_is_read_again(
        self, host: Host, fake: FakeHost, libvirt: FakeConnection
    ) -> None:
        """Its mark says not of which disk."""
        self.cut_short(host, fake)
        [mark] = libvirt.domains[0].config.findall("metadata/*")
        mark.attrib.clear()
        mark.set("root", "filling")
        fake.write_data("0000:01:00.0", 2, "half of it, or a former VM's", 8192)
        with pytest.raises(LightiovError, match=rf"is not blank, .* have it erased with liov blank {U1} --disk root"):
            act(host, self.vm())
        fake.write_data("0000:01:00.0", 2, "", 8192)
        assert act(host, self.vm()) == self.NEW[1:]

    def test_image_that_does_not_fit_is_told_before_the_disk_is_read(self, host: Host, fake: FakeHost) -> None:
        size = 8192 * LBA_BYTES
        with host.path(IMAGE).open("r+b") as image:
            image.truncate(size + 1)
        sentence = f"{IMAGE}, because the image has {size + 1:,} bytes, and the disk {size:,}: give the disk the size"
        with pytest.raises(LightiovError, match=sentence):
            act(host, self.vm())
        assert not [call for call in fake.log() if call.startswith("liov")]
        with host.path(IMAGE).open("r+b") as image:
            image.truncate(size)
        assert act(host, self.vm()) == self.NEW[1:]

    def test_nothing_to_boot_it_with(self, host: Host, libvirt: FakeConnection) -> None:
        with pytest.raises(LightiovError, match=r"VM vm1 has its root on disk root, .*: set lightiov_image_driver"):
            act(host, self.vm(boot=None))
        assert libvirt.domains == []
        planned = make(host, self.vm(boot=None), predict=True)
        assert [one.until for one in planned.unmet] == ["guest_image"]

    def test_disk_that_the_mdev_does_not_have(self, host: Host) -> None:
        with pytest.raises(LightiovError, match="the mdev has no such disk"):
            act(host, self.vm(disk="system"))


class TestStates:
    @pytest.fixture(autouse=True)
    def quick(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(_vm, "ASK_AGAIN", 0.01)

    def test_running(self, host: Host, libvirt: FakeConnection) -> None:
        libvirt.add(known(active=False))
        assert act(host, vm()) == NEW[2:]
        assert act(host, vm()) == []

    def test_paused_goes_on_and_sleeping_sleeps(self, host: Host, libvirt: FakeConnection) -> None:
        libvirt.add(known())
        libvirt.domains[0].status = PAUSED
        assert act(host, vm()) == [("resume", "vm1")]
        libvirt.domains[0].status = ASLEEP
        assert act(host, vm()) == []

    def test_does_not_start(self, host: Host, libvirt: FakeConnection, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(domain: FakeDomain) -> None:
            raise LibvirtError(38, "Cannot access storage file '/images/vm1-root.qcow2': No such file or directory")

        libvirt.add(known(active=False))
        monkeypatch.setattr(FakeDomain, "create", fail)
        with pytest.raises(LightiovError, match=r"VM vm1 did not start: see .*vm1.log \(Cannot access storage file"):
            act(host, vm())

    def test_stopped(self, host: Host, libvirt: FakeConnection) -> None:
        libvirt.add(known(), known("vm2", mac="52:54:00:00:00:02"))
        for domain in libvirt.domains:
            domain.deaf = 1
        both = [vm("vm1", "stopped"), vm("vm2", "stopped")]
        plan = make(host, *both)
        assert [domain["state"] for domain in plan.before["domains"]] == ["running", "running"]
        assert [domain["state"] for domain in plan.after["domains"]] == ["stopped", "stopped"]
        assert (plan.returned["ran"], plan.returned["domains_total"]) == (["vm1", "vm2"], 2)
        assert act(host, *both) == [(what, name) for what in ("stop", "no_autostart") for name in ("vm1", "vm2")]
        # vm2 was asked before vm1 was waited for.
        assert libvirt.domains[1].calls[:2] == ["shutdown", "shutdown"]
        assert act(host, *both) == []

    def test_stopped_from_sleep(self, host: Host, libvirt: FakeConnection) -> None:
        libvirt.add(known())
        libvirt.domains[0].status = ASLEEP
        act(host, vm(state="stopped"))
        assert libvirt.domains[0].calls[:2] == ["wake", "shutdown"]

    def test_one_that_does_not_shut_down_is_not_switched_off(self, host: Host, libvirt: FakeConnection) -> None:
        libvirt.add(known())
        libvirt.domains[0].deaf = 10000
        with pytest.raises(
            LightiovError, match=r"VM vm1 does not shut down within 1 seconds: .*raise lightiov_shutdown"
        ):
            act(host, vm(state="stopped"))
        assert libvirt.domains[0].status == RUNNING

    def test_stopped_changes_its_mdevs_while_it_is_off(
        self, host: Host, mdevs: FakeHost, libvirt: FakeConnection
    ) -> None:
        libvirt.add(known("vm1", _libvirt_xml.hostdev(U1)))
        assert act(host, vm(state="stopped", mdevs=[U2])) == [
            ("stop", "vm1"), ("detach", U1), ("attach", U2), ("no_autostart", "vm1"),
        ]  # fmt: skip

    def test_absent(self, host: Host, images: Path, mdevs: FakeHost, libvirt: FakeConnection) -> None:
        gone = known("vm1", _libvirt_xml.hostdev(U1))
        libvirt.add(gone)
        libvirt.networks["default"] = FakeNetwork("default", f"<host mac='{MAC}' name='vm1' ip='192.168.122.11'/>")
        (images / "vm1-root.qcow2").write_text("data")
        aside = f"/images/vm1-root.qcow2.removed-{gone.UUIDString()}"
        plan = make(host, vm(state="absent"))
        assert (len(plan.before["domains"]), plan.after["domains"]) == (1, [])
        assert plan.steps[2].details == {"to": aside}
        assert act(host, vm(state="absent")) == [
            ("release", "192.168.122.11"),
            ("stop", "vm1"),
            ("set_aside", "/images/vm1-root.qcow2"),
            ("undefine", "vm1"),
        ]
        assert host.path(aside).read_text() == "data"
        assert gone.calls[-1] == "undefine 23"
        assert act(host, vm(state="absent")) == []
        # A new VM of that name starts from nothing.
        assert act(host, vm()) == NEW

    @pytest.mark.parametrize("steps", range(4))
    def test_absent_cut_short(self, host: Host, images: Path, libvirt: FakeConnection, steps: int) -> None:
        libvirt.add(known())
        (images / "vm1-root.qcow2").write_text("data")
        for step in make(host, vm(state="absent")).steps[:steps]:
            step.run()
        act(host, vm(state="absent"))
        assert libvirt.domains == []
        assert [path.name for path in images.iterdir() if "removed" in path.name and path.read_text() == "data"]

    def test_wanted_again_after_a_removal_was_cut_short(
        self, host: Host, images: Path, libvirt: FakeConnection
    ) -> None:
        root = images / "vm1-root.qcow2"
        libvirt.add(known())
        root.write_text("data")
        *steps, undefine = make(host, vm(state="absent")).steps
        assert undefine.action == "undefine"
        for step in steps:
            step.run()
        assert not root.exists()
        assert ("put_back", "/images/vm1-root.qcow2") in act(host, vm())
        assert root.read_text() == "data"
        assert act(host, vm()) == []

    def test_absent_leaves_a_root_disk_that_is_not_the_domains(
        self, host: Host, images: Path, libvirt: FakeConnection
    ) -> None:
        libvirt.add(known(disk="/elsewhere/vm1.qcow2"))
        (images / "vm1-root.qcow2").write_text("another's")
        assert act(host, vm(state="absent")) == [("stop", "vm1"), ("undefine", "vm1")]

    def test_check_mode_knows_what_was_unplugged_before(
        self, host: Host, images: Path, mdevs: FakeHost, libvirt: FakeConnection
    ) -> None:
        wanted = vm(mdevs=[U1])
        act(host, wanted)
        assert make(host, wanted, unplugged=[U1]).steps == []
        plan = make(host, wanted, predict=True, unplugged=[U1.upper()])
        assert [(step.action, step.object) for step in plan.steps] == 2 * [("attach", U1)]
        assert plan.before["domains"][0]["live"] == []

    def test_an_mdev_of_a_vm_that_goes_is_free(
        self, host: Host, images: Path, mdevs: FakeHost, libvirt: FakeConnection
    ) -> None:
        libvirt.add(known("vm2", _libvirt_xml.hostdev(U1), active=False, mac="52:54:00:00:00:02"))
        assert act(host, vm(mdevs=[U1]), vm("vm2", "absent"))[0] == ("undefine", "vm2")

    def test_what_is_not_given_stays(self, host: Host, mdevs: FakeHost, libvirt: FakeConnection) -> None:
        libvirt.add(known("vm1", _libvirt_xml.hostdev(U1)))
        assert act(host, vm(mdevs=None, xml=None, root=None)) == []

    def test_dangling_devices_of_others_go(self, host: Host, libvirt: FakeConnection) -> None:
        libvirt.add(known("vm9", _libvirt_xml.hostdev(U1), active=False))
        assert act(host) == [("detach", U1)]


class TestSize:
    """Memory and vCPUs of a VM that is there."""

    RESIZE = ("resize", "vm1")

    @staticmethod
    def size(domain: FakeDomain, scope: int = CONFIG) -> tuple[str | None, ...]:
        tree = domain.config if scope == CONFIG else domain.live
        return tuple(tree.findtext(element) for element in ("memory", "currentMemory", "vcpu"))

    def test_one_that_runs_has_it_from_its_next_start_on(
        self, host: Host, mdevs: FakeHost, libvirt: FakeConnection
    ) -> None:
        libvirt.add(known("vm1", _libvirt_xml.hostdev(U1)))
        [domain] = libvirt.domains
        domain.config.find("vcpu").set("cpuset", "4-7")
        domain.config.append(_libvirt_xml.ET.fromstring("<numatune><memory mode='strict' nodeset='1'/></numatune>"))
        graphics = "<graphics type='vnc' passwd='secret'/>"
        domain.config.find("devices").append(_libvirt_xml.ET.fromstring(graphics))
        live, uuid = _libvirt_xml.ET.tostring(domain.live), domain.UUIDString()
        wanted = vm(mdevs=[U1], memory_mib=1024, vcpus=4)

        plan = make(host, wanted)
        [step] = plan.steps
        assert step.describe() == {"action": "resize", "object": "vm1", "memory_mib": 1024, "vcpus": 4}
        assert [(one["memory_mib"], one["vcpus"]) for one in (*plan.before["domains"], *plan.after["domains"])] == [
            (512, 2), (1024, 4),
        ]  # fmt: skip
        assert act(host, wanted) == [self.RESIZE]

        assert self.size(domain) == ("1048576", "1048576", "4")
        assert _libvirt_xml.ET.tostring(domain.live) == live
        assert domain.calls == []
        assert (domain.UUIDString(), domain.has(CONFIG)) == (uuid, [U1])
        assert domain.config.find("devices/interface/mac").get("address") == MAC
        assert domain.config.find("devices/graphics").get("passwd") == "secret"
        assert domain.config.find("vcpu").get("cpuset") == "4-7"
        assert domain.config.find("numatune/memory").get("nodeset") == "1"

        for _time in range(2):
            plan = make(host, wanted)
            assert plan.steps == [] and plan.before == plan.after
            assert plan.returned["waiting"] == [
                "VM vm1 runs with 512 MiB of memory and 2 vCPUs, and has 1024 MiB of memory and 4 vCPUs from its next "
                "start on: shut it down and start it for that, because a reboot from inside is no start"
            ]
        domain.shutdown()
        domain.create()
        plan = make(host, wanted)
        assert (plan.steps, plan.returned["waiting"]) == ([], [])

    @pytest.mark.parametrize(
        ("state", "starts"), [("running", [("autostart", "vm1"), ("start", "vm1")]), ("stopped", [])]
    )
    def test_one_that_is_off_has_it_at_once(
        self, host: Host, libvirt: FakeConnection, state: str, starts: list[tuple[str, str]]
    ) -> None:
        libvirt.add(known(active=False))
        wanted = vm(state=state, memory_mib=1024)
        assert make(host, wanted).returned["waiting"] == []
        assert act(host, wanted) == [self.RESIZE, *starts]
        if starts:
            assert self.size(libvirt.domains[0], LIVE) == ("1048576", "1048576", "2")
        assert act(host, wanted) == [] and make(host, wanted).returned["waiting"] == []

    def test_one_that_is_stopped_has_it_then(self, host: Host, libvirt: FakeConnection) -> None:
        libvirt.add(known())
        wanted = vm(state="stopped", vcpus=1)
        assert make(host, wanted).returned["waiting"] == []
        assert act(host, wanted) == [("stop", "vm1"), self.RESIZE, ("no_autostart", "vm1")]
        assert self.size(libvirt.domains[0]) == ("524288", "524288", "1")

    def test_one_that_sleeps_waits(self, host: Host, libvirt: FakeConnection) -> None:
        libvirt.add(known())
        libvirt.domains[0].status = ASLEEP
        assert len(make(host, vm(vcpus=1)).returned["waiting"]) == 1

    def test_what_was_taken_back_does_not_wait(self, host: Host, libvirt: FakeConnection) -> None:
        libvirt.add(known())
        act(host, vm(memory_mib=1024))
        assert act(host, vm(memory_mib=512)) == [self.RESIZE]
        assert make(host, vm(memory_mib=512)).returned["waiting"] == []

    def test_what_is_not_given_stays(self, host: Host, libvirt: FakeConnection) -> None:
        """The operator's own, whatever the template says."""
        libvirt.add(known())
        libvirt.domains[0].config.find("memory").text = "8388608"
        assert make(host, vm()).returned["waiting"] == [] and act(host, vm()) == []
        assert act(host, vm(vcpus=4)) == [self.RESIZE]
        assert self.size(libvirt.domains[0])[::2] == ("8388608", "4")

    def test_edited_since_it_was_planned(self, host: Host, libvirt: FakeConnection) -> None:
        libvirt.add(known())
        [step] = make(host, vm(vcpus=4)).steps
        libvirt.domains[0].config.find("memory").text = "8388608"
        step.run()
        assert self.size(libvirt.domains[0])[::2] == ("8388608", "4")

    def test_check_mode_changes_nothing(self, host: Host, libvirt: FakeConnection) -> None:
        libvirt.add(known())
        plan = make(host, vm(memory_mib=1024), predict=True)
        assert [(step.action, step.object) for step in plan.steps] == [self.RESIZE]
        assert "has 1024 MiB of memory and 2 vCPUs from its next start on" in plan.returned["waiting"][0]
        assert self.size(libvirt.domains[0])[0] == "524288"

    def test_new_one_has_it_whatever_its_template_says(self, host: Host, images: Path, libvirt: FakeConnection) -> None:
        wanted = vm(memory_mib=256, vcpus=1)
        assert make(host, wanted).after["domains"][0]["memory_mib"] == 256
        assert act(host, wanted) == NEW
        assert self.size(libvirt.domains[0], LIVE) == ("262144", "262144", "1")
        assert act(host, wanted) == []

    @pytest.mark.parametrize("options", [{"memory_mib": 0}, {"vcpus": -1}])
    def test_less_than_one(self, options: dict[str, int]) -> None:
        [(key, value)] = options.items()
        with pytest.raises(LightiovError, match=f"VM vm1 cannot have {value} as its {key}: choose a whole number"):
            vm(**options)

    def test_nothing_is_changed_before_one_is_refused(self, host: Host, libvirt: FakeConnection) -> None:
        libvirt.add(known(active=False), known("vm2", mac="52:54:00:00:00:02"))
        cpu = "<cpu><topology sockets='1' cores='2'/></cpu>"
        libvirt.domains[1].config.append(_libvirt_xml.ET.fromstring(cpu))
        with pytest.raises(LightiovError, match=r"VM vm2 .* topology of its CPUs says 2: .* virsh edit, or list it"):
            act(host, vm(memory_mib=1024), vm("vm2", vcpus=3))
        assert libvirt.domains[0].calls == []

    def test_that_libvirt_refuses(self, host: Host, libvirt: FakeConnection, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(xml: str) -> None:
            raise LibvirtError(67, "unsupported configuration: more than 255 vCPUs require extended interrupt mode")

        libvirt.add(known())
        monkeypatch.setattr(libvirt, "defineXML", refuse)
        with pytest.raises(LightiovError, match=r"of VM vm1 were not changed: correct memory_mib .*\(unsupported conf"):
            act(host, vm(vcpus=256))


class TestAddress:
    """Each VM has one lease, on the MAC that it has, and takes nobody else's."""

    OTHERS = "<host mac='52:54:00:00:00:09' name='vm9' ip='192.168.122.19'/>"

    def network(self, libvirt: FakeConnection, *hosts: str, **options: Any) -> FakeNetwork:
        libvirt.networks["default"] = FakeNetwork("default", *hosts, **options)
        return libvirt.networks["default"]

    def test_changed(self, host: Host, libvirt: FakeConnection) -> None:
        libvirt.add(known())
        network = self.network(libvirt, f"<host mac='{MAC}' name='vm1' ip='192.168.122.11'/>", self.OTHERS)
        plan = make(host, vm(address="192.168.122.12"))
        assert [domain["address"] for domain in plan.before["domains"]] == ["192.168.122.11"]
        assert [domain["address"] for domain in plan.after["domains"]] == ["192.168.122.12"]
        assert "keeps its former address 192.168.122.11 until" in plan.warnings[0]
        # The template's MAC is a new one; the domain keeps its own.
        wanted = vm(address="192.168.122.12", xml=template("vm1", "82:53:00:ae:ed:07"))
        assert act(host, wanted) == [("release", "192.168.122.11"), ("lease", "192.168.122.12")]
        expected = [("52:54:00:00:00:09", "vm9", "192.168.122.19"), (MAC, "vm1", "192.168.122.12")]
        assert network.leases(CONFIG) == network.leases(LIVE) == expected
        assert act(host, wanted) == []

    def test_two_vms_exchange_theirs(self, host: Host, libvirt: FakeConnection) -> None:
        libvirt.add(known(), known("vm2", mac="52:54:00:00:00:02"))
        network = self.network(
            libvirt,
            f"<host mac='{MAC}' name='vm1' ip='192.168.122.11'/>",
            "<host mac='52:54:00:00:00:02' name='vm2' ip='192.168.122.12'/>",
        )
        act(host, vm(address="192.168.122.12"), vm("vm2", address="192.168.122.11"))
        assert {lease[1:] for lease in network.leases()} == {
            ("vm1", "192.168.122.12"), ("vm2", "192.168.122.11"),
        }  # fmt: skip

    def test_of_another_is_refused(self, host: Host, libvirt: FakeConnection) -> None:
        libvirt.add(known())
        self.network(libvirt, self.OTHERS)
        with pytest.raises(LightiovError, match=r"VM vm1 cannot have the address 192.168.122.19.*to vm9"):
            make(host, vm(address="192.168.122.19"))

    def test_in_one_scope_only(self, host: Host, libvirt: FakeConnection) -> None:
        libvirt.add(known())
        network = self.network(libvirt, f"<host mac='{MAC}' name='vm1' ip='192.168.122.11'/>")
        network.hosts[LIVE] = []
        assert act(host, vm(address="192.168.122.11")) == [("lease", "192.168.122.11")]
        assert network.leases(LIVE) == network.leases(CONFIG)

    def test_network_that_is_off(self, host: Host, libvirt: FakeConnection) -> None:
        libvirt.add(known())
        network = self.network(libvirt, active=False, autostart=False)
        assert act(host, vm(address="192.168.122.11")) == [
            ("lease", "192.168.122.11"), ("start", "default"), ("autostart", "default"),
        ]  # fmt: skip
        assert network.leases(LIVE) == [(MAC, "vm1", "192.168.122.11")]

    def test_of_a_vm_in_another_network_is_not_for_this_one(self, host: Host, libvirt: FakeConnection) -> None:
        libvirt.add(known(network="bridged"))
        libvirt.networks.clear()
        assert act(host, vm(address="10.0.0.7")) == []

    def test_network_that_is_not_there(self, host: Host, images: Path, libvirt: FakeConnection) -> None:
        libvirt.networks.clear()
        with pytest.raises(LightiovError, match=r"Network default does not exist in libvirt: .*lightiov_vm_network"):
            make(host, vm())
        assert make(host, vm(), predict=True).steps
        assert make(host, vm(), network="").steps

    def test_that_the_network_refuses(
        self, host: Host, libvirt: FakeConnection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: Any) -> None:
            raise LibvirtError(27, "XML error: Invalid IP address in static host definition for network 'default'")

        libvirt.add(known())
        monkeypatch.setattr(FakeNetwork, "update", refuse)
        with pytest.raises(LightiovError, match=r"correct the address of vm1 in lightiov_vms.*\(XML error: Invalid IP"):
            act(host, vm(address="x"))


class TestSleep:
    QEMU = "http://libvirt.org/schemas/domain/qemu/1.0"
    NATIVE = f"<commandline xmlns='{QEMU}'><arg value='{_libvirt_xml.NATIVE_HOTPLUG}'/></commandline>"
    OTHER = f"<commandline xmlns='{QEMU}'><arg value='-no-hpet'/></commandline>"

    @pytest.mark.parametrize(
        ("machine", "more", "uuids", "warned"),
        [
            ("pc-q35-10.0", "", [U1], True),
            ("pc-q35-10.0", OTHER, [U1], True),
            ("pc-q35-10.0", NATIVE, [U1], False),
            ("pc-q35-10.0", "<pm><suspend-to-mem enabled='no'/></pm>", [U1], False),
            ("pc-q35-10.0", "", [], False),
            ("pc-i440fx-10.0", "", [U1], False),
        ],
    )
    @pytest.mark.usefixtures("mdevs")
    def test_domain_that_keeps_its_devices_after_it(
        self, host: Host, libvirt: FakeConnection, *, machine: str, more: str, uuids: list[str], warned: bool
    ) -> None:
        domain = known()
        added = f"<added><os><type machine='{machine}'>hvm</type></os>{more}</added>"
        domain.config.extend(_libvirt_xml.ET.fromstring(added))
        libvirt.add(domain)
        found = make(host, vm(mdevs=uuids)).warnings
        assert ["No LightIOV disk can be taken from vm1 after sleep" in one for one in found] == [True] * warned
