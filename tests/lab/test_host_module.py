# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of the host module, each provoked on a real kernel, with liov in the place of VMs."""

from __future__ import annotations

import json
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath

import pytest
from passthrough import LIOV, OWNER, PCI, READS, WRITES, Controller, Mdev, load_module, mib, under_load, unload_module
from tracing import traced

from lab import Admin, Fault, Host, Kind, Program, wait_until

STOCK_CONTROLLER = "LIOV1B"
# Seeds count from here: what an earlier run of the tests left on the disks does not pass for what this one wrote.
SEEDS = secrets.randbits(48)
HARMFUL = (
    "--opcode=0x00 --cdw10=1",  # Delete I/O Submission Queue
    "--opcode=0x01 --cdw10=0xf0001",  # Create I/O Submission Queue
    "--opcode=0x04 --cdw10=1",  # Delete I/O Completion Queue
    "--opcode=0x05 --cdw10=0xf0001",  # Create I/O Completion Queue
    "--opcode=0x08 --cdw10=1",  # Abort
    "--opcode=0x09 --cdw10=0x07 --cdw11=0x10001",  # Set Features, Number of Queues
    "--opcode=0x09 --cdw10=0x0d",  # Set Features, Host Memory Buffer
    "--opcode=0x0c",  # Asynchronous Event Request
    "--opcode=0x7c",  # Doorbell Buffer Config
    "--opcode=0xc0",  # vendor specific
    "--opcode=0x09 --cdw10=0xc0",  # Set Features, vendor specific
)
# All devices of the host, and after a second they are woken up.
SLEEP = (
    "echo 1 > /sys/module/suspend/parameters/pm_test_delay && echo devices > /sys/power/pm_test"
    " && echo mem > /sys/power/state && echo none > /sys/power/pm_test"
)
FAILSLAB = "/sys/kernel/debug/failslab"
VENDOR_COMMANDS = "/sys/module/lightiov_host/parameters/vendor_commands"
# What the emulated controller answers to what it does not know.
UNKNOWN = "Invalid Command Opcode", "Invalid Field in Command"


def verified(mdev: Mdev, seed: int, options: str = "--count 4096") -> None:
    mdev.liov("verify", f"--seed {SEEDS + seed} {options} --yes-destroy-data")


def still_verified(mdev: Mdev, seed: int, options: str = "--count 4096") -> None:
    mdev.liov("verify", f"--seed {SEEDS + seed} {options} --check-only")


def ended_well(load: Program) -> None:
    load.signal("TERM")
    assert load.wait() == 0, load.output()


def run_in_sysfs(controller: Controller, command: str) -> None:
    controller.host.run(f"cd {controller.sysfs} && {command}")


def pci_error(controller: Controller, name: str) -> None:
    """An uncorrectable error, by its name in QEMU, that the slot reports; at the end the kernel has seen to it."""
    host = controller.host
    log = len(host.kernel_log())
    said = host.monitor(f"pcie_aer_inject_error slot{host.spec.slot(controller.id)} {name}")
    assert said.startswith("OK"), said
    wait_until(
        lambda: any("device recovery successful" in line for line in host.kernel_log()[log:]), "the error to be over"
    )


def loses_queues_and_nothing_else(controller: Controller, reset: Callable[[], None]) -> None:
    mdev = controller.mdev("1", 2)
    verified(mdev, 8)
    for _ in range(3):
        load = under_load(mdev, kind=READS)
        reset()
        assert load.wait() == 1
        assert "deleted its queues" in load.output()
        still_verified(mdev, 8)
    assert controller.read("state") == "live"


@contextmanager
def one_allocation_fails(host: Host, function: str) -> Iterator[str]:
    """The first that this function of the kernel makes for the command behind the prefix; at the end it has failed."""
    next_symbol = f'$3 == "{function}" {{ at = $1 }} at && $1 != at {{ print "0x" at, "0x" $1; exit }}'
    start, end = host.run(f"sort /proc/kallsyms | awk '{next_symbol}'").stdout.split()
    settings = {
        "require-start": start,
        "require-end": end,
        "stacktrace-depth": 32,
        "task-filter": "Y",
        "ignore-gfp-wait": "N",
        "verbose": 0,
        "times": 1,
        "probability": 100,
    }
    host.run("set -e; " + "; ".join(f"echo {value} > {FAILSLAB}/{name}" for name, value in settings.items()))
    try:
        yield "echo 1 > /proc/self/make-it-fail && exec"
        assert host.run(f"cat {FAILSLAB}/times").stdout.strip() == "0"
    finally:
        host.run(f"echo 0 > {FAILSLAB}/probability; echo N > {FAILSLAB}/task-filter")


