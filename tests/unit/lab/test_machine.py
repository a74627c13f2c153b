# SPDX-License-Identifier: GPL-3.0-or-later
"""The machines of a lab: what they are made of, and how they are found again."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from lab import emulator, images, mirror, ports, qemu, qmp, ssh
from lab.emulator import Emulator
from lab.errors import LabError, tail
from lab.host import Host
from lab.images import ImageSet
from lab.labs import Lab
from lab.process import Process
from lab.progress import Progress
from lab.spec import HostSpec, host_spec
from lab.state import Machine, State


def test_hosts_differ_in_serial_numbers() -> None:
    assert [controller.serial for controller in host_spec("host2").controllers] == ["LIOV2A", "LIOV2B"]
    assert host_spec("host2").slot("nvme1") == 2


def test_third_host_is_smaller() -> None:
    small, other = host_spec("host3"), host_spec("host1")
    assert small.memory_mib < other.memory_mib
    assert small.controllers[0].queue_pairs < other.controllers[0].queue_pairs


def test_fifth_host_has_queues_for_hundreds_of_vms() -> None:
    command = qemu.command(host_spec("host5"), Emulator(Path("/e")), ImageSet(Path("/i")), ssh_port=2222)
    [large] = [json.loads(word) for word in command if '"LIOV5A"' in word and '"driver": "nvme"' in word]
    assert (large["max_ioqpairs"], large["msix_qsize"]) == (512, 513)


def test_sixth_host_is_for_measuring() -> None:
    measuring, other = host_spec("host6"), host_spec("host1")
    assert measuring.memory_mib > other.memory_mib
    assert [one.serial for one in measuring.controllers] == ["LIOV6A", "LIOV6B"]
    assert max(one.queue_pairs for one in measuring.controllers) == 512
    commands = [
        " ".join(qemu.command(spec, Emulator(Path("/e")), ImageSet(Path("/i")), ssh_port=2222))
        for spec in (measuring, other)
    ]
    assert ["slub_debug" in command for command in commands] == [False, True]
    assert all("tsc=reliable watchdog_thresh=60" in command for command in commands)


@pytest.mark.parametrize(("flavour", "cheap"), [("stock", True), ("debug", False)])
def test_an_instrumented_kernel_needs_no_cheap_detectors(flavour: str, cheap: bool) -> None:
    images = ImageSet(Path(f"/i/{flavour}-0123"))
    command = qemu.command(host_spec("host1"), Emulator(Path("/e")), images, ssh_port=2222)
    assert any("slub_debug" in word for word in command) == cheap


@pytest.mark.parametrize(("flavour", "needed"), [("stock", True), ("debug", False)])
def test_a_kernel_with_all_built_in_needs_no_initramfs(flavour: str, needed: bool) -> None:
    images = ImageSet(Path(f"/i/{flavour}-0123"))
    command = qemu.command(host_spec("host1"), Emulator(Path("/e")), images, ssh_port=2222)
    assert (str(images.initrd) in command) == needed


def test_namespaces_keep_their_identity_in_another_slot() -> None:
    host = host_spec("host1")
    other = host.with_hardware([("nvme1", "LIOV1B"), ("nvme0", "LIOV1A")])
    assert (host.slot("nvme1"), other.slot("nvme1")) == (2, 1)

    def identities(spec: HostSpec) -> dict[str, object]:
        command = qemu.command(spec, Emulator(Path("/e")), ImageSet(Path("/i")), ssh_port=2222)
        namespaces = [json.loads(word) for word in command if '"nvme-ns"' in word]
        assert not any(namespace["eui64-default"] for namespace in namespaces)
        return {namespace["drive"]: namespace.get("nguid", namespace.get("eui64")) for namespace in namespaces}

    assert identities(host) == identities(other)
    every = [*identities(host).values(), *identities(host_spec("host2")).values()]
    assert len(set(every)) == len(every) == 20
    large, small = host.controllers
    assert large.wwid(3) == f"eui.{identities(host)['nvme0n3']}"
    assert small.wwid(1) == f"eui.{identities(host)['nvme1n1']:016x}"


@pytest.mark.parametrize("name", ["host", "1", "h1", "host1a", ""])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="host1, host2"):
        host_spec(name)


def test_the_command_line() -> None:
    command = qemu.command(
        host_spec("host1"), Emulator(Path("/emulator")), ImageSet(Path("/images/stock-1")), ssh_port=2222
    )
    devices = [command[i + 1] for i, word in enumerate(command) if word == "-device"]
    controllers = [json.loads(device) for device in devices if '"nvme"' in device]
    namespaces = [json.loads(device) for device in devices if '"nvme-ns"' in device]
    assert [c["max_ioqpairs"] for c in controllers] == [64, 8]
    assert all(c["msix_qsize"] == c["max_ioqpairs"] + 1 and not c["dbcs"] for c in controllers)
    assert [(n["bus"], n["nsid"]) for n in namespaces] == [("nvme0", i) for i in range(1, 9)] + [
        ("nvme1", 1),
        ("nvme1", 2),
    ]
    iommu = next(i for i, device in enumerate(devices) if device.startswith("intel-iommu"))
    assert iommu == 0, "the IOMMU must come before what it translates for"
    assert "user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:2222-:22" in command


def test_a_host_of_two_nodes_has_a_controller_on_one_of_them() -> None:
    spec = host_spec("host4")
    command = qemu.command(spec, Emulator(Path("/e")), ImageSet(Path("/i")), ssh_port=2222)
    options = list(zip(command, command[1:]))
    nodes = [value for option, value in options if option == "-numa"]
    memories = [value for option, value in options if option == "-object"]
    assert nodes == ["node,nodeid=0,memdev=ram0,cpus=0-0", "node,nodeid=1,memdev=ram1,cpus=1-1"]
    assert memories == [f"memory-backend-ram,id=ram{node},size={spec.memory_mib // 2}M" for node in range(2)]
    assert ("-smp", "2,sockets=2") in options
    devices = [value for option, value in options if option == "-device"]
    complexes = [device for device in devices if device.startswith("pxb-pcie")]
    assert complexes == ["pxb-pcie,id=node1,bus=pcie.0,bus_nr=128,numa_node=1"]
    ports = [device for device in devices if device.startswith("pcie-root-port")]
    assert [port.split(",")[2] for port in ports] == ["bus=node1", "bus=pcie.0"]
    # What translates comes before, and what is behind it after.
    places = [devices.index(device) for device in (devices[0], complexes[0], ports[0])]
    assert places == sorted(places) and devices[0].startswith("intel-iommu")


def test_other_hosts_are_of_one_piece() -> None:
    command = qemu.command(host_spec("host1"), Emulator(Path("/e")), ImageSet(Path("/i")), ssh_port=2222)
    assert not {"-numa", "-object"} & set(command)
    assert not any("pxb" in word or ",bus=node" in word for word in command)


def test_a_process_is_known_by_its_start_time() -> None:
    child = subprocess.Popen(["sleep", "60"])
    process = Process.of(child.pid)
    assert process.alive()
    assert not Process(child.pid, process.started + 1).alive()
    process.stop()
    assert not process.alive()
    child.wait()
    process.stop()  # nobody there: nothing happens
    with pytest.raises(ProcessLookupError):
        Process.of(child.pid)


def test_a_process_that_will_not_go_is_killed() -> None:
    child = subprocess.Popen(["sh", "-c", "trap '' TERM; echo; while :; do sleep 1; done"], stdout=subprocess.PIPE)
    assert child.stdout
    child.stdout.readline()
    Process.of(child.pid).stop(patience=0.2)
    assert child.wait() == -9


def test_ports() -> None:
    with socket.create_server((ports.LOOPBACK, 0)) as server:
        taken = server.getsockname()[1]
        assert ports.pick(taken) != taken
        threading.Thread(target=lambda: server.accept()[0].sendall(b"SSH-2.0-x\r\n"), daemon=True).start()
        assert ports.greets(taken, b"SSH-")
    assert not ports.greets(taken, b"SSH-", timeout=0.2)
    assert ports.pick(taken) == taken


def test_ssh_config_knows_hosts_and_their_vms(tmp_path: Path) -> None:
    path = tmp_path / "ssh_config"
    path.write_text(ssh.config(path, Path("/key"), {"host1": 2201, "host2": 2202}))

    def option(host: str, name: str) -> str:
        shown = subprocess.run(["ssh", "-F", path, "-G", host], check=True, capture_output=True, text=True).stdout
        return next(line.partition(" ")[2] for line in shown.splitlines() if line.startswith(name + " "))

    assert option("host2", "port") == "2202"
    assert option("host2", "user") == "root"
    assert option("vm1.host2", "proxycommand").endswith('-W "$(basename %n .host2)":22 host2')


def test_a_host_whose_qemu_died_says_so(tmp_path: Path) -> None:
    child = subprocess.Popen(["true"])
    machine = Machine(Process.of(child.pid), ports.pick(None), "stock-1")
    child.wait()
    state = State(str(tmp_path), {"host1": machine})  # an absolute name: the lab's directory
    state.ssh_config.write_text(ssh.config(state.ssh_config, Path("/key"), {"host1": machine.ssh_port}))
    host = Host("host1", state)
    host.directory.mkdir()
    host.log_file.write_text("corrupted double-linked list\n")
    for act in (lambda: host.run("true"), lambda: host.copy("/dev/null", "/x")):
        with pytest.raises(LabError, match="host1 is not running") as caught:
            act()
        assert str(host.log_file) in str(caught.value)
        assert "corrupted double-linked list" in str(caught.value)


@pytest.fixture
def asleep(tmp_path: Path) -> Iterator[Host]:
    """host1, with a process that ignores SIGTERM in the place of QEMU."""
    child = subprocess.Popen(["sh", "-c", "trap '' TERM; echo; exec sleep 60"], stdout=subprocess.PIPE)
    assert child.stdout
    child.stdout.readline()
    state = State(str(tmp_path), {"host1": Machine(Process.of(child.pid), ports.pick(None), "stock-1")})
    state.ssh_config.write_text(ssh.config(state.ssh_config, Path("/key"), {}))
    host = Host("host1", state)
    host.directory.mkdir()
    yield host
    child.kill()
    child.wait()


def test_power_is_cut_without_a_warning(asleep: Host) -> None:
    began = time.monotonic()
    asleep.cut_power()
    assert not asleep.running
    assert time.monotonic() - began < 5, "it was asked first"
    assert asleep.started_before


def test_controllers_change_places_while_a_host_is_off(asleep: Host) -> None:
    with pytest.raises(LabError, match="host1 is up: switch it off"):
        asleep.exchange_slots()
    asleep.cut_power()
    asleep.exchange_slots()
    found = Host("host1", asleep.state)
    assert [controller.serial for controller in found.spec.controllers] == ["LIOV1B", "LIOV1A"]
    assert (found.spec.slot("nvme0"), found.spec.slot("nvme1")) == (2, 1)
    found.replace_controller("nvme1", "LIOV1C")
    assert [(controller.id, controller.serial) for controller in asleep.spec.controllers] == [
        ("nvme1", "LIOV1C"),
        ("nvme0", "LIOV1A"),
    ]
    asleep.exchange_slots()
    assert asleep.spec.slot("nvme0") == 1
    asleep.reset()
    assert asleep.spec == host_spec("host1")


def test_ldd_output() -> None:
    output = """\
