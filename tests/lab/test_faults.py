# SPDX-License-Identifier: GPL-3.0-or-later
"""A controller that fails, hangs or lies: no owner pays for what befell another, and what cannot be is said aloud.

LIGHTIOV_LIES says how many lies a test has to stand (default 100, and 10000 where it is slow).
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import count, cycle

import pytest
from passthrough import GIB_BLOCKS, OWNER, Controller, Extent, Mdev, under_load, verified_all_the_while

from lab import Admin, Fault, Kind, Program, wait_until
from lab.fault import ADMIN, DO_NOT_RETRY

INVALID_FIELD, INTERNAL_ERROR = 0x002, 0x006
CNS_NAMESPACE, CNS_CONTROLLER, CNS_DESCRIPTORS, CNS_CONTROLLER_LIST = 0x00, 0x01, 0x03, 0x13
# Bytes of Identify Controller.
FIRMWARE, MDTS, COMMANDS = 64, 77, 520
NIDT_UUID = 3
LIES = os.environ.get("LIGHTIOV_LIES")
ENOUGH = [int(LIES or 100), pytest.param(int(LIES or 10000), marks=pytest.mark.slow)]
# Admin commands that there are at once, beside the host's request for events.
FULL = 30
# The longest that a controller is waited for, and some for the rest.
WITHOUT_ANSWER = 180
# What a queue of a busy drive may take to go, in seconds: more than an impatient host would wait.
LATE = 12


def works(mdev: Mdev, queues: int = 1) -> None:
    mdev.liov("verify", f"--count 64 --queues {queues} --yes-destroy-data")


def known(mdev: Mdev) -> dict:
    """What the mdev's owner is told."""
    return json.loads(mdev.liov("identify", "--json").stdout)


def described(mdev: Mdev) -> str:
    """The UUID of its only namespace."""
    (namespace,) = known(mdev)["namespaces"]
    return namespace["uuid"]


def resets(controller: Controller) -> int:
    """How often the host has reset a controller since it was booted."""
    return sum("resetting the controller" in line for line in controller.host.kernel_log())


def reset(controller: Controller) -> None:
    controller.host.run(f"echo 1 > {controller.sysfs}/lightiov/reset_controller")
    assert controller.read("state") == "live"


def rescan(controller: Controller) -> None:
    controller.host.run(f"nvme ns-rescan {controller.admin}")


def all_identities(controller: Controller) -> dict[int, str]:
    delivered = controller.host.spec.controllers[0]
    return {nsid: delivered.wwid(nsid) for nsid in range(1, delivered.namespaces + 1)}


