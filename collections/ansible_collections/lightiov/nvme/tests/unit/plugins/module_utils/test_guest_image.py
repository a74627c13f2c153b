# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils import _guest_boot, _guest_image
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._guest_image import Driver, GuestImage
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._plan import Plan
from fake_host import FakeHost

IMAGE = GuestImage("/images/debian-13.qcow2", "qcow2")
PACKAGES = "/usr/local/src/lightiov"
VERSION = "0.2.0+aaaabbbbcccc"
QEMU_IMG = f"""#!{sys.executable}
import pathlib, sys
*options, source, target = sys.argv[1:]
source_format, target_format = (options[options.index(option) + 1] for option in ("-f", "-O"))
assert (options[0], target_format, "-T" in options) == ("convert", "raw", source.endswith("/dev/base"))
pathlib.Path(target).write_text(f"{{source_format}} of " + pathlib.Path(source).read_text())
"""
NSPAWN = f"""#!{sys.executable}
import pathlib, sys
option = dict(argument.split("=", 1) for argument in sys.argv if "=" in argument)
root = pathlib.Path(__file__).parents[1]
if "--bind" in option:
    assert "--read-only" in sys.argv
    boot = pathlib.Path(option["--bind"].split(":")[0])
    for name in ("vmlinuz", "initrd.img"):
        (boot / name).write_text(name)
    if (root / "no-menu").exists():
        sys.exit("cp: cannot stat '/boot/grub/grub.cfg': No such file or directory")
    (boot / "grub.cfg").write_text("  linux /vmlinuz root=UUID=7 ro  quiet $vt\\n  linux /old root=/dev/sda1\\n")
    sys.exit()
if (root / "no-kernel").exists():
    sys.exit("there is no package of the driver for its kernel 6.1.0-41-amd64")
with open(option["--image"], "a") as image:
    packages = pathlib.Path(option["--bind-ro"].split(":")[0]).glob(f"*_{{sys.argv[-1]}}_*")
    image.write(" with " + ", ".join(path.name for path in packages))
"""


@pytest.fixture
def tools(fake: FakeHost) -> FakeHost:
    """A host with an image, a package of the driver, and tools that write down what they do."""
    for name, text in {"qemu-img": QEMU_IMG, "systemd-nspawn": NSPAWN}.items():
        tool = fake.bin / name
        tool.write_text(text)
        tool.chmod(0o755)
    fake.write(IMAGE.path, "Debian")
    package(fake)
    return fake


def package(fake: FakeHost, version: str = VERSION) -> str:
    name = f"lightiov-guest-6.12.57+deb13-amd64_{version}_amd64.deb"
    fake.write(f"{PACKAGES}/{name}", "driver")
    return name


def plan(host: Host, *images: GuestImage, version: str = VERSION, predict: bool = False) -> Plan:
    return _guest_image.plan(host, images or (IMAGE,), Driver(version, PACKAGES), "/images", predict=predict)


def make(host: Host, *images: GuestImage, version: str = VERSION) -> list[str]:
    made = plan(host, *images, version=version)
    for step in made.steps:
        step.run()
    return [step.object for step in made.steps]


def test_copy_has_the_driver_and_the_image_does_not(host: Host, tools: FakeHost) -> None:
    package(tools, "0.1.0+000011112222")
    (copy,) = make(host)
    assert tools.read(copy) == f"qcow2 of Debian with {package(tools)}"
    assert tools.read(IMAGE.path) == "Debian"
    assert tools.path(copy).stat().st_mode & 0o777 == 0o600
    assert plan(host).returned["images"] == {IMAGE.path: {"path": copy, "format": "raw"}}


def test_one_for_each_image_and_version(host: Host, tools: FakeHost) -> None:
    other = GuestImage("/images/other.raw", "raw")
    tools.write(other.path, "Other")
    first = make(host, IMAGE, other, IMAGE)
    assert len(first) == 2
    assert make(host, IMAGE, other) == []
    package(tools, "0.3.0+ddddeeeeffff")
    assert len(make(host, version="0.3.0+ddddeeeeffff")) == 1
    assert all(tools.path(copy).exists() for copy in first), "a root disk may be an overlay of it"


def test_image_replaced_under_its_name_is_another(host: Host, tools: FakeHost) -> None:
    (first,) = make(host)
    os.utime(tools.path(IMAGE.path), (1, 1))
    (second,) = make(host)
    assert first != second


def test_device_is_known_by_how_it_begins(host: Host, fake: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "is_block_device", lambda path: True)
    device = GuestImage("/dev/base", "raw")
    found = []
    for content in ("partition table", "partition table", "another table"):
        fake.write(device.path, content)
        found.append(device.identity(host))
    assert found[0] == found[1] != found[2]


