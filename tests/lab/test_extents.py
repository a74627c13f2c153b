# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks that are slices of namespaces: who gets which, what their owners see of it, and that nobody reaches beside."""

from __future__ import annotations

import json
import secrets
import shlex
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from passthrough import GIB_BLOCKS, MIB_BLOCKS, Controller, Extent, Mdev, mib, under_load

from lab import Host, Program, wait_until

# Seeds count from here: what an earlier run of the tests left on the disks does not pass for what this one wrote.
SEEDS = secrets.randbits(48)
MIB = 1 << 20
NOBODY = "00000000-0000-0000-0000-000000000000"
ENOUGH = "/run/enough-extents"
# What lies beside the slices, and how it is told from what is in them.
BESIDE = b"untouched\n"
LOOK = """
import struct, sys
data = sys.stdin.buffer.read()
beside = ({beside!r} * (len(data) // {length} + 1))[:len(data)]
for lba in range(len(data) // 512):
    block = data[lba * 512:lba * 512 + 512]
    for first, count, seed in {slices}:
        if first <= lba < first + count:
            assert struct.unpack("<8s2Q", block[:24]) == (b"LIOVPATT", seed, lba - first), lba
            break
    else:
        assert block == beside[lba * 512:lba * 512 + 512], lba
print("looked at", len(data) // 512)
"""


@contextmanager
def said(host: Host, *sentences: str) -> Iterator[None]:
    """The kernel's log says each of these meanwhile."""
    log = len(host.kernel_log())
    yield
    lines = "\n".join(host.kernel_log()[log:])
    for sentence in sentences:
        assert sentence in lines, lines


def refused(mdev: Mdev, extent: object, errno: str, sentence: str) -> None:
    before = mdev.read("extents")
    with said(mdev.host, sentence):
        done = mdev.write("extent", extent, check=False)
        assert errno in done.stderr, (extent, done.stderr)
    assert mdev.read("extents") == before


def tables(holder: Program) -> list[dict]:
    """What `liov hold` said of its disks, at first and with each event."""
    whole, _, _ = holder.output().rpartition("\n")
    return [json.loads(line) for line in whole.splitlines() if line.startswith("{")]


def disks(table: dict) -> dict[str, dict]:
    return {disk["extent_id"]: disk for disk in table["namespaces"]}


def wait_for_table(holder: Program, condition: Callable[[dict[str, dict]], object], what: str) -> dict[str, dict]:
    """It sleeps until it hears of an event: that it prints one at all shows that the event came."""
    wait_until(lambda: condition(disks(tables(holder)[-1])), what)
    return disks(tables(holder)[-1])


def verified(mdev: Mdev, extent: Extent, seed: int, options: str = "--count 2048") -> None:
    mdev.liov("verify", f"--disk {extent.id} --seed {SEEDS + seed} {options} --yes-destroy-data")


def still_verified(mdev: Mdev, extent: Extent, seed: int, options: str = "--count 2048") -> None:
    mdev.liov("verify", f"--disk {extent.id} --seed {SEEDS + seed} {options} --check-only")