class TestQueues:
    def test_creations_go_side_by_side(self, controller: Controller) -> None:
        mdev = controller.mdev("1", 4)
        for command in (Admin.CREATE_CQ, Admin.CREATE_SQ):
            with controller.fault(Fault(Kind.STALL, command=command)):
                holder = mdev.start("hold", "--queues 4")
                wait_until(lambda: controller.faults_played == 4, "the creations")
            holder.wait_for_output("ready")
            holder.signal("TERM")
            assert holder.wait() == 0, holder.output()
        works(mdev, 4)

    def test_a_late_deletion_costs_nobody_a_reset(self, controller: Controller) -> None:
        mdev, neighbour = controller.mdev("1", 2), controller.mdev("2", 2)
        steady, before = under_load(neighbour), resets(controller)
        with mdev.held("--queues 2") as holder:
            with controller.fault(Fault(Kind.STALL, command=Admin.DELETE_SQ)):
                holder.signal("TERM")
                # Both at once, not one after the other.
                wait_until(lambda: controller.faults_played == 2, "the deletions")
                enough = neighbour.statistic("interrupts") + 50
                wait_until(lambda: neighbour.statistic("interrupts") > enough, "the neighbour's I/O")
                time.sleep(LATE)
                assert holder.running()
            assert holder.wait() == 0, holder.output()
        steady.signal("TERM")
        assert steady.wait() == 0, steady.output()
        assert resets(controller) == before
        works(mdev, 2)

    def test_a_deletion_that_is_refused_for_a_while_is_asked_for_again(self, controller: Controller) -> None:
        mdev, before = controller.mdev("1", 2), resets(controller)
        busy = Fault(Kind.STATUS, INTERNAL_ERROR, command=Admin.DELETE_SQ, count=5)
        with controller.fault(busy), mdev.held("--queues 2"):
            pass
        assert controller.faults_played == 5
        assert resets(controller) == before
        works(mdev, 2)

    def test_a_deletion_that_is_refused_for_good_resets_the_controller(self, controller: Controller) -> None:
        mdev, neighbour = controller.mdev("1", 2), controller.mdev("2", 2)
        steady, log = under_load(neighbour), len(controller.host.kernel_log())
        refusal = Fault(Kind.STATUS, INTERNAL_ERROR | DO_NOT_RETRY, command=Admin.DELETE_SQ, count=1)
        with controller.fault(refusal), mdev.held("--queues 2"):
            pass
        assert steady.wait() == 1
        assert "deleted its queues" in steady.output()
        said = "\n".join(controller.host.kernel_log()[log:])
        assert f"controller does not delete queue {mdev.queue_ids()[0]} of {mdev.uuid}" in said
        assert controller.read("state") == "live"
        works(mdev, 2)
        works(neighbour, 2)

    @pytest.mark.parametrize(("command", "ring", "spared"), [(Admin.CREATE_CQ, "CQ", 0), (Admin.CREATE_SQ, "SQ", 1)])
    def test_a_queue_that_cannot_be_created(
        self, controller: Controller, command: Admin, ring: str, spared: int
    ) -> None:
        free, before = controller.read("queue_pairs_free"), resets(controller)
        mdev, log = controller.mdev("1", 2), len(controller.host.kernel_log())
        refusal = Fault(Kind.STATUS, INTERNAL_ERROR | DO_NOT_RETRY, command=command, spared=spared, count=1)
        with controller.fault(refusal):
            refused = mdev.liov("bench", "--queues 2 --seconds 1", check=False)
            assert controller.faults_played == 1
        assert refused.returncode == 2
        assert "the controller refused or did not answer; the kernel log says why" in refused.stderr
        said = "\n".join(controller.host.kernel_log()[log:])
        assert f"controller does not create {ring} {mdev.queue_ids()[spared]} of {mdev.uuid} (status 0x4006)" in said
        assert mdev.statistic("pinned_bytes") == 0
        # Under the same IDs, which the controller would not take for queues that it has.
        works(mdev, 2)
        mdev.remove()
        assert controller.read("queue_pairs_free") == free
        assert resets(controller) == before