class TestOwnership:
    """What one mdev has, no other gets."""

    def test_takes_no_controller_by_itself(self, controller: Controller) -> None:
        assert Controller.find(controller.host, STOCK_CONTROLLER).driver() == "nvme"

    def test_what_it_offers(self, controller: Controller) -> None:
        offered = f"{controller.sysfs}/mdev_supported_types/lightiov-passthrough"
        assert "hardware I/O queue pairs" in controller.host.run(f"cat {offered}/description").stdout
        free = int(controller.read("queue_pairs_free"))
        mdev = controller.mdev("1", 2)
        assert (mdev.read("queue_pairs"), mdev.read("quarantine")) == ("2", "0")
        # Each further one needs a queue pair.
        assert int(controller.host.run(f"cat {offered}/available_instances").stdout) == free - 2

    def test_queue_pairs_have_one_owner(self, controller: Controller) -> None:
        total = int(controller.read("queue_pairs"))
        mdevs = [controller.mdev(str(nsid), queue_pairs) for nsid, queue_pairs in enumerate((1, 2, 5, 16), start=1)]
        used = [qid for mdev in mdevs for qid in mdev.queue_ids()]
        assert len(set(used)) == len(used) == 24
        assert set(used) <= set(range(1, total + 1))
        assert int(controller.read("queue_pairs_free")) == total - 24

        greedy = controller.create()
        refused = greedy.write("queue_pairs", total - 24 + 1, check=False)
        assert "No space left" in refused.stderr
        assert int(controller.read("queue_pairs_free")) == total - 24
        greedy.write("queue_pairs", total - 24)
        assert int(controller.read("queue_pairs_free")) == 0

    def test_queue_pairs_of_a_removed_mdev_serve_the_next(self, controller: Controller) -> None:
        total = int(controller.read("queue_pairs"))
        first = controller.mdev("1", total)
        verified(first, 1, f"--count 65536 --queues {total}")
        first.remove()
        second = controller.mdev("1", total)
        assert sorted(second.queue_ids()) == list(range(1, total + 1))
        verified(second, 2, f"--count 65536 --queues {total}")

    def test_one_tenant_at_a_time(self, controller: Controller) -> None:
        blue = controller.mdev("1", tenant="blue")
        other = controller.create()
        log = len(controller.host.kernel_log())
        assert "not permitted" in other.write("tenant", "red", check=False).stderr
        assert controller.read("tenant") == "blue"
        assert any("serves tenant blue" in line for line in controller.host.kernel_log()[log:])
        blue.remove()
        log = len(controller.host.kernel_log())
        other.write("tenant", "red")
        assert controller.read("tenant") == "red"
        # Nothing of blue is left: late DMA, features.
        said = "\n".join(controller.host.kernel_log()[log:])
        assert "is reset before tenant red has it" in said
        assert "resetting the controller" in said
        assert controller.read("state") == "live"
        other.remove()
        log = len(controller.host.kernel_log())
        controller.mdev("1", tenant="red")
        assert not any("is reset before" in line for line in controller.host.kernel_log()[log:])

    def test_a_new_tenant_of_the_same_mdev_is_another(self, controller: Controller) -> None:
        """Whether or not the controller was reset while the former one had it."""
        mdev = controller.mdev("1", tenant="blue")
        controller.host.run(f"echo 1 > {controller.sysfs}/lightiov/reset_controller")
        verified(mdev, 21, "--count 64")
        for tenant in ("red", "blue"):
            log = len(controller.host.kernel_log())
            mdev.write("tenant", tenant)
            assert mdev.read("tenant") == controller.read("tenant") == tenant
            said = "\n".join(controller.host.kernel_log()[log:])
            assert f"is reset before tenant {tenant} has it" in said
            assert "resetting the controller" in said
        log = len(controller.host.kernel_log())
        mdev.write("tenant", "blue")
        assert not any("is reset before" in line for line in controller.host.kernel_log()[log:])

    def test_a_new_tenant_waits_for_what_the_reset_would_cut_short(self, controller: Controller) -> None:
        host, log = controller.host, len(controller.host.kernel_log())
        controller.mdev("1", tenant="blue").remove()
        mdev = controller.create()
        with controller.fault(Fault(Kind.STALL, command=Admin.FORMAT_NVM)):
            formatting = Program(host, f"nvme format {controller.admin} -n 8 --force")
            wait_until(lambda: controller.faults_played == 1, "the controller to have the command")
            assert "busy" in mdev.write("tenant", "red", check=False).stderr
            assert controller.read("state") == "live"
            # Who had the controller before needs no reset.
            mdev.write("tenant", "blue")
            mdev.write("tenant", "")
        assert formatting.wait(300) == 0, formatting.output()
        said = "\n".join(host.kernel_log()[log:])
        assert "has to be reset before tenant red has it, which would cut an admin command short" in said
        mdev.write("tenant", "red")
        assert controller.read("tenant") == "red"

    def test_namespaces_have_one_owner(self, controller: Controller) -> None:
        first = controller.mdev("1,3")
        second = controller.create()
        second.write("tenant", "blue")
        second.write("queue_pairs", 1)
        assert "busy" in second.write("namespaces", "2 3", check=False).stderr
        # All or nothing: the refused claim has not taken namespace 2.
        assert controller.namespaces()[2] == "-"
        assert "No such device" in second.write("namespaces", "99", check=False).stderr
        first.remove()
        second.write("namespaces", "2 3")
        assert controller.namespaces()[3] == second.uuid

    def test_as_many_namespaces_as_slots(self, controller: Controller) -> None:
        mdev = controller.mdev("1")
        # It is a list, and the controller has not all of them.
        assert "No such device" in mdev.write("namespaces", " ".join(map(str, range(1, 65))), check=False).stderr
        assert "too long" in mdev.write("namespaces", " ".join(map(str, range(1, 66))), check=False).stderr
        assert mdev.read("namespaces") == "1"

    def test_an_mdev_of_another_controller_gets_nothing(self, controller: Controller) -> None:
        mdev = controller.create_bare()
        mdev.write("tenant", "blue")
        mdev.write("queue_pairs", 1)
        assert mdev.read("serial") == ""
        log = len(controller.host.kernel_log())
        assert "No data available" in mdev.write("namespaces", "1", check=False).stderr
        assert "No such device" in mdev.write("serial", STOCK_CONTROLLER, check=False).stderr
        assert "No data available" in mdev.write("namespaces", "1", check=False).stderr
        said = controller.host.kernel_log()[log:]
        assert any("write the attribute serial first" in line for line in said)
        assert any(f"has the serial {controller.serial}, not {STOCK_CONTROLLER}" in line for line in said)
        assert set(controller.namespaces().values()) == {"-"}
        assert json.loads(mdev.liov("identify", "--json").stdout)["namespaces"] == []

        mdev.write("serial", controller.serial)
        assert mdev.read("serial") == controller.serial
        mdev.write("namespaces", "1")
        verified(mdev, 17, "--count 64")

    def test_a_namespace_is_what_it_is_said_to_be(self, controller: Controller) -> None:
        (large, small), mdev = controller.host.spec.controllers, controller.create()
        assert controller.identities() == {nsid: large.wwid(nsid) for nsid in range(1, 9)}
        log = len(controller.host.kernel_log())
        # Another's, a shorter one, the other controller's.
        for identity in (large.wwid(2), large.wwid(1)[:20], small.wwid(1)):
            assert "No such device" in mdev.write("namespaces", f"3 1={identity}", check=False).stderr
            said = f"is {large.wwid(1)}, not {identity}"
            assert any(said in line for line in controller.host.kernel_log()[log:]), said
        for nonsense in ("1=eui.", "1=eui.00", f"1={'0' * 32}", f"1={large.wwid(1)}0", "1=", f"{large.wwid(1)}"):
            assert "Invalid argument" in mdev.write("namespaces", nonsense, check=False).stderr
        assert set(controller.namespaces().values()) == {"-"}
        mdev.write("namespaces", f"1={large.wwid(1).replace('a', 'A')},3")
        assert mdev.read("namespaces") == f"1={large.wwid(1)} 3"
        assert controller.namespaces()[1] == mdev.uuid

    def test_an_eui64_is_an_identity_too(self, host: Host) -> None:
        load_module(host)
        controller = Controller.find(host, STOCK_CONTROLLER)
        controller.bind("lightiov")
        try:
            _, small = host.spec.controllers
            assert controller.identities() == {nsid: small.wwid(nsid) for nsid in (1, 2)}
            controller.create().write("namespaces", f"2={small.wwid(2)}")
            refused = controller.create().write("namespaces", f"1={small.wwid(2)}", check=False)
            assert "No such device" in refused.stderr
        finally:
            controller.remove_mdevs()
            controller.bind("")

    def test_a_label_is_kept(self, controller: Controller) -> None:
        mdev, label = controller.create_bare(), "lightiov.nvme:vm1/data"
        mdev.write("label", label)
        for wrong in ("two words", "x" * 129, "na\u00efve"):
            assert "Invalid argument" in mdev.write("label", wrong, check=False).stderr
        assert mdev.read("label") == label
        mdev.write("label", "y" * 128)
        assert mdev.read("label") == "y" * 128

    def test_attributes_are_frozen_while_open(self, controller: Controller) -> None:
        mdev = controller.mdev("1", 2)
        with mdev.held("--queues 2"):
            for attribute, value in (("tenant", "red"), ("queue_pairs", 3), ("namespaces", "2")):
                assert "busy" in mdev.write(attribute, value, check=False).stderr
            assert mdev.read("state") == "ready"
        assert mdev.read("state") == "closed"

    def test_an_mdev_without_attributes_does_not_open(self, controller: Controller) -> None:
        refused = controller.create().liov("identify", check=False)
        assert refused.returncode == 2
        assert "set its attributes" in refused.stderr

    def test_an_mdev_has_one_user(self, controller: Controller) -> None:
        mdev = controller.mdev("1")
        with mdev.held():
            refused = mdev.liov("identify", check=False)
            assert refused.returncode == 2
            assert "stop the VM or program that uses it" in refused.stderr


