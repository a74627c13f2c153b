# SPDX-License-Identifier: GPL-3.0-or-later
"""What liov promises about data, on a real controller, kernel and tools."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from passthrough import MIB_BLOCKS, Controller, Mdev, mib

from lab import Host

IMAGE = "/root/liov-image"
COPY = "/root/liov-copy"


@pytest.fixture
def prepared(controller: Controller) -> Iterator[Host]:
    """The host, with an image of 4 MiB and some bytes; what a test leaves in files goes."""
    controller.host.run(f"{{ head -c 4M /dev/urandom; echo the end; }} > {IMAGE}")
    yield controller.host
    controller.host.run(f"rm -f {IMAGE}* {COPY}*")


@pytest.fixture
def mdev(controller: Controller) -> Mdev:
    return controller.mdev("6")


def blank(controller: Controller, nsid: int) -> None:
    """Through the stock driver, before it is an mdev's."""
    controller.bind("")
    controller.host.run(f"blkdiscard --zeroout {controller.block_device(nsid)}")
    controller.bind("lightiov")


class TestConsent:
    def test_a_blank_namespace_needs_none(self, controller: Controller, prepared: Host) -> None:
        blank(controller, 6)
        mdev = controller.mdev("6")
        prepared.run(f"liov copy-in {mdev.uuid} {IMAGE} && liov copy-out {mdev.uuid} {COPY}")
        prepared.run(f"cmp {IMAGE} {COPY} -n $(stat -c %s {IMAGE})")
        assert prepared.run(f"stat -c '%a %s' {COPY}").stdout.split() == ["600", str(1 << 30)]
        refused = mdev.liov("copy-in", IMAGE, check=False)
        assert refused.returncode == 2
        assert "it has data from LBA 0 on; add --yes-destroy-data" in refused.stderr
        mdev.liov("copy-in", f"{IMAGE} --yes-destroy-data")

    @pytest.mark.parametrize(
        ("name", "make"),
        [
            ("ext4", "mkfs.ext4 -q {}"),
            ("LVM2_member", "pvcreate -q {}"),
            ("swap", "mkswap -q {}"),
            ("dos", "printf '\\125\\252' | dd of={} bs=1 seek=510 status=none"),
        ],
    )
    def test_the_refusal_names_what_is_there(
        self, controller: Controller, prepared: Host, name: str, make: str
    ) -> None:
        controller.bind("")
        device = controller.block_device(6)
        prepared.run(f"wipefs -qa {device} && blkdiscard --zeroout {device} && {make.format(device)} && sync")
        controller.bind("lightiov")
        refused = controller.mdev("6").liov("copy-in", IMAGE, check=False)
        assert refused.returncode == 2
        assert f"namespace 0 is not blank, it has data of {name} from LBA" in refused.stderr

    def test_one_of_several_namespaces_is_named(self, controller: Controller, prepared: Host) -> None:
        mdev = controller.mdev("6 7")
        for command, options in (("copy-in", IMAGE), ("copy-out", COPY), ("verify", "--yes-destroy-data")):
            refused = mdev.liov(command, options, check=False)
            assert refused.returncode == 2
            assert "it has 2 namespaces; say which with --namespace" in refused.stderr
        assert prepared.run(f"ls {COPY}", check=False).returncode != 0
        with mdev.held():
            pass