class TestRefusals:
    def test_what_others_have(self, controller: Controller) -> None:
        other = controller.mdev_of(mib(1, 8, 8, name="theirs"))
        mdev = controller.mdev_of(mib(1, 32, 8, name="ours"))
        for taken in (mib(1, 8, 8), mib(1, 0, 9), mib(1, 15, 1), mib(1, 15, 9), mib(1, 4, 16), Extent(1)):
            refused(mdev, taken, "busy", f"overlaps extent theirs of device {other.uuid}")
        refused(mdev, mib(1, 39, 2), "busy", f"overlaps extent ours of device {mdev.uuid}")
        # Beside them, and elsewhere, there is room.
        for free in (mib(1, 0, 8), mib(1, 16, 16), mib(2, 8, 8)):
            mdev.write("extent", free)
        assert [line.slot for line in mdev.extents().values()] == [0, 1, 2, 3]
        whole = controller.mdev_of(Extent(3))
        refused(mdev, mib(3, 0, 1), "busy", f"of device {whole.uuid}")
        assert controller.namespaces() == dict.fromkeys(range(4, 9), "-") | {
            1: "2mdevs",
            2: mdev.uuid,
            3: whole.uuid,
        }

    def test_what_the_namespace_does_not_have(self, controller: Controller) -> None:
        mdev = controller.mdev_of()
        last = (1 << 64) - MIB_BLOCKS
        for first, count in (
            (GIB_BLOCKS - MIB_BLOCKS, 2 * MIB_BLOCKS),
            (GIB_BLOCKS, MIB_BLOCKS),
            (0, GIB_BLOCKS + MIB_BLOCKS),
            (last, MIB_BLOCKS),
            (MIB_BLOCKS, last),
        ):
            refused(mdev, Extent(1, first, count), "out of range", "ends beyond namespace 1")
        refused(mdev, Extent(99), "No such device", "has no active namespace 99")
        mdev.write("extent", Extent(1, GIB_BLOCKS - MIB_BLOCKS, MIB_BLOCKS))

    def test_what_is_not_aligned(self, controller: Controller) -> None:
        mdev = controller.mdev_of()
        granularity = controller.granularity(1)
        assert granularity % 4096 == 0
        blocks = granularity // 512
        for first, count in ((1, blocks), (blocks - 1, blocks), (0, blocks + 1), (blocks // 2, blocks)):
            refused(mdev, Extent(1, first, count), "Invalid argument", "is not aligned")
        mdev.write("extent", Extent(1, blocks, blocks))

    def test_more_than_the_table_holds(self, controller: Controller) -> None:
        mdev = controller.mdev_of(*(mib(1, number, 1) for number in range(32)))
        refused(mdev, mib(1, 32, 1), "Argument list too long", "can have no more")
        with mdev.held() as holder:
            assert len(disks(tables(holder)[0])) == 32
        mdev.write("release", next(iter(mdev.extents())))
        mdev.write("extent", mib(1, 32, 1))

    def test_another_namespace_than_was_meant(self, controller: Controller) -> None:
        large, _ = controller.host.spec.controllers
        mdev = controller.mdev_of()
        right, wrong = large.namespace_identity(1), large.namespace_identity(2)
        refused(mdev, replace(mib(1, 0, 1), eui=wrong), "No such device", f"is eui.{right}, not eui.{wrong}")
        refused(mdev, replace(mib(1, 0, 1), eui=right[:16]), "No such device", "it was replaced")
        extent = replace(mib(1, 0, 1), eui=right)
        mdev.write("extent", extent)
        assert mdev.extents()[extent.id].identity == f"eui.{right}"

    def test_another_controller_than_was_meant(self, controller: Controller) -> None:
        mdev = controller.create_bare()
        refused(mdev, mib(1, 0, 1), "No data available", "write the attribute serial first")
        mdev.write("serial", controller.serial)
        mdev.write("extent", mib(1, 0, 1))

    def test_nonsense(self, controller: Controller) -> None:
        mdev, id_ = controller.mdev_of(), str(uuid.uuid4())
        for nonsense in (
            "",
            "nsid=1",
            f"id={id_}",
            f"id={NOBODY},nsid=1",
            f"id={id_}0,nsid=1",
            f"id={id_},nsid=1,nsid=2",
            f"id={id_},nsid=1,first=0",
            f"id={id_},nsid=1,count=2048",
            f"id={id_},nsid=1,first=0,count=0",
            f"id={id_},nsid=1,first=-1,count=8",
            f"id={id_},nsid=1,read_only=1",
            f"id={id_},nsid=1,name=",
            f"id={id_},nsid=1,name={'x' * 65}",
            f"id={id_},nsid=1,name=two words",
            f"id={id_},nsid=1,eui=12",
            f"id={id_},nsid=1,size=12",
            f"id={id_},nsid=1,,",
        ):
            refused(mdev, nonsense, "Invalid argument", "extent is not valid")
        for attribute in ("release", "remove_extent"):
            assert "No such file" in mdev.write(attribute, id_, check=False).stderr
            assert "Invalid argument" in mdev.write(attribute, "1", check=False).stderr


class TestData:
    def test_each_pattern_is_in_its_slice_only(self, controller: Controller) -> None:
        """Two owners on one namespace at once, and then what is really on the media, as the stock driver reads it."""
        look_at = 64
        controller.bind("")
        device = controller.block_device(1)
        controller.host.run(
            f"yes untouched | head -c {look_at * MIB} | dd of={device} bs=1M iflag=fullblock oflag=direct status=none"
        )
        controller.bind("lightiov")
        slices = [mib(1, 1, 15), mib(1, 16, 8), mib(1, 40, 8)]
        mdevs = [controller.mdev_of(*slices[:2], queue_pairs=2), controller.mdev_of(slices[2], queue_pairs=2)]
        writers = [
            mdevs[0].start("verify", f"--disk {slices[1].id} --seed {SEEDS + 1} --queues 2 --yes-destroy-data"),
            mdevs[1].start("verify", f"--seed {SEEDS + 2} --queues 2 --yes-destroy-data"),
        ]
        assert [writer.wait() for writer in writers] == [0, 0], "\n".join(writer.output() for writer in writers)
        verified(mdevs[0], slices[0], 0, "--queues 2")
        still_verified(mdevs[1], slices[2], 2, "")
        refused_ = mdevs[1].liov("read", f"--lba {slices[2].count} --count 1", check=False)
        assert refused_.returncode == 2
        assert f"disk {slices[2].id} ends at LBA {slices[2].count}" in refused_.stderr
        controller.remove_mdevs()

        controller.bind("")
        expected = [(slice_.first, slice_.count, SEEDS + seed) for seed, slice_ in enumerate(slices)]
        program = LOOK.format(beside=BESIDE, length=len(BESIDE), slices=expected)
        found = controller.host.run(
            f"head -c {look_at * MIB} {controller.block_device(1)} | python3 -c {shlex.quote(program)}"
        )
        assert found.stdout.split() == ["looked", "at", str(look_at * MIB_BLOCKS)]

    def test_a_disk_has_its_name(self, controller: Controller) -> None:
        system, data = mib(1, 0, 4, name="system"), mib(1, 8, 4, name="data")
        mdev = controller.mdev_of(system, data)
        for name, seed in (("system", 3), ("data", 4)):
            mdev.liov("verify", f"--disk {name} --seed {SEEDS + seed} --yes-destroy-data")
        still_verified(mdev, system, 3, "")
        still_verified(mdev, data, 4, "")
        nobody = mdev.liov("read", "--disk swap --count 1", check=False)
        assert nobody.returncode == 2
        assert "no disk of the name swap" in nobody.stderr

    def test_many_read_what_nobody_writes(self, controller: Controller) -> None:
        image = mib(1, 0, 8)
        maker = controller.mdev_of(image)
        verified(maker, image, 5, "")
        reader = mib(1, 0, 8, read_only=True)
        refused(controller.mdev_of(), reader, "busy", "overlaps extent")
        maker.remove()
        readers = {extent.id: controller.mdev_of(extent) for extent in (replace(reader, id=str(uuid.uuid4())),
                                                                        replace(reader, id=str(uuid.uuid4())),
                                                                        mib(1, 4, 8, read_only=True))}  # fmt: skip
        for id_, mdev in readers.items():
            assert mdev.extents()[id_].flags == {"read_only"}
            (disk,) = json.loads(mdev.liov("identify", "--json").stdout)["namespaces"]
            assert disk["read_only"]
            forbidden = mdev.liov("blank", "--yes-destroy-data", check=False)
            assert forbidden.returncode == 1
            assert "is read-only" in forbidden.stderr
        first, second, _ = readers.values()
        checks = [mdev.start("verify", f"--seed {SEEDS + 5} --check-only") for mdev in (first, second)]
        assert [check.wait() for check in checks] == [0, 0], checks[0].output() + checks[1].output()
        refused(controller.mdev_of(), mib(1, 0, 1), "busy", "overlaps extent")
        refused(first, mib(1, 7, 1), "busy", "overlaps extent")
        assert controller.namespaces()[1] == "3mdevs"


class TestLive:
    """The table of a device that is open changes, its owner hears of it, and no other disk notices."""

    def test_a_disk_comes_grows_and_goes(self, controller: Controller) -> None:
        mdev, extent = controller.mdev_of(), mib(1, 8, 4, name="data")
        with mdev.held("--let-go") as holder:
            assert disks(tables(holder)[0]) == {}
            mdev.write("extent", extent)
            disk = wait_for_table(holder, lambda found: extent.id in found, "the disk")[extent.id]
            assert (disk["slot"], disk["nsid"], disk["slice"]) == (0, 1, True)
            assert (disk["start_lba"], disk["lba_count"]) == (extent.first, extent.count)
            listed = mdev.extents()[extent.id]
            assert (listed.first, listed.count, listed.name) == (str(extent.first), str(extent.count), "data")

            larger = replace(extent, count=2 * extent.count)
            mdev.write("extent", larger)
            wait_for_table(holder, lambda found: found[extent.id]["lba_count"] == larger.count, "the disk to be larger")
            generation = tables(holder)[-1]["generation"]
            # The same again is no change.
            mdev.write("extent", larger)
            for other in (
                extent,
                replace(larger, first=0),
                replace(larger, nsid=2),
                replace(larger, read_only=True),
                Extent(1, id=extent.id),
            ):
                refused(mdev, other, "Invalid argument", "can grow at its end and not change otherwise")
            neighbour = controller.mdev_of(mib(1, 16, 4))
            refused(mdev, replace(extent, count=3 * extent.count), "busy", f"of device {neighbour.uuid}")
            refused(mdev, replace(extent, count=GIB_BLOCKS), "out of range", "ends beyond namespace 1")
            refused(mdev, replace(extent, count=extent.count * 2 + 1), "Invalid argument", "is not aligned")
            time.sleep(1)
            assert tables(holder)[-1]["generation"] == generation

            mdev.write("release", extent.id)
            holder.wait_for_output(f"let go of {extent.id}")
            wait_for_table(holder, lambda found: not found, "an empty table")
            assert mdev.extents() == {}
        controller.mdev_of(mib(1, 8, 8))

    def test_the_other_disks_do_not_notice(self, controller: Controller) -> None:
        busy, other = mib(1, 0, 64), mib(1, 64, 4)
        mdev = controller.mdev_of(busy, queue_pairs=2)
        load = under_load(mdev, f"--disk {busy.id} --queues 2 --seconds 600")
        resets, created = mdev.statistic("resets"), mdev.statistic("queues_created")
        for count in (4, 8, 12):
            mdev.write("extent", replace(other, count=count * MIB_BLOCKS))
        mdev.write("extent", replace(busy, id=str(uuid.uuid4()), nsid=2))
        mdev.write("release", other.id)
        mdev.write("release", f"cancel={other.id}")
        before = mdev.statistic("interrupts")
        wait_until(lambda: mdev.statistic("interrupts") > before + 50, "I/O to go on")
        assert load.running(), load.output()
        assert (mdev.statistic("resets"), mdev.statistic("queues_created")) == (resets, created)
        load.signal("TERM")
        assert load.wait() == 0, load.output()
        verified(mdev, other, 6)

    def test_a_disk_stays_while_it_is_held(self, controller: Controller) -> None:
        mdev, extent = controller.mdev_of(mib(1, 0, 4)), mib(1, 8, 4)
        mdev.write("extent", extent)
        other = controller.mdev_of()
        with mdev.held() as holder:
            mdev.write("release", extent.id)
            wait_for_table(holder, lambda found: found[extent.id]["asked"], "the question")
            assert mdev.extents()[extent.id].flags == {"asked"}
            time.sleep(1)
            refused(other, replace(extent, id=str(uuid.uuid4())), "busy", f"of device {mdev.uuid}")
            mdev.write("release", f"cancel={extent.id}")
            wait_for_table(holder, lambda found: not found[extent.id]["asked"], "the question's end")
            assert mdev.extents()[extent.id].flags == frozenset()
        # It was not asked for when its owner went.
        assert extent.id in mdev.extents()
        verified(mdev, extent, 7)

    def test_whoever_goes_has_let_go(self, controller: Controller) -> None:
        kept, asked = mib(1, 0, 4), mib(1, 8, 4)
        mdev = controller.mdev_of(kept, asked)
        with mdev.held():
            mdev.write("release", asked.id)
        assert list(mdev.extents()) == [kept.id]
        # Without an owner there is nobody to ask.
        mdev.write("release", kept.id)
        assert mdev.extents() == {}
        assert controller.namespaces()[1] == "-"

    def test_by_force(self, controller: Controller) -> None:
        """The queues go first, so that no command of the former owner comes when another has the blocks."""
        taken, kept = mib(1, 0, 16, name="taken"), mib(1, 16, 16)
        mdev = controller.mdev_of(taken, kept, queue_pairs=2)
        other = controller.mdev_of()
        for disk in (taken, kept):
            if disk is kept:
                mdev.write("extent", taken)
            load = under_load(mdev, f"--disk {disk.id} --queues 2 --seconds 600")
            with said(mdev.host, "extent taken is taken from the VM"):
                mdev.write("remove_extent", taken.id)
            assert list(mdev.extents()) == [kept.id]
            mine = replace(taken, id=str(uuid.uuid4()))
            other.write("extent", mine)
            verified(other, mine, 8, "--queues 1")
            assert load.wait() == 1
            assert "the host deleted its queues" in load.output()
            gone = mdev.liov("bench", f"--disk {taken.id} --seconds 1", check=False)
            assert gone.returncode == 2
            assert f"it has no disk {taken.id}" in gone.stderr
            # What is left of it comes back, and finds what it has only.
            verified(mdev, kept, 9, "--queues 2")
            still_verified(other, mine, 8, "--queues 1")
            other.write("remove_extent", mine.id)

    def test_by_force_from_a_closed_one(self, controller: Controller) -> None:
        extent = mib(1, 0, 4)
        mdev = controller.mdev_of(extent)
        mdev.write("remove_extent", extent.id)
        assert mdev.extents() == {}
        assert controller.namespaces()[1] == "-"

    def test_a_slot_serves_again_once_it_was_seen_empty(self, controller: Controller) -> None:
        first, second, third = mib(1, 0, 4), mib(1, 4, 4), mib(1, 8, 4)
        mdev = controller.mdev_of(first, second)
        with mdev.held("--let-go") as holder:
            mdev.write("release", first.id)
            wait_for_table(holder, lambda found: list(found) == [second.id], "one disk")
            mdev.write("extent", third)
            found = wait_for_table(holder, lambda found: third.id in found, "the third disk")
            assert (found[third.id]["slot"], found[second.id]["slot"]) == (0, 1)
            # Who let go of the first one cannot let go of this by mistake.
            assert [line for line in holder.output().splitlines() if line.startswith("let go")] == [
                f"let go of {first.id}"
            ]
        assert {id_: line.slot for id_, line in mdev.extents().items()} == {third.id: 0, second.id: 1}

    def test_a_disk_without_a_slice_follows_its_namespace(self, controller: Controller) -> None:
        host, extent = controller.host, Extent(2)
        mdev = controller.mdev_of(extent)
        listed = mdev.extents()[extent.id]
        assert (listed.first, listed.count) == ("-", "-")
        with mdev.held() as holder:
            disk = disks(tables(holder)[0])[extent.id]
            assert (disk["start_lba"], disk["lba_count"], disk["slice"]) == (0, GIB_BLOCKS, False)
            for blocks in (GIB_BLOCKS + MIB_BLOCKS, GIB_BLOCKS):
                host.qmp("block_resize", device="nvme0n2", size=blocks * 512)
                wait_for_table(
                    holder, lambda found, blocks=blocks: found[extent.id]["lba_count"] == blocks, f"{blocks} blocks"
                )

    def test_a_namespace_that_ends_before_a_slice_does(self, controller: Controller) -> None:
        host, half = controller.host, 512
        whole, cut, beyond = mib(2, 0, 8), mib(2, half - 4, 8), mib(2, 1000, 8)
        mdev = controller.mdev_of(whole, cut, beyond)
        with mdev.held() as holder:
            host.qmp("block_resize", device="nvme0n2", size=half * MIB)
            try:
                found = wait_for_table(holder, lambda found: found[beyond.id]["gone"], "the last disk to be gone")
                assert not found[whole.id]["gone"]
                assert found[whole.id]["lba_count"] == whole.count
                # What is left of it may be the owner's, what is not there may not.
                assert found[cut.id]["gone"] or found[cut.id]["lba_count"] == 4 * MIB_BLOCKS
                assert "gone" in mdev.extents()[beyond.id].flags
                assert "gone" not in mdev.extents()[whole.id].flags
            finally:
                host.qmp("block_resize", device="nvme0n2", size=GIB_BLOCKS * 512)
            found = wait_for_table(holder, lambda found: not found[beyond.id]["gone"], "the last disk to be back")
            assert [found[extent.id]["lba_count"] for extent in (whole, cut, beyond)] == [8 * MIB_BLOCKS] * 3
            assert not any(disk["gone"] for disk in found.values())
        for seed, extent in enumerate((whole, cut, beyond), start=10):
            verified(mdev, extent, seed)

    def test_while_the_controller_is_reset(self, controller: Controller) -> None:
        host, base = controller.host, mib(1, 0, 16)
        mdev = controller.mdev_of(base, queue_pairs=2)
        host.run(f"rm -f {ENOUGH}")
        extra = mib(1, 32, 4)
        sysfs = mdev.sysfs
        changes = (
            f"echo {extra} > {sysfs}/extent && echo {replace(extra, count=8 * MIB_BLOCKS)} > {sysfs}/extent"
            f" && echo {extra.id} > {sysfs}/release && sleep 0.2"
            # Its owner, who was asked for it, may end between the look and the deed.
            f" && {{ ! grep -q {extra.id} {sysfs}/extents || echo {extra.id} > {sysfs}/remove_extent"
            f" || ! grep -q {extra.id} {sysfs}/extents; }}"
        )
        loops = [
            Program(host, f"sh -c 'until [ -e {ENOUGH} ]; do {changes} || exit 1; done'"),
            Program(
                host,
                f"sh -c 'until [ -e {ENOUGH} ]; do liov bench {mdev.uuid} --disk {base.id} --queues 2 --seconds 1"
                " || [ $? -lt 128 ] || exit 1; done'",
            ),
        ]
        for _ in range(10):
            host.run(f"echo 1 > {controller.sysfs}/lightiov/reset_controller")
            time.sleep(0.5)
        host.run(f"touch {ENOUGH}")
        assert [loop.wait() for loop in loops] == [0, 0], "\n".join(loop.output() for loop in loops)
        failures = [line for line in loops[1].output().splitlines() if line.startswith("liov:")]
        assert all("reset" in failure for failure in failures), "\n".join(failures)
        assert controller.read("state") == "live"
        assert list(mdev.extents()) == [base.id]
        verified(mdev, base, 13, "--queues 2 --count 8192")


class TestWithoutDisks:
    def test_an_mdev_can_be_open(self, controller: Controller) -> None:
        mdev = controller.mdev_of()
        assert mdev.extents() == {}
        assert json.loads(mdev.liov("identify", "--json").stdout)["namespaces"] == []
        with mdev.held():
            assert mdev.read("state") == "ready"
        nothing = mdev.liov("read", "--count 1", check=False)
        assert nothing.returncode == 2
        assert "it has no disk" in nothing.stderr

    def test_closing_frees_nothing_and_removal_all(self, controller: Controller) -> None:
        extents = [mib(1, 0, 4), mib(1, 8, 4), Extent(2)]
        mdev = controller.mdev_of(*extents)
        with mdev.held():
            pass
        assert list(mdev.extents()) == [extent.id for extent in extents]
        mdev.remove()
        assert set(controller.namespaces().values()) == {"-"}
        other = controller.mdev_of(*extents)
        assert list(other.extents()) == [extent.id for extent in extents]


class TestVersionBefore:
    """What definitions and clients of the version before write and read."""

    def test_its_attribute(self, controller: Controller) -> None:
        large, _ = controller.host.spec.controllers
        mdev = controller.mdev(f"1={large.wwid(1)},3")
        lines = mdev.read("extents").splitlines()
        assert [line.split()[:6] for line in lines] == [
            ["0", NOBODY, "1", large.wwid(1), "-", "-"],
            ["1", NOBODY, "3", "-", "-", "-"],
        ]
        assert mdev.read("namespaces") == f"1={large.wwid(1)} 3"
        disks_ = json.loads(mdev.liov("identify", "--json").stdout)["namespaces"]
        assert [(disk["nsid"], disk["extent_id"], disk["slice"]) for disk in disks_] == [(1, "", False), (3, "", False)]

        # Slices are nothing that it knows; writing it replaces them all the same.
        slice_ = mib(2, 0, 4)
        mdev.write("extent", slice_)
        assert mdev.read("namespaces") == f"1={large.wwid(1)} 3"
        assert "busy" in controller.mdev("4").write("namespaces", "2", check=False).stderr
        mdev.write("namespaces", "3")
        assert mdev.read("namespaces") == "3"
        assert slice_.id not in mdev.extents()
        with mdev.held():
            assert "busy" in mdev.write("namespaces", "2", check=False).stderr
        assert mdev.read("namespaces") == "3"

    def test_its_definition_becomes_one_of_extents(self, controller: Controller) -> None:
        """The same disk under an ID, once the namespace has been given back."""
        mdev = controller.mdev("1")
        mdev.liov("verify", f"--seed {SEEDS + 14} --count 2048 --yes-destroy-data")
        mdev.write("namespaces", "")
        whole = Extent(1)
        mdev.write("extent", whole)
        still_verified(mdev, whole, 14)