class TestData:
    def test_mdevs_reach_their_own_namespaces_and_no_other_data(self, controller: Controller) -> None:
        blocks = 4096
        controller.bind("")
        mark = controller.block_device(3)
        controller.host.run(f"yes untouched | head -c {blocks * 512} | dd of={mark} bs=1M oflag=direct status=none")
        controller.bind("lightiov")
        first, second = controller.mdev("1", 2), controller.mdev("2", 2)
        writers = [
            mdev.start("verify", f"--seed {seed} --count {blocks} --queues 2 --write-only --yes-destroy-data")
            for mdev, seed in ((first, SEEDS + 11), (second, SEEDS + 22))
        ]
        assert [writer.wait() for writer in writers] == [0, 0]
        foreign = first.liov("verify", f"--seed {SEEDS + 22} --count {blocks} --check-only", check=False)
        assert f"holds data of seed {SEEDS + 11}" in foreign.stderr
        controller.remove_mdevs()

        # What is really on the media, as the stock driver reads it.
        controller.bind("")
        for nsid, seed in ((1, SEEDS + 11), (2, SEEDS + 22)):
            found = controller.host.run(
                f"head -c {blocks * 512} {controller.block_device(nsid)} | python3 -c '"
                "import struct, sys\n"
                f"for lba in range({blocks}):\n"
                '    magic, seed, found = struct.unpack("<8s2Q488x", sys.stdin.buffer.read(512))\n'
                f'    assert (magic, seed, found) == (b"LIOVPATT", {seed}, lba), (lba, magic, seed, found)\n'
                "print(lba)'"
            )
            assert int(found.stdout) == blocks - 1
        controller.host.run(
            f"yes untouched | head -c {blocks * 512} | cmp - <(head -c {blocks * 512} {controller.block_device(3)})"
        )

    def test_a_copied_image_comes_back(self, controller: Controller) -> None:
        mdev = controller.mdev_of(mib(1, 0, 64))
        run = controller.host.run
        run("dd if=/dev/urandom of=/root/image bs=1M count=8 status=none; truncate -s 20M /root/image")
        run(f"liov copy-in {mdev.uuid} /root/image --yes-destroy-data && liov copy-out {mdev.uuid} /root/copy")
        run("cmp /root/image <(head -c 20M /root/copy)")
        run("truncate -s 65M /root/image")
        refused = run(f"liov copy-in {mdev.uuid} /root/image", check=False)
        assert refused.returncode == 2
        assert "do not fit" in refused.stderr
        run("rm /root/image /root/copy")

    def test_both_namespaces_of_an_mdev(self, controller: Controller) -> None:
        mdev = controller.mdev("4 5")
        verified(mdev, 4, "--namespace 0 --count 1024")
        verified(mdev, 5, "--namespace 1 --count 1024")
        still_verified(mdev, 4, "--namespace 0 --count 1024")
        refused = mdev.liov("read", "--namespace 2 --count 1", check=False)
        assert refused.returncode == 2
        assert "no namespace 2" in refused.stderr