class TestIdentify:
    @pytest.fixture
    def third_is_unwell(self) -> Fault:
        """Namespace 3 does not identify itself."""
        return Fault(Kind.STATUS, INTERNAL_ERROR, command=Admin.IDENTIFY, nsid=3, cdw10=CNS_NAMESPACE)

    def test_what_is_known_of_a_namespace_stays(self, controller: Controller, third_is_unwell: Fault) -> None:
        log = len(controller.host.kernel_log())
        with controller.fault(third_is_unwell):
            rescan(controller)
            assert controller.faults_played
        assert controller.identities() == all_identities(controller)
        assert any("namespace 3 does not identify itself" in line for line in controller.host.kernel_log()[log:])

    def test_a_namespace_is_not_left_out_silently(self, controller: Controller, third_is_unwell: Fault) -> None:
        controller.unbind()
        log = len(controller.host.kernel_log())
        with controller.fault(third_is_unwell):
            controller.bind("lightiov")
        assert sorted(controller.namespaces()) == [1, 2, 4, 5, 6, 7, 8]
        assert any("namespace 3 does not identify itself" in line for line in controller.host.kernel_log()[log:])
        rescan(controller)
        assert controller.identities() == all_identities(controller)

    def test_an_identity_that_only_its_descriptors_have_stays(self, controller: Controller) -> None:
        """A UUID; here the first descriptor, of what namespace 1 has as its NGUID, is said to be one."""
        disk = Extent(1)
        opened, closed = controller.mdev_of(disk), controller.mdev_of(Extent(2))
        descriptors = {"command": Admin.IDENTIFY, "cdw10": CNS_DESCRIPTORS}
        try:
            with controller.fault(Fault(Kind.PUT, NIDT_UUID, **descriptors)):
                rescan(controller)
                assert controller.faults_played == 8
            uuids = [described(mdev) for mdev in (opened, closed)]
            assert all(int(uuid, 16) for uuid in uuids), uuids
            log = len(controller.host.kernel_log())
            with opened.held():
                with controller.fault(Fault(Kind.STATUS, INTERNAL_ERROR, **descriptors)):
                    rescan(controller)
                    assert controller.faults_played == 8
                assert not opened.extents()[disk.id].flags
            assert [described(mdev) for mdev in (opened, closed)] == uuids
            assert any("namespace 1 does not identify itself" in line for line in controller.host.kernel_log()[log:])
        finally:
            rescan(controller)
        works(opened)

    def test_a_controller_that_has_no_descriptors(self, controller: Controller) -> None:
        """As those before NVMe 1.3: what they say otherwise is all that there is."""
        controller.unbind()
        log = len(controller.host.kernel_log())
        with controller.fault(Fault(Kind.STATUS, INVALID_FIELD, command=Admin.IDENTIFY, cdw10=CNS_DESCRIPTORS)):
            controller.bind("lightiov")
            rescan(controller)
            assert controller.faults_played == 16
            assert controller.identities() == all_identities(controller)
        assert not any("does not identify itself" in line for line in controller.host.kernel_log()[log:])
        rescan(controller)

    @pytest.mark.parametrize(
        ("at", "value", "name", "other"),
        [
            (FIRMWARE, ord("X"), "firmware", lambda firmware: f"X{firmware[1:]}"),
            (MDTS, 1, "max_transfer", lambda _: 2 * 4096),
            # No Dataset Management any more, nor Write Zeroes.
            (COMMANDS, 0, "features", lambda features: features & 0x01),
        ],
    )
    def test_other_firmware_after_a_reset(
        self, controller: Controller, at: int, value: int, name: str, other: Callable[[object], object]
    ) -> None:
        mdev = controller.mdev("1")
        before, revision = known(mdev), controller.read("firmware")
        with controller.fault(Fault(Kind.PUT, value, command=Admin.IDENTIFY, cdw10=CNS_CONTROLLER, at=at)):
            reset(controller)
            assert controller.faults_played == 1
        after = known(mdev)
        assert after[name] == other(before[name]) != before[name]
        assert controller.read("firmware") == after["firmware"]
        reset(controller)
        assert known(mdev) | {"generation": 0} == before | {"generation": 0}
        assert controller.read("firmware") == revision
        works(mdev)

    def test_what_is_known_of_the_controller_stays(self, controller: Controller) -> None:
        mdev = controller.mdev("1")
        before, log = known(mdev), len(controller.host.kernel_log())
        with controller.fault(Fault(Kind.STATUS, INTERNAL_ERROR, command=Admin.IDENTIFY, cdw10=CNS_CONTROLLER)):
            reset(controller)
            assert controller.faults_played == 1
        assert known(mdev) | {"generation": 0} == before | {"generation": 0}
        said = controller.host.kernel_log()[log:]
        assert any("controller does not identify itself again (status 0x6)" in line for line in said)
        works(mdev)

    @pytest.mark.parametrize("amount", [None, 64], ids=["all", "some"])
    def test_random_data_at_the_start(self, controller: Controller, amount: int | None) -> None:
        """The controller is refused with a sentence, or taken for what it says it is."""
        host, sysfs = controller.host, controller.sysfs
        controller.unbind()
        try:
            for seed in range(2):
                log = len(host.kernel_log())
                with controller.fault(Fault(Kind.GARBLE, amount, command=Admin.IDENTIFY, seed=seed)):
                    controller.offer("lightiov")
                    assert controller.faults_played
                if controller.driver():
                    host.run(f"grep -rs . {sysfs}/lightiov > /dev/null", check=False)
                else:
                    assert any("lightiov" in line and "controller" in line for line in host.kernel_log()[log:])
                controller.unbind()
        finally:
            controller.unbind()
            controller.bind("lightiov")
        assert controller.identities() == all_identities(controller)
        works(controller.mdev("1", 2), 2)

    def test_random_data_while_in_use(self, controller: Controller) -> None:
        mdev = controller.mdev("1")
        with mdev.held():
            for seed in range(8):
                with controller.fault(Fault(Kind.GARBLE, 64 if seed % 2 else None, command=Admin.IDENTIFY, seed=seed)):
                    rescan(controller)
            rescan(controller)
            assert mdev.read("state") == "ready"
        assert controller.identities() == all_identities(controller)
        works(mdev)