class TestImages:
    @pytest.mark.parametrize("format_", ["qcow2", "vmdk", "vdi", "vhdx", "vpc", "vpc -o subformat=fixed"])
    def test_what_qemu_img_makes_is_not_copied_as_it_is(self, mdev: Mdev, prepared: Host, format_: str) -> None:
        prepared.run(f"qemu-img convert -f raw -O {format_} {IMAGE} {IMAGE}.other")
        refused = mdev.liov("copy-in", f"{IMAGE}.other --yes-destroy-data", check=False)
        assert refused.returncode == 2
        convert = f"qemu-img convert -f {format_.split(maxsplit=1)[0]} -O raw"
        assert f"not a raw image; make it raw first ({convert} IMAGE RAW)" in refused.stderr
        prepared.run(f"{convert} {IMAGE}.other {IMAGE}.raw")
        mdev.liov("copy-in", f"{IMAGE}.raw --yes-destroy-data")
        prepared.run(f"liov read {mdev.uuid} --count {4 * MIB_BLOCKS} | cmp -n 4194304 - {IMAGE}")

    @pytest.mark.parametrize("tool", ["gzip", "xz", "bzip2"])
    def test_compressed_ones_are_streamed(self, mdev: Mdev, prepared: Host, tool: str) -> None:
        prepared.run(f"{tool} -c {IMAGE} > {IMAGE}.packed")
        refused = mdev.liov("copy-in", f"{IMAGE}.packed --yes-destroy-data", check=False)
        assert refused.returncode == 2
        assert f"{tool} -dc IMAGE | liov copy-in UUID -" in refused.stderr
        prepared.run(f"{tool} -dc {IMAGE}.packed | liov copy-in {mdev.uuid} - --yes-destroy-data")
        prepared.run(f"liov read {mdev.uuid} --count {4 * MIB_BLOCKS} | cmp -n 4194304 - {IMAGE}")

    def test_a_pipe_that_does_not_fit_is_refused_when_it_turns_out(self, mdev: Mdev, prepared: Host) -> None:
        last = (1 << 30) // 512 - MIB_BLOCKS
        copy = f"cat {IMAGE} | liov write {mdev.uuid} --lba {last} --yes-destroy-data"
        refused = prepared.run(copy, check=False)
        assert refused.returncode == 1
        assert "it goes on after the 1048576 bytes" in refused.stderr
        prepared.run(f"liov read {mdev.uuid} --lba {last} | cmp -n 1048576 - {IMAGE}")


class TestCopyOut:
    def test_a_full_disk_leaves_the_former_file(self, mdev: Mdev, prepared: Host) -> None:
        mdev.liov("copy-in", f"{IMAGE} --yes-destroy-data")
        prepared.run(f"mkdir -p {COPY}.d && mount -t tmpfs -o size=2M none {COPY}.d && echo former > {COPY}.d/image")
        try:
            failed = mdev.liov("copy-out", f"{COPY}.d/image", check=False)
            assert failed.returncode == 1
            assert "No space left on device" in failed.stderr
            assert prepared.run(f"cat {COPY}.d/image; ls -A {COPY}.d").stdout.split() == ["former", "image"]
        finally:
            prepared.run(f"umount {COPY}.d && rmdir {COPY}.d")

    def test_a_block_device_is_large_enough_and_free(self, controller: Controller, prepared: Host) -> None:
        mdev = controller.mdev_of(mib(6, 0, 64))
        mdev.liov("copy-in", f"{IMAGE} --yes-destroy-data")
        prepared.run(f"truncate -s 16M {COPY}.small && truncate -s 64M {COPY}.large")
        attach = f"losetup --find --show {COPY}."
        small, large = (prepared.run(attach + size).stdout.strip() for size in ("small", "large"))
        try:
            refused = mdev.liov("copy-out", small, check=False)
            assert refused.returncode == 2
            assert f"{small}: it has {16 << 20} bytes, and {64 << 20} are to be copied" in refused.stderr
            prepared.run(f"mkfs.ext4 -q {large} && mount {large} /mnt && echo precious > /mnt/file")
            try:
                refused = mdev.liov("copy-out", large, check=False)
                assert refused.returncode == 2
                assert f"{large}: it is in use (mounted" in refused.stderr
                assert prepared.run("cat /mnt/file").stdout.strip() == "precious"
            finally:
                prepared.run("umount /mnt")
            mdev.liov("copy-out", large)
            prepared.run(f"cmp -n 4194304 {large} {IMAGE}")
        finally:
            prepared.run(f"losetup -d {small} {large}")


class TestVerify:
    def test_each_run_has_a_seed_of_its_own(self, mdev: Mdev) -> None:
        first, second = (
            mdev.liov("verify", f"--count {MIB_BLOCKS} --yes-destroy-data").stdout.split()[1] for _ in range(2)
        )
        assert first != second
        mdev.liov("verify", f"--count {MIB_BLOCKS} --seed {second} --check-only")
        failed = mdev.liov("verify", f"--count {MIB_BLOCKS} --seed {first} --check-only", check=False)
        assert failed.returncode == 1
        assert f"holds data of seed {second}" in failed.stderr