class TestMemory:
    @pytest.mark.usefixtures("huge_pages")
    def test_large_pages_are_mapped_as_such_from_the_first_one(self, controller: Controller) -> None:
        """Of a VM's RAM too, which begins at 1 MiB."""
        mdev = controller.mdev("1")
        said = controller.host.run(f"python3 {OWNER} pieces {mdev.uuid}").stdout
        # Half a large page in small ones, and two whole.
        assert said.splitlines() == [f"{5 << 20} {256 + 2}", "0 0"]

    def test_a_reset_of_the_queues_leaves_it(self, controller: Controller) -> None:
        mdev = controller.mdev("1")
        said = controller.host.run(f"python3 {OWNER} keep {mdev.uuid} {controller.sysfs}/lightiov/reset_controller")
        # No queue is left to delete, and the memory is there already.
        went = "results (0, 3, 2, 0), status 0, same window True"
        assert said.stdout.splitlines() == [f"lost 0, {went}", f"lost 2, {went}"]
        assert (mdev.statistic("resets"), mdev.statistic("queue_resets")) == (1, 2)
        assert mdev.statistic("pinned_bytes") == 0


class TestDataPath:
    def test_no_exit_to_the_host_per_command(self, controller: Controller) -> None:
        mdev = controller.mdev("1", 2)
        load = under_load(mdev)
        before = {name: mdev.statistic(name) for name in ("mmio", "commands", "doorbell_faults", "interrupts")}
        time.sleep(3)
        after = {name: mdev.statistic(name) for name in before}
        ended_well(load)
        assert after.pop("interrupts") > before.pop("interrupts")
        assert after == before

    def test_more_queue_pairs_than_vectors(self, controller: Controller) -> None:
        controller.unbind()
        load_module(controller.host, max_vectors=2)
        controller.bind("lightiov")
        assert controller.read("vectors") == "2"
        first, second = controller.mdev("1", 3), controller.mdev("2", 2)
        loads = [under_load(first, "--queues 3 --seconds 600"), under_load(second)]
        assert set(first.vectors()) <= {"1", "2"}
        assert set(second.vectors()) <= {"1", "2"}
        time.sleep(3)
        for load in loads:
            ended_well(load)
        verified(first, 3, "--count 8192 --queues 3")
        verified(second, 4, "--count 8192 --queues 2")

    @pytest.mark.debug
    def test_a_queue_pair_that_is_refused_an_interrupt_shares_one(self, controller: Controller) -> None:
        """As on a host whose CPUs have no more vectors; here it is the memory for it that is missing."""
        mdev, neighbour = controller.mdev("1"), controller.mdev("2")
        steady = under_load(neighbour, "--seconds 600")
        with one_allocation_fails(controller.host, "request_threaded_irq") as prefix:
            load = Program(controller.host, f"sh -c '{prefix} {LIOV} bench {mdev.uuid} {WRITES} --seconds 600'")
            wait_until(lambda: mdev.statistic("interrupts") > 50 or not load.running(), "load")
            assert mdev.vectors() == neighbour.vectors(), load.output()
        ended_well(load)
        ended_well(steady)
        verified(mdev, 26, "--count 1024")

    @pytest.mark.parametrize("polled", [0, 1], ids=["created by itself", "created with the other"])
    def test_a_queue_pair_that_does_not_interrupt(self, controller: Controller, polled: int) -> None:
        """It takes no vector, and the one beside it has one."""
        mdev = controller.mdev("1", 2)
        found = json.loads(controller.host.run(f"python3 {OWNER} poll {mdev.uuid} {polled}").stdout)
        vectors, entries = zip(*(line.split()[2:] for line in found["queues"]))
        assert entries == ("32", "32")
        assert vectors[polled] == "-" and int(vectors[1 - polled]) > 0
        by_one, by_both = found["interrupts"]
        assert by_one == 0 < by_both
        verified(mdev, 25, "--count 64 --queues 2")
        assert mdev.vectors() == ["-", "-"]