class TestLies:
    """What a completion says is not believed, and nobody but the queue's owner is concerned."""

    @pytest.mark.parametrize("kind", [Kind.STRAY, Kind.TWICE, Kind.WRONG_SQ_HEAD])
    def test_on_the_admin_queue(self, controller: Controller, kind: Kind) -> None:
        before, log = resets(controller), len(controller.host.kernel_log())
        mdev = controller.mdev("1", 8)
        with controller.fault(Fault(kind, queue=ADMIN)):
            works(mdev, 8)
            rescan(controller)
            # Eight queue pairs made and deleted, and what is known of eight namespaces.
            assert controller.faults_played >= 32 + 16
        assert controller.identities() == all_identities(controller)
        assert controller.read("state") == "live"
        assert resets(controller) == before
        if kind is Kind.STRAY:
            said = controller.host.kernel_log()[log:]
            assert any("controller completed unknown admin command" in line for line in said)
        works(mdev, 8)

    @pytest.mark.parametrize(
        ("kind", "told"),
        [
            (Kind.STRAY, "which it did not have; reset the controller"),
            (Kind.TWICE, "which it did not have; reset the controller"),
            pytest.param(Kind.WRONG_ID, "which it did not have; reset the controller", marks=pytest.mark.slow),
            pytest.param(Kind.WRONG_PHASE, "completed nothing in 30000 ms", marks=pytest.mark.slow),
            pytest.param(Kind.VANISH, "completed nothing in 30000 ms", marks=pytest.mark.slow),
        ],
    )
    def test_on_an_io_queue(self, controller: Controller, kind: Kind, told: str) -> None:
        before = resets(controller)
        mdev, neighbour = controller.mdev("1"), controller.mdev("2")
        with controller.fault(Fault(kind, queue=mdev.queue_ids()[0])):
            cheated = mdev.liov("bench", "--queue-depth 32 --seconds 5", check=False)
            assert controller.faults_played
            works(neighbour)
        assert cheated.returncode == 1
        assert told in cheated.stderr
        assert controller.read("state") == "live"
        assert resets(controller) == before
        works(mdev)

    def test_of_how_much_was_fetched(self, controller: Controller) -> None:
        """A driver that counts its own commands in flight has no use for it."""
        mdev = controller.mdev("1")
        with controller.fault(Fault(Kind.WRONG_SQ_HEAD, queue=mdev.queue_ids()[0])):
            works(mdev)
            assert controller.faults_played >= 2


class TestLiesWithoutEnd:
    """Beside them somebody opens a device, writes, verifies and closes it, over and over, and notices nothing."""

    @pytest.mark.parametrize("enough", ENOUGH)
    @pytest.mark.parametrize("kind", [Kind.STRAY, Kind.TWICE, Kind.WRONG_SQ_HEAD])
    def test_on_the_admin_queue(self, controller: Controller, kind: Kind, enough: int) -> None:
        # Many lies at a time: four for each queue pair, made and deleted.
        mdev = controller.mdev("1", 32)
        self.stands(controller, Fault(kind, queue=ADMIN), enough, lambda: works(mdev, 32))

    @pytest.mark.parametrize("enough", ENOUGH)
    @pytest.mark.parametrize("amount", [None, 64], ids=["all", "some"])
    def test_of_a_namespace(self, controller: Controller, amount: int | None, enough: int) -> None:
        lies = Fault(Kind.GARBLE, amount, command=Admin.IDENTIFY, nsid=1)
        rescans = f"for i in $(seq 20); do nvme ns-rescan {controller.admin}; done"
        self.stands(controller, lies, enough, lambda: controller.host.run(rescans, check=False))

    @pytest.mark.parametrize("enough", ENOUGH)
    def test_of_what_is_logged(self, controller: Controller, enough: int) -> None:
        """The host module reads the list of changed namespaces when one has changed."""
        sizes = cycle([GIB_BLOCKS * 512 - (1 << 20), GIB_BLOCKS * 512])

        def change() -> None:
            before = controller.faults_played
            controller.host.qmp("block_resize", device=f"{controller.id}n3", size=next(sizes))
            wait_until(lambda: controller.faults_played > before, "the host module to read the log page")

        try:
            self.stands(controller, Fault(Kind.GARBLE, command=Admin.GET_LOG_PAGE), enough, change)
        finally:
            controller.host.qmp("block_resize", device=f"{controller.id}n3", size=GIB_BLOCKS * 512)

    def stands(self, controller: Controller, lies: Fault, enough: int, provoke: Callable[[], object]) -> None:
        """What provokes lies is done until there were enough; in the end all is as it was."""
        before, told = resets(controller), 0
        with verified_all_the_while(controller.mdev("2", 2), "--queues 2 --count 2048") as neighbour:
            for seed in count():
                with controller.fault(replace(lies, seed=seed)):
                    provoke()
                    told += controller.faults_played
                assert neighbour.running(), neighbour.output()
                if told >= enough:
                    break
        rescan(controller)
        assert controller.identities() == all_identities(controller)
        assert controller.read("state") == "live"
        assert resets(controller) == before
        works(controller.mdev("3", 8), 8)