def test_device_is_read_past_the_page_cache(host: Host, tools: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "is_block_device", lambda path: True)
    device = GuestImage("/dev/base", "raw")
    tools.write(device.path, "Debian")
    (copy,) = make(host, device)  # the fake qemu-img wants `-T none` for it
    assert tools.read(copy).startswith("raw of Debian with")


def test_copy_that_fails_is_none(host: Host, tools: FakeHost) -> None:
    tools.write("/no-kernel", "")
    with pytest.raises(
        LightiovError, match=r"debian-13.qcow2 .*no package .* 6.1.0-41-amd64.*: add .* lightiov_guest_kernels"
    ):
        make(host)
    assert list(tools.path("/images").glob("lightiov-*")) == []
    tools.path("/no-kernel").unlink()
    (copy,) = make(host)
    assert tools.read(copy).startswith("qcow2 of Debian with")
    assert list(tools.path("/images").glob(".*")) == []


BOOTED = GuestImage(IMAGE.path, IMAGE.format, boot=True)


def test_what_it_boots_is_taken_out_of_the_copy(host: Host, tools: FakeHost) -> None:
    (copy,) = make(host)
    (boot,) = make(host, BOOTED)
    assert boot == copy.replace(".raw", ".boot")
    assert plan(host, BOOTED).steps == []
    found = plan(host, BOOTED).returned["images"][IMAGE.path]["boot"]
    assert found == {"kernel": f"{boot}/vmlinuz", "initrd": f"{boot}/initrd.img", "arguments": "root=UUID=7 ro quiet"}
    assert tools.read(found["kernel"]) == "vmlinuz"
    assert "boot" not in plan(host).returned["images"][IMAGE.path]


def test_what_it_boots_is_returned_by_the_run_that_takes_it_out(host: Host, tools: FakeHost) -> None:
    made = plan(host, BOOTED)
    assert [step.action for step in made.steps] == ["make_image", "extract_boot"]
    for step in made.steps:
        step.run()
    assert made.returned == plan(host, BOOTED).returned


def test_what_it_boots_is_whole_or_not_there(host: Host, tools: FakeHost) -> None:
    tools.write("/no-menu", "")
    with pytest.raises(LightiovError, match=r"cannot stat '/boot/grub/grub.cfg'.*: have a kernel, its initramfs"):
        make(host, BOOTED)
    assert list(tools.path("/images").glob("*.boot")) == []
    tools.path("/no-menu").unlink()
    (boot,) = make(host, BOOTED)
    assert sorted(path.name for path in tools.path("/images").glob(".*")) == []
    assert len(list(tools.path(boot).iterdir())) == 4


@pytest.mark.parametrize(
    ("menu", "found"),
    [
        (
            "linux /vmlinuz root=LABEL=a rw 'slub_debug=FZP,kmalloc-*' ${extra}\n",
            "root=LABEL=a rw slub_debug=FZP,kmalloc-*",
        ),
        (
            "\tlinuxefi\t/boot/vmlinuz-6.12 root=PARTUUID=1-2 ro console=ttyS0,115200",
            "root=PARTUUID=1-2 ro console=ttyS0,115200",
        ),
        ("linux /vmlinuz root=/dev/disk/by-uuid/1 ro", "root=/dev/disk/by-uuid/1 ro"),
        ("linux /vmlinuz root=/dev/vda1 ro", None),
        ("linux /vmlinuz", None),
        ("initrd /initrd.img", None),
    ],
)
def test_arguments_are_those_of_the_first_entry(menu: str, found: str | None) -> None:
    if found:
        assert _guest_boot.arguments(menu, "/a.raw") == found
    else:
        with pytest.raises(LightiovError, match=r"GRUB in /a.raw does not name the root file system by what is on it"):
            _guest_boot.arguments(menu, "/a.raw")


@pytest.mark.parametrize("missing", [IMAGE.path, f"{PACKAGES}/lightiov-guest-6.12.57+deb13-amd64_{VERSION}_amd64.deb"])
def test_refused_before_anything_is_made(host: Host, tools: FakeHost, missing: str) -> None:
    tools.path(missing).unlink()
    before = tools.snapshot()
    with pytest.raises(LightiovError, match=str(Path(missing).parent)):
        make(host)
    assert tools.snapshot() == before


def test_check_mode_takes_the_package_as_built(host: Host, tools: FakeHost) -> None:
    tools.path(f"{PACKAGES}/{package(tools)}").unlink()
    made = plan(host, predict=True)
    assert [step.action for step in made.steps] == ["make_image"]
    assert [unmet.until for unmet in made.unmet] == ["packages"]