class TestTearDown:
    """Queues are gone before their memory is, whatever happens."""

    def test_killed_under_load(self, controller: Controller) -> None:
        total = controller.read("queue_pairs_free")
        mdev = controller.mdev("1", 2)
        neighbour = controller.mdev("2", 2)
        steady = under_load(neighbour)
        for _ in range(20):
            load = under_load(mdev)
            load.signal("KILL")
            assert load.wait() == 128 + 9
        assert mdev.statistic("pinned_bytes") == 0
        assert mdev.read("window") == "-"
        verified(mdev, 5, "--count 8192 --queues 2")
        ended_well(steady)
        controller.remove_mdevs()
        assert controller.read("queue_pairs_free") == total

    @pytest.mark.parametrize("what", ["reset", "queues", "unmap", "mailbox"])
    def test_provoked_beside_a_neighbour(
        self, controller: Controller, what: str, request: pytest.FixtureRequest
    ) -> None:
        if what == "unmap":
            request.getfixturevalue("lockdep_looks_away")
        mdev, neighbour = controller.mdev("1", 2), controller.mdev("2", 2)
        steady = under_load(neighbour)
        resets = neighbour.statistic("resets")
        for _ in range(10):
            mdev.liov("provoke", what)
        assert steady.running(), steady.output()
        assert neighbour.statistic("resets") == resets
        ended_well(steady)
        verified(neighbour, 6, "--count 8192 --queues 2")

    def test_quarantine_ends_in_errors_not_in_death(self, controller: Controller) -> None:
        mdev, neighbour = controller.mdev("1", 2), controller.mdev("2")
        steady = under_load(neighbour, "--seconds 600")
        for _ in range(3):
            load = under_load(mdev)
            mdev.write("quarantine", 1)
            # SIGBUS would have been 128 + 7.
            assert load.wait() == 1
            assert "quarantined it" in load.output()
            assert (mdev.read("state"), mdev.read("quarantine")) == ("quarantined", "1")
            refused = mdev.liov("bench", "--seconds 1", check=False)
            assert refused.returncode == 2
            mdev.write("quarantine", 0)
            verified(mdev, 7)
        assert mdev.statistic("revocations") >= 3
        ended_well(steady)

    @pytest.mark.parametrize("reset", ["echo 1 > lightiov/reset_controller", "echo 1 > reset"], ids=["own", "PCI"])
    def test_controller_reset_loses_queues_and_nothing_else(self, controller: Controller, reset: str) -> None:
        loses_queues_and_nothing_else(controller, lambda: run_in_sysfs(controller, reset))

    @pytest.mark.usefixtures("no_stock_controllers")
    def test_so_does_sleep(self, controller: Controller) -> None:
        loses_queues_and_nothing_else(controller, lambda: run_in_sysfs(controller, SLEEP))

    def test_so_does_an_error_that_cuts_the_slot_off(self, controller: Controller) -> None:
        loses_queues_and_nothing_else(controller, lambda: pci_error(controller, "DLP"))

    def test_an_error_that_cuts_nothing_off_loses_nothing(self, controller: Controller) -> None:
        load = under_load(controller.mdev("1", 2))
        pci_error(controller, "COMP_TIME")
        ended_well(load)

    @pytest.mark.parametrize("reset", [0, 1], ids=["not carried out, as older kernels do", "carried out"])
    def test_so_does_a_reset_that_the_driver_of_another_device_wants(
        self, controller: Controller, others_reset: PurePosixPath, reset: int
    ) -> None:
        tell = f"insmod {others_reset} address={controller.address} reset={reset} && rmmod {others_reset.stem}"
        loses_queues_and_nothing_else(controller, lambda: controller.host.run(tell))
        controller.remove_mdevs()
        # What the next error needs is not used up.
        loses_queues_and_nothing_else(controller, lambda: pci_error(controller, "DLP"))

    def test_a_device_that_comes_while_the_controller_is_cut_off(self, controller: Controller) -> None:
        """It had no queues to lose, and yet has to be reset once the controller runs: its doorbells are nobody's."""
        neighbour, said = controller.mdev("1"), ""
        for _ in range(10):
            mdev = Mdev(controller.host, controller)
            arriving = Program(controller.host, f"python3 {OWNER} arrive {mdev.uuid} {controller.sysfs} 2")
            arriving.wait_for_output("ready")
            pci_error(controller, "DLP")
            assert arriving.wait() == 0, arriving.output()
            said = arriving.output().splitlines()[-1]
            mdev.remove()
            # Opening it takes about as long as the slot's reset.
            if said.startswith("open while resetting"):
                break
        assert said == "open while resetting, then lost 2, started 0, read 0"
        verified(neighbour, 27, "--count 64")

    def test_a_controller_that_does_not_obey_is_reset_by_pci(self, controller: Controller) -> None:
        mdev = controller.mdev("1", 2)
        log = len(controller.host.kernel_log())
        # Without bus mastering it cannot fetch a command, which is fatal to it.
        controller.host.run(f"setpci -s {controller.address} COMMAND=0000:0004")
        controller.host.run(f"echo 1 > {controller.sysfs}/lightiov/reset_controller")
        assert controller.read("state") == "live"
        assert any("resetting its PCI function" in line for line in controller.host.kernel_log()[log:])
        verified(mdev, 18, "--count 1024 --queues 2")

    def test_controller_reset_while_owners_come_and_go(self, controller: Controller) -> None:
        mdevs = [controller.mdev("1", 2), controller.mdev("2", 2)]
        enough = "/run/enough-resets"
        controller.host.run(f"rm -f {enough}")
        loops = [
            Program(
                controller.host,
                f"sh -c 'until [ -e {enough} ]; do"
                f" liov bench {mdev.uuid} --queues 2 --seconds 1 || [ $? -lt 128 ] || exit 1; done'",
            )
            for mdev in mdevs
        ]
        for _ in range(20):
            controller.host.run(f"echo 1 > {controller.sysfs}/lightiov/reset_controller")
            time.sleep(0.5)
        controller.host.run(f"touch {enough}")
        assert [loop.wait() for loop in loops] == [0, 0]
        # An owner may fail only because of a reset, and is told so.
        failures = [line for loop in loops for line in loop.output().splitlines() if line.startswith("liov:")]
        assert all("reset" in failure for failure in failures), "\n".join(failures)
        for seed, mdev in enumerate(mdevs):
            verified(mdev, seed)

    def test_a_crowd_at_the_admin_queue_while_the_controller_is_reset(self, controller: Controller) -> None:
        enough = "/run/enough-resets"
        controller.host.run(f"rm -f {enough}")
        crowd = [Program(controller.host, f"python3 {OWNER} ask {controller.admin} {enough}")]
        for nsid in range(1, 6):
            mdev = controller.mdev(str(nsid), 2)
            crowd.append(Program(controller.host, f"python3 {OWNER} churn {mdev.uuid} {enough}"))
        time.sleep(5)
        log = len(controller.host.kernel_log())
        reset = f"echo 1 > {controller.sysfs}/lightiov/reset_controller"
        controller.host.run(f"for i in $(seq 12); do {reset}; sleep 0.1; done; touch {enough}", timeout=300)
        ends = [program.wait() for program in crowd]
        assert not any(ends), "\n".join(program.output() for program in crowd)
        assert controller.read("state") == "live"
        # A queue pair that a reset comes in between is none that the controller refuses.
        assert not [line for line in controller.host.kernel_log()[log:] if "does not create" in line]
        # A scan that a reset cuts short does not drop what it had no answer for.
        wait_until(lambda: len(controller.namespaces()) == 8, "all namespaces to be listed")

    def test_refused_memory_leaves_nothing_pinned(self, controller: Controller) -> None:
        mdev = controller.mdev("1")
        unprivileged = "ulimit -l 128; setpriv --bounding-set -ipc_lock --inh-caps -ipc_lock"
        refused = controller.host.run(f"{unprivileged} liov copy-out {mdev.uuid} /dev/null", check=False)
        assert refused.returncode == 2
        assert "raise the locked-memory limit" in refused.stderr
        assert mdev.statistic("pinned_bytes") == 0
        verified(mdev, 13)

    def test_doorbells_are_mapped_again_and_again(self, controller: Controller) -> None:
        """Linux before 6.7 refused it to a driver that gives a device's file another address space."""
        mdev = controller.mdev("1", 2)
        assert controller.host.run(f"python3 {OWNER} remap {mdev.uuid}").stdout.strip() == "open then closed"
        verified(mdev, 20, "--count 64 --queues 2")

    @pytest.mark.usefixtures("lockdep_looks_away")
    def test_memory_that_is_taken_back_is_pinned_no_further(self, controller: Controller) -> None:
        mdev = controller.mdev("1")
        for _ in range(3):
            said = controller.host.run(f"python3 {OWNER} take_back {mdev.uuid}").stdout
            # NO_MEMORY, and no queue had to go. Once it has been given again, all is well.
            assert said.strip() == "result 4, lost 0, then 0"
        assert mdev.statistic("pinned_bytes") == 0

    @pytest.mark.usefixtures("lockdep_looks_away")
    def test_memory_is_taken_back_once(self, controller: Controller) -> None:
        """VFIO asks again while anything is pinned, and ends in a BUG() when it has asked ten times."""
        rounds = 20
        slow, eager = controller.mdev("1", 48), controller.mdev("2")
        with traced(controller.host, (), {"unmap": "liov_vfio_dma_unmap device=%di:x64"}) as trace:
            controller.host.run(f"python3 {OWNER} insist {slow.uuid} {eager.uuid} {rounds}", timeout=300)
            asked = Counter(event.fields["device"] for event in trace.events("python3"))
        assert asked and max(asked.values()) <= rounds, asked

    @pytest.mark.trespasses
    def test_the_admin_queue_is_not_writable_by_its_own_controller(self, controller: Controller) -> None:
        """Else any owner could put admin commands there, and ring for them."""
        controller.unbind()
        controller.bind("lightiov")
        mdev = controller.mdev("1")
        found = controller.host.run(f"python3 {OWNER} trespass {mdev.uuid}").stdout
        # Of all the commands that it held, the one in flight is left: Asynchronous Event Request.
        assert found.split() == ["opcodes", f"{0x0C}"]
        assert controller.read("state") == "live"


