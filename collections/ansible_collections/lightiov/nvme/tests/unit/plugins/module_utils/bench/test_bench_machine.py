# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The VM: its archive, the agent in it, and how workloads are started and awaited."""

from __future__ import annotations

import io
import os
import pty
import socket
import subprocess
import threading
import time
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils._bench import initramfs, label, machine
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.initramfs import Initramfs
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.machine import (
    VM,
    Daemon,
    Local,
    Shape,
    await_file,
    background,
    find_disk,
    find_partition,
    has_ended,
    qemu_command,
)
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.workloads import QUICK, WORKLOADS, Fio, modules_of
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._runner import CommandError, Runner


def unpack(archive: bytes) -> dict[str, tuple[int, bytes]]:
    """Mode and content of each file, read as the kernel reads it."""
    found, at = {}, 0
    while True:
        assert archive[at : at + 6] == b"070701"
        fields = [int(archive[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        size, length = fields[6], fields[11]
        name = archive[at + 110 : at + 110 + length - 1].decode()
        begin = (at + 110 + length + 3) // 4 * 4
        if name == "TRAILER!!!":
            return found
        found[name] = (fields[1], archive[begin : begin + size])
        at = (begin + size + 3) // 4 * 4


def test_archive(tmp_path: Path) -> None:
    (tmp_path / "program").write_bytes(b"12345")
    stream = io.BytesIO()
    initramfs.write(stream, {"/lib/x86/libc.so": tmp_path / "program"}, {"/init": b"#!/bin/sh\n"})
    found = unpack(stream.getvalue())
    assert found["lib/x86/libc.so"] == (0o100755, b"12345")
    assert found["init"] == (0o100755, b"#!/bin/sh\n")
    assert found["proc"] == found["lib/x86"] == (0o040755, b"")
    # A directory comes before what is in it.
    assert list(found).index("lib") < list(found).index("lib/x86") < list(found).index("lib/x86/libc.so")


LDD = """\
\tlinux-vdso.so.1 (0x00007ffd)
\tlibaio.so.1 => /lib/x86_64-linux-gnu/libaio.so.1 (0x00007f)
\tlibgone.so => not found
\t/lib64/ld-linux-x86-64.so.2 (0x00007f)
"""
MODPROBE = """\
builtin virtio_ring
insmod /lib/modules/6.12/kernel/drivers/nvme/host/nvme-core.ko.xz
insmod /lib/modules/6.12/kernel/drivers/nvme/host/nvme.ko.xz poll_queues=2
"""


def test_what_tools_say() -> None:
    assert initramfs.libraries(LDD) == ["/lib/x86_64-linux-gnu/libaio.so.1", "/lib64/ld-linux-x86-64.so.2"]
    assert [Path(file).name for file in initramfs.insmods(MODPROBE)] == ["nvme-core.ko.xz", "nvme.ko.xz"]


@pytest.mark.parametrize(("broken", "status"), [("core", 0), ("nvme", 1)])
def test_modules_are_loaded_in_order(tmp_path: Path, broken: str, status: int) -> None:
    """What a module needs may be there already; the options are its own."""
    (tmp_path / "insmod").write_text(f'#!/bin/sh\necho "$@"\n[ "$1" != /modules/{broken}.ko ]\n')
    (tmp_path / "insmod").chmod(0o755)
    ramdisk = Initramfs(Path("/x"), {"nvme": ["/modules/core.ko", "/modules/nvme.ko"], "virtio_blk": []})
    loaded = subprocess.run(
        ["sh", "-c", ramdisk.load("nvme", "poll_queues=1")],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert loaded.stdout.splitlines() == ["/modules/core.ko", "/modules/nvme.ko poll_queues=1"]
    assert loaded.returncode == status
    assert ramdisk.load("virtio_blk") == ":"


@pytest.fixture
def bin_of_this_machine(tmp_path: Path) -> Host:
    """A host without modules, whose programs are this machine's."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in initramfs.PROGRAMS:
        (tools / name).write_text(f"#!/bin/sh\n# {name}\n")
        (tools / name).chmod(0o755)
    for name, says in (("ldd", "not a dynamic executable"), ("modprobe", "builtin $4")):
        (tools / name).write_text(f"#!/bin/sh\necho {says}\n")
        (tools / name).chmod(0o755)
    return Host(tmp_path / "root", Runner(f"{tools}:/usr/bin:/bin"))


def test_archive_is_built_again_only_for_other_files(bin_of_this_machine: Host, tmp_path: Path) -> None:
    host = bin_of_this_machine
    driver = tmp_path / "lightiov_guest.ko"
    driver.write_text("driver")
    first = initramfs.ensure(host, "6.12", driver)
    found = unpack(first.path.read_bytes())
    assert (
        found["modules/lightiov_guest.ko"][1] == b"driver" and "bin/fio" in found and found["modules/early"][1] == b""
    )
    made = first.path.stat().st_mtime_ns
    again = initramfs.ensure(host, "6.12", driver)
    assert again == first and again.path.stat().st_mtime_ns == made
    driver.write_text("another")
    other = initramfs.ensure(host, "6.12", driver)
    assert other.path != first.path and not first.path.exists()


# The agent


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[VM]:
    """A VM that is only the loop of its first program, on a terminal in the place of the port."""
    outside, inside = pty.openpty()
    tty.setraw(inside)
    script = "\n".join(
        line for line in initramfs.INIT.splitlines() if not line.startswith(("mount ", "while read -r m"))
    )
    script = script.replace("/dev/vport0p1", os.ttyname(inside)).replace("/run/answer", str(tmp_path / "answer"))
    script = script.replace("PATH=/bin", "PATH=/usr/bin:/bin")
    process = subprocess.Popen(["sh", "-c", script], stdin=subprocess.DEVNULL, start_new_session=True)
    ours, theirs = socket.socketpair()

    def pass_on() -> None:
        while data := theirs.recv(4096):
            os.write(outside, data)

    def pass_back() -> None:
        while True:
            try:
                theirs.sendall(os.read(outside, 4096))
            except OSError:
                return

    for direction in (pass_on, pass_back):
        threading.Thread(target=direction, daemon=True).start()
    vm = VM.__new__(VM)
    vm.host, vm.number, vm.socket, vm.received, vm.process = Host(tmp_path), 0, ours, b"", process
    vm.log = tmp_path / "qemu.log"
    vm.files = str(tmp_path)
    yield vm
    process.kill()
    process.wait()
    ours.close()
    os.close(inside)


def test_agent_answers(agent: VM) -> None:
    assert agent._line(time.monotonic() + 10) == "ready"
    assert agent.run("echo one; echo two >&2") == "one\ntwo\n"
    assert agent.run("printf 'no end of line'") == "no end of line"
    assert agent.run(":") == ""
    assert len(agent.run("head -c 100000 /dev/zero | tr '\\0' x")) == 100000
    with pytest.raises(CommandError, match=r"exited with 3: it said this"):
        agent.run("echo it said this; exit 3")
    # Several can be asked before one has answered.
    agent.ask("echo asked")
    assert agent.answer("echo asked") == "asked\n"
    # It is in step again.
    assert agent.run("echo still there") == "still there\n"


def test_workload_in_the_background(agent: VM) -> None:
    agent._line(time.monotonic() + 10)
    files = [f"{agent.files}/{name}" for name in ("started", "output", "done")]
    begun, output, done = files
    program = ["sh", "-c", f"echo > {begun}; sleep 0.3; echo it\\'s done; exit 4"]
    agent.run(background(agent, program, output, done))
    await_file(agent, [begun, done], 5, "its start")
    assert not Path(done).exists() and not has_ended(agent, done)
    await_file(agent, [done], 5, "its end")
    assert has_ended(agent, done)
    assert (Path(output).read_text(), Path(done).read_text()) == ("it's done\n", "4\n")
    with pytest.raises(LightiovError, match=r"the moon: not within 0.1 s"):
        await_file(agent, ["/moon"], 0.1, "the moon")


@pytest.fixture
def disks(tmp_path: Path) -> Local:
    """A blank disk, one with somebody's data, two that are labelled, and a path to one of them."""
    local = Local(Host(tmp_path))
    local.devices, local.sysfs_block = str(tmp_path / "dev"), str(tmp_path / "block")
    (tmp_path / "dev").mkdir()
    for number, (name, content) in enumerate(
        (("nvme0n1", b"data"), ("nvme0n2", bytes(512)), ("nvme0n3", None), ("nvme0n4", None)), start=1
    ):
        (tmp_path / "dev" / name).write_bytes(label.first_block(1 << 28, 512, True) if content is None else content)
        partition = tmp_path / "block" / name / f"{name}p1"
        partition.mkdir(parents=True)
        (partition / "partition").write_text("1\n")
        # Numbers of disks are not those of namespaces.
        (tmp_path / "block" / name / "nsid").write_text(f"{5 - number}\n")
    (tmp_path / "block/nvme0c0n3").mkdir()
    return local


def test_the_disk_is_the_labelled_one_of_the_namespace(disks: Local) -> None:
    assert find_partition(disks, "nvme*n*", 2, 0.1) == f"{disks.devices}/nvme0n3p1"
    assert find_partition(disks, "nvme*n*", 1, 0.1) == f"{disks.devices}/nvme0n4p1"
    assert find_partition(disks, "nvme*n3", None, 0.1) == f"{disks.devices}/nvme0n3p1"


def test_no_program_is_started_for_a_namespace_that_is_not_looked_for(disks: Local, tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("cat", "head", "sleep"):
        (tools / name).write_text(f'#!/bin/sh\necho {name} >> {tmp_path}/started\nexec /usr/bin/{name} "$@"\n')
        (tools / name).chmod(0o755)
    disks.host = Host(tmp_path, Runner(f"{tools}:/usr/bin:/bin"))
    find_partition(disks, "nvme*n*", 2, 0.1)
    assert (tmp_path / "started").read_text().split() == ["head"]


def test_the_only_disk(disks: Local) -> None:
    assert find_disk(disks, "nvme0n3*", 0.1) == f"{disks.devices}/nvme0n3"
    with pytest.raises(LightiovError, match="does not come"):
        find_disk(disks, "liov*n*", 0.1)


@pytest.mark.parametrize(("names", "nsid"), [("nvme*n*", 4), ("nvme*n*", 3), ("nvme*n*", 7), ("vd*", None)])
def test_no_other_disk_is_taken(disks: Local, names: str, nsid: int | None) -> None:
    with pytest.raises(LightiovError, match="does not come"):
        find_partition(disks, names, nsid, 0.1)


def test_agent_that_does_not_answer(agent: VM) -> None:
    agent._line(time.monotonic() + 10)
    (agent.host.path(f"{machine.RUN}")).mkdir(parents=True)
    agent.host.path(f"{machine.RUN}/console0.log").write_text("Kernel panic - not syncing\n")
    with pytest.raises(LightiovError, match=r"did not answer in time.*Kernel panic"):
        agent.run("sleep 5", timeout=0.3)


def test_agent_that_is_gone(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    vm = VM.__new__(VM)
    vm.host, vm.number, vm.socket, vm.received, vm.log = Host(tmp_path), 0, ours, b"", tmp_path / "qemu.log"
    vm.log.write_text("qemu: could not open /dev/kvm\n")
    theirs.close()
    with pytest.raises(LightiovError, match=r"ended by itself.*could not open /dev/kvm"):
        vm._line(time.monotonic() + 5)


def test_local_machine_runs_workloads_likewise(tmp_path: Path) -> None:
    local = Local(Host(tmp_path))
    local.files = str(tmp_path)
    done = f"{tmp_path}/done"
    local.run(background(local, ["pwd"], f"{tmp_path}/output", done))
    await_file(local, [done], 5, "its end")
    assert Path(tmp_path, "pid").read_text().strip().isdigit()
    # fio leaves files where it is.
    assert Path(tmp_path, "output").read_text().strip() == str(tmp_path)


def test_daemon_that_does_not_serve(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.path(machine.RUN).mkdir(parents=True)
    with pytest.raises(LightiovError, match=r"does not serve, and said: no such drive"):
        Daemon(host, ["sh", "-c", "echo no such drive; exit 1"], str(tmp_path / "never"))
    with pytest.raises(LightiovError, match=r"not installed"):
        Daemon(host, ["no-such-program"], "/x")
    daemon = Daemon(host, ["sh", "-c", f"echo > {tmp_path}/socket; exec sleep 60"], str(tmp_path / "socket"))
    daemon.stop()
    assert daemon.process.returncode == -15


# Command lines


@pytest.mark.parametrize("shared", [False, True])
def test_vm_has_nothing_that_it_does_not_need(shared: bool) -> None:
    command = qemu_command(
        "qemu", Shape(2, 384, "a=b"), ("/vmlinuz", Path("/cpio")), ["-device", "disk"], shared_memory=shared
    )
    [memory] = [word for word in command if word.startswith("memory-backend")]
    assert memory == (
        "memory-backend-memfd,id=memory,size=384M,share=on" if shared else "memory-backend-ram,id=memory,size=384M"
    )
    assert [command[i + 1] for i, word in enumerate(command) if word == "-device"] == [
        "virtio-serial-pci",
        "virtserialport,chardev=agent,name=agent",
        "disk",
    ]
    assert command[command.index("-append") + 1] == "console=ttyS0 quiet panic=-1 rootfstype=ramfs a=b"


def test_modules_that_workloads_share_are_loaded_once() -> None:
    """insmod refuses what is there."""
    assert modules_of(["randread-qd1", "rocksdb", "sysbench"]) == ["ext4"]


def test_fio_of_each_workload() -> None:
    for workload in WORKLOADS.values():
        if not isinstance(workload, Fio):
            continue
        command = workload.command("/dev/vda1", "/run", 10)
        assert "--exec_prerun=echo > /run/started" in command
        assert "--filename=/dev/vda1" in command and "--runtime=70s" in command and "--ramp_time=1.5s" in command
        assert f"--iodepth={workload.depth}" in command and "--hipri=1" not in command
        assert "--hipri=1" in workload.command("/dev/vda1", "/run", 10, polled=True)
    assert set(QUICK) <= WORKLOADS.keys()
    names = {f"{kind}-qd{depth}" for kind in ("randread", "randwrite", "randrw") for depth in (1, 8, 32)}
    assert WORKLOADS.keys() == names | {"read-128k", "write-128k", "fsync", "rocksdb", "sysbench"}