@pytest.mark.slow
class TestNoAnswer:
    """To an admin command: then the controller hangs, and is reset."""

    @pytest.mark.parametrize("kind", [Kind.VANISH, Kind.WRONG_ID, Kind.WRONG_PHASE])
    def test_to_a_creation(self, controller: Controller, kind: Kind) -> None:
        mdev, neighbour = controller.mdev("1"), controller.mdev("2", 2)
        steady, log = under_load(neighbour), len(controller.host.kernel_log())
        with controller.fault(Fault(kind, command=Admin.CREATE_CQ, count=1)):
            refused = mdev.liov("bench", "--seconds 1", check=False, timeout=WITHOUT_ANSWER)
        assert refused.returncode == 2
        assert "the controller was reset meanwhile" in refused.stderr
        self.was_reset(controller, log, Admin.CREATE_CQ)
        assert steady.wait() == 1
        assert "deleted its queues" in steady.output()
        works(mdev)
        works(neighbour, 2)

    def test_to_one_of_many_creations(self, controller: Controller) -> None:
        """More than go side by side: those that come after the reset have lost their CQs by it, and are not refused."""
        mdev, log = controller.mdev("1", 24), len(controller.host.kernel_log())
        with controller.fault(Fault(Kind.VANISH, command=Admin.CREATE_SQ, count=1)):
            refused = mdev.liov("bench", "--queues 24 --seconds 1", check=False, timeout=WITHOUT_ANSWER)
        assert refused.returncode == 2
        assert "the controller was reset meanwhile" in refused.stderr
        self.was_reset(controller, log, Admin.CREATE_SQ)
        assert not [line for line in controller.host.kernel_log()[log:] if "does not create" in line]
        works(mdev, 24)

    def test_to_a_deletion(self, controller: Controller) -> None:
        mdev, log = controller.mdev("1", 2), len(controller.host.kernel_log())
        with mdev.held("--queues 2") as holder, controller.fault(Fault(Kind.VANISH, command=Admin.DELETE_SQ, count=1)):
            holder.signal("TERM")
            assert holder.wait(WITHOUT_ANSWER) == 0, holder.output()
        self.was_reset(controller, log, Admin.DELETE_SQ)
        assert mdev.statistic("pinned_bytes") == 0
        works(mdev, 2)

    def test_to_a_crowd_before_a_reset_and_after_it(self, controller: Controller) -> None:
        """Larger than the admin queue. A command is of the time in which it was given, not in which it was wanted."""
        host, before, enough = controller.host, resets(controller), "/run/enough-asked"
        host.run(f"rm -f {enough}")
        with controller.fault(Fault(Kind.VANISH, command=Admin.IDENTIFY, cdw10=CNS_CONTROLLER_LIST)):
            crowd = Program(host, f"python3 {OWNER} ask {controller.admin} {enough}")
            wait_until(lambda: controller.faults_played >= FULL, "a full admin queue")
            host.run(f"echo 1 > {controller.sysfs}/lightiov/reset_controller")
            wait_until(lambda: controller.faults_played >= 2 * FULL, "another one")
            host.run(f"touch {enough}")
            assert crowd.wait(WITHOUT_ANSWER) == 0, crowd.output()
        assert resets(controller) >= before + 2
        assert controller.read("state") == "live"
        works(controller.mdev("1", 8), 8)
        # A scan had to wait for its turn in the crowd.
        wait_until(lambda: controller.identities() == all_identities(controller), "all namespaces to be listed")

    def was_reset(self, controller: Controller, log: int, command: Admin) -> None:
        said = "\n".join(controller.host.kernel_log()[log:])
        assert f"controller does not answer admin command 0x{command:02x}" in said
        assert said.count("resetting the controller") == 1
        assert controller.read("state") == "live"