class TestAdmin:
    """nvme-cli goes on working, as far as it cannot harm."""

    def test_questions_are_answered(self, controller: Controller) -> None:
        run, admin = controller.host.run, controller.admin
        assert "LIOV1A" in run(f"nvme id-ctrl {admin}").stdout
        run(f"nvme smart-log {admin}")
        run(f"nvme error-log {admin}")
        run(f"nvme list-ns {admin}")
        run(f"nvme id-ns {admin} -n 1")
        run(f"nvme get-feature {admin} -f 7")

    def test_by_the_newer_ioctl_too(self, controller: Controller) -> None:
        told = controller.host.run(f"python3 {OWNER} identify {controller.admin}").stdout
        assert told.split(", ") == ["serial LIOV1A", "result 0\n"]

    def test_commands_that_could_harm_are_refused(self, controller: Controller) -> None:
        mdev = controller.mdev("1")
        load = under_load(mdev, "--seconds 600")
        for command in HARMFUL:
            refused = controller.host.run(f"nvme admin-passthru {controller.admin} {command}", check=False)
            assert refused.returncode != 0, command
            assert "not permitted" in refused.stderr + refused.stdout, command
        ended_well(load)

    def test_a_refusal_says_why(self, controller: Controller) -> None:
        run, admin = controller.host.run, controller.admin
        log = len(controller.host.kernel_log())

        def says_why() -> bool:
            run(f"nvme admin-passthru {admin} --opcode=0x08", check=False)
            run(f"nvme admin-passthru {admin} --opcode=0xc0", check=False)
            said = "\n".join(controller.host.kernel_log()[log:])
            return (
                "admin command 0x08 with cdw10 0x0 was refused, since it may harm VMs" in said
                and "vendor_commands of lightiov_host" in said
            )

        # The kernel says so now and then only, and others were refused just before.
        wait_until(says_why, "the reasons for two refusals")

    @pytest.mark.parametrize(
        "command",
        [
            "--opcode=0x86 --namespace-id=1 --cdw12=1023 --cdw13=1 --data-len=4096 -r",  # Get LBA Status
            "--opcode=0x1e --data-len=4096 -r",  # NVMe-MI Receive
            "--opcode=0x1a --namespace-id=1 --cdw10=1023 --cdw11=1 --data-len=4096 -r",  # Directive Receive
            "--opcode=0x09 --cdw10=0x0c --data-len=256 -w",  # Set Features, Autonomous Power State Transition
        ],
    )
    def test_what_does_no_harm_reaches_the_controller(self, controller: Controller, command: str) -> None:
        with controller.mdev("1").held():
            done = controller.host.run(
                f"nvme admin-passthru {controller.admin} {command} < /dev/zero 2>&1", check=False
            )
        assert done.returncode == 0 or any(answer in done.stdout for answer in UNKNOWN), done.stdout

    def test_no_more_is_transferred_than_there_is_room_for(self, controller: Controller) -> None:
        run, admin = controller.host.run, controller.admin
        for command in ("--opcode=0x86 --cdw12=2047", "--opcode=0x1a --cdw10=2047"):
            refused = run(f"nvme admin-passthru {admin} {command} --data-len=4096 -r 2>&1", check=False)
            assert "Invalid argument" in refused.stdout

    def test_vendor_commands_are_the_operators_choice(self, controller: Controller) -> None:
        run, admin = controller.host.run, controller.admin
        run(f"echo 1 > {VENDOR_COMMANDS}")
        try:
            for command in ("--opcode=0xc0", "--opcode=0xc2 --data-len=4096 -r", "--opcode=0x09 --cdw10=0xc0"):
                done = run(f"nvme admin-passthru {admin} {command} 2>&1", check=False)
                assert any(answer in done.stdout for answer in UNKNOWN), done.stdout
        finally:
            run(f"echo 0 > {VENDOR_COMMANDS}")

    def test_what_stops_all_io_waits_until_no_vm_runs(self, controller: Controller) -> None:
        run, admin = controller.host.run, controller.admin
        mdev = controller.mdev("1")
        stops = {
            "Format NVM": f"nvme format {admin} -n 8 --force",
            "activation of firmware": f"nvme admin-passthru {admin} --opcode=0x10 --cdw10=0x18",
            "a reset": f"nvme reset {admin}",
        }
        log = len(controller.host.kernel_log())
        with mdev.held():
            for command in stops.values():
                refused = run(f"{command} 2>&1", check=False)
                assert refused.returncode != 0
                assert "busy" in refused.stdout, command
            # Only its activation waits.
            done = run(f"nvme admin-passthru {admin} --opcode=0x10 --cdw10=0x08 2>&1", check=False)
            assert UNKNOWN[0] in done.stdout
            assert mdev.read("state") == "ready"
        said = "\n".join(controller.host.kernel_log()[log:])
        for what in stops:
            assert f"{what} would stop the I/O of device {mdev.uuid} and was refused" in said
        run(stops["Format NVM"], timeout=300)
        run(stops["a reset"])
        assert UNKNOWN[0] in run(f"{stops['activation of firmware']} 2>&1", check=False).stdout
        verified(mdev, 19, "--count 64")

    def test_claimed_namespaces_stay(self, controller: Controller) -> None:
        run, admin = controller.host.run, controller.admin
        mdev = controller.mdev("1")
        verified(mdev, 9)
        for command in ("detach-ns {} -n 1 -c 0", "delete-ns {} -n 1", "format {} -n 1 --force", "sanitize {} -a 2"):
            refused = run(f"nvme {command.format(admin)}", check=False)
            assert refused.returncode != 0
            assert "busy" in refused.stderr + refused.stdout, command
        still_verified(mdev, 9)

    def test_free_namespaces_can_be_detached_and_attached(self, controller: Controller) -> None:
        run, admin = controller.host.run, controller.admin
        controller.mdev("1")
        run(f"nvme detach-ns {admin} -n 8 -c 0")
        assert 8 not in controller.namespaces()
        assert "No such device" in controller.create().write("namespaces", "8", check=False).stderr
        run(f"nvme attach-ns {admin} -n 8 -c 0")
        assert controller.namespaces()[8] == "-"