\tlinux-vdso.so.1 (0x00007ffc)
\tlibz.so.1 => /usr/lib/x86_64-linux-gnu/libz.so.1 (0x00007f01)
\t/lib64/ld-linux-x86-64.so.2 (0x00007f02)
"""
    assert emulator.libraries(output) == ["/usr/lib/x86_64-linux-gnu/libz.so.1", "/lib64/ld-linux-x86-64.so.2"]


def test_the_mirror_is_the_archive_proper(monkeypatch: pytest.MonkeyPatch) -> None:
    listing = "http://mirror.example/debian-security/\nhttp://mirror.example/debian/\n"
    assert mirror.first_debian(listing) == "http://mirror.example/debian/"
    assert mirror.first_debian("http://mirror.example/ubuntu/") is None
    monkeypatch.setenv("LIGHTIOV_MIRROR", "http://other.example/debian")
    assert mirror.debian_mirror() == "http://other.example/debian"


def test_a_qmp_command(tmp_path: Path) -> None:
    path = tmp_path / ("long" * 20) / ("name" * 20) / "qmp.sock"
    path.parent.mkdir(parents=True)
    requests: list[dict[str, object]] = []
    listening = threading.Event()

    def serve() -> None:
        with socket.socket(socket.AF_UNIX) as server:
            directory = os.open(path.parent, os.O_PATH)
            server.bind(f"/proc/self/fd/{directory}/{path.name}")
            os.close(directory)
            server.listen()
            listening.set()
            connection, _ = server.accept()
            with connection, connection.makefile("rw") as stream:
                stream.write('{"QMP": {}}\n')
                stream.flush()
                for answer in ('{"return": {}}', '{"event": "STOP"}\n{"error": {"desc": "Device \'x\' not found"}}'):
                    requests.append(json.loads(stream.readline()))
                    stream.write(answer + "\n")
                    stream.flush()

    thread = threading.Thread(target=serve)
    thread.start()
    assert listening.wait(5)
    with pytest.raises(qmp.QmpError, match="device_del: Device 'x' not found"):
        qmp.execute(path, "device_del", {"id": "x"})
    thread.join()
    assert requests[1] == {"execute": "device_del", "arguments": {"id": "x"}}


def test_a_monitor_that_somebody_else_uses(asleep: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qmp, "execute", partial(qmp.execute, timeout=0.1))
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(asleep.directory)
        server.bind(qemu.QMP_SOCKET)
        server.listen()
        with pytest.raises(LabError, match="host1: QEMU did not answer stop: its monitor serves one client at a time"):
            asleep.qmp("stop")
    with pytest.raises(LabError, match=r"host1: QEMU did not do what it was told: .*refused"):
        asleep.qmp("stop")


@pytest.mark.parametrize("newest", [True, False])
def test_a_host_keeps_its_images_and_says_so(
    asleep: Host, newest: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its disk is an overlay of one of them."""
    monkeypatch.setenv("LIGHTIOV_CACHE", str(tmp_path / "cache"))
    wanted = images.newest("stock")
    had = wanted if newest else ImageSet.by_id("stock-0123")
    had.root.mkdir(parents=True)
    asleep.root_disk.touch()
    asleep.state.machines["host1"] = replace(asleep.machine, images=had.id)
    assert Lab(asleep.state, Progress()).images_for(asleep, "stock") == had
    said = capsys.readouterr().err
    assert newest == (said == "")
    assert newest or "host1: keeps its disk, made from images that have changed since: `lab reset host1 --name" in said


def test_errors_show_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("".join(f"line {i}\n" for i in range(100)))
    error = LabError("it broke", log, tail(log, lines=2))
    assert str(error) == f"it broke\n  log: {log}\n  | line 98\n  | line 99"
    assert tail(tmp_path / "nothing") == ""