class TestComingAndGoing:
    def test_module_in_use_stays(self, controller: Controller) -> None:
        mdev = controller.mdev("1")
        with mdev.held():
            refused = controller.host.run("rmmod lightiov_host", check=False)
            assert "in use" in refused.stderr
            verified(controller.mdev("2"), 10)

    def test_loaded_and_unloaded_many_times(self, host: Host, controller: Controller) -> None:
        for round_ in range(5):
            unload_module(host)
            load_module(host)
            controller.bind("lightiov")
            verified(controller.mdev("1", 2), round_)
        unload_module(host)
        controller.bind("")
        assert controller.driver() == "nvme"

    def test_bound_and_unbound_many_times(self, controller: Controller) -> None:
        for round_ in range(5):
            verified(controller.mdev("1 2", 4), round_, "--namespace 0 --count 4096")
            controller.unbind()
            controller.bind("lightiov")
            assert controller.namespaces()[1] == "-"

    def test_removed_and_found_again(self, controller: Controller) -> None:
        verified(controller.mdev("1", 2), 14)
        controller.host.run(f"echo 1 > {controller.sysfs}/remove; echo 1 > {PCI}/rescan")
        # What the operator chose is forgotten with the device.
        assert controller.driver() == "nvme"
        controller.bind("lightiov")
        verified(controller.mdev("1", 2), 15)

    @pytest.mark.usefixtures("lockdep_looks_away")
    def test_pulled_out_under_load(self, controller: Controller) -> None:
        host, sysfs = controller.host, controller.sysfs
        load = under_load(controller.mdev("1", 2))
        mourner = Program(host, f"python3 {OWNER} mourn {controller.mdev('2').uuid}")
        mourner.wait_for_output("ready")
        host.unplug("nvme0")
        assert load.wait() == 1
        assert "controller is gone" in load.output()
        assert mourner.wait() == 0, mourner.output()
        # RESET is a promise, also where the answer is DEAD.
        assert "result 8, 0 KiB pinned, window of 0 bytes" in mourner.output()
        wait_until(lambda: host.run(f"test -e {sysfs}", check=False).returncode, "the end of the controller in sysfs")
        host.plug("nvme0")
        wait_until(lambda: host.run(f"test -e {sysfs}/driver", check=False).returncode == 0, "a driver")
        controller.bind("lightiov")
        verified(controller.mdev("1", 2), 16)

    def test_unbind_waits_for_the_user(self, controller: Controller) -> None:
        mdev = controller.mdev("1", 2)
        with mdev.held("--queues 2") as holder:
            unbind = Program(controller.host, f"sh -c 'echo {controller.address} > {controller.sysfs}/driver/unbind'")
            time.sleep(3)
            assert unbind.running()
            assert holder.running()
            holder.signal("TERM")
            assert unbind.wait() == 0, unbind.output()
        assert controller.driver() == ""
        controller.bind("lightiov")
        verified(controller.mdev("1"), 12)
