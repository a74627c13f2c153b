# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a workload runs: the host itself, or a VM."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ansible_collections.lightiov.nvme.plugins.module_utils._bench import label
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.drive import RUN
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host, wait_until
from ansible_collections.lightiov.nvme.plugins.module_utils._runner import CommandError

# On an emulated CPU that others keep busy, too.
BOOT_SECONDS = 300
COMMAND_SECONDS = 60
QEMU = ("qemu-system-x86_64", "/usr/libexec/qemu-kvm")


class Machine(Protocol):
    """A shell, and directories: for files, of devices, and of disks in sysfs."""

    files: str
    devices: str
    sysfs_block: str

    def run(self, command: str, timeout: float = COMMAND_SECONDS) -> str: ...


class Local:
    """The host itself."""

    devices = "/dev"
    sysfs_block = "/sys/block"

    def __init__(self, host: Host) -> None:
        self.host = host
        self.files = str(host.path(RUN))

    def run(self, command: str, timeout: float = COMMAND_SECONDS) -> str:
        return self.host.runner.run(["sh", "-c", command], timeout)


@dataclass(frozen=True)
class Shape:
    """Of the VMs."""

    vcpus: int
    memory_mib: int
    kernel_arguments: str


def find_qemu(host: Host) -> tuple[str, tuple[int, int]]:
    """Its program and its version."""
    program = next((found for found in map(host.runner.find, QEMU) if found), None)
    if not program:
        raise LightiovError("qemu-system-x86_64 is not installed: install the package qemu-system-x86")
    said = host.runner.run([program, "--version"])
    major, minor = said.split("version ")[1].split(".")[:2]
    return program, (int(major), int(minor))


def release(host: Host) -> str:
    """Of the running kernel, which is that of the VMs."""
    return host.read("/proc/sys/kernel/osrelease") or ""


def kernel_image(host: Host) -> str:
    """Where distributions have it."""
    kernel = release(host)
    places = (f"/boot/vmlinuz-{kernel}", f"/lib/modules/{kernel}/vmlinuz")
    found = next((place for place in places if host.path(place).exists()), None)
    if not found:
        raise LightiovError(
            f"The image of the running kernel {kernel} is neither of {', '.join(places)}: boot one that is"
        )
    return found


def qemu_command(
    program: str,
    shape: Shape,
    boot: tuple[str, Path],
    attach: Sequence[str],
    *,
    shared_memory: bool = False,
    number: int = 0,
) -> list[str]:
    """A VM without anything that a workload does not need: what wakes up by itself would be counted, too."""
    # Another process can only have a part in what is shared; all else is faster in ordinary memory, with large pages.
    memory = f"memory-backend-{'memfd' if shared_memory else 'ram'},id=memory,size={shape.memory_mib}M"
    return [
        program,
        *["-name", "lightiov-bench", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"],
        *["-machine", "q35,accel=kvm,hpet=off,smm=off,vmport=off,memory-backend=memory"],
        *["-object", memory + (",share=on" if shared_memory else "")],
        *["-cpu", "host", "-smp", str(shape.vcpus), "-m", f"{shape.memory_mib}M"],
        *["-kernel", boot[0], "-initrd", str(boot[1])],
        # Its files may take more than half of the memory, where a tmpfs ends.
        *["-append", f"console=ttyS0 quiet panic=-1 rootfstype=ramfs {shape.kernel_arguments}".strip()],
        *["-chardev", f"file,id=console,path={RUN}/console{number}.log", "-serial", "chardev:console"],
        *["-chardev", f"socket,id=agent,path={agent(number)},server=on,wait=off"],
        *["-device", "virtio-serial-pci", "-device", "virtserialport,chardev=agent,name=agent"],
        *attach,
    ]


def agent(number: int) -> str:
    """The socket by which a VM is spoken to."""
    return f"{RUN}/agent{number}.sock"


class VM:
    """One that runs, until it is stopped."""

    files = "/run"
    devices = "/dev"
    sysfs_block = "/sys/block"

    def __init__(self, host: Host, command: Sequence[str], number: int = 0) -> None:
        self.host = host
        self.number = number
        self.log = host.path(f"{RUN}/qemu{number}.log")
        self.socket = socket.socket(socket.AF_UNIX)
        self.received = b""
        with self.log.open("wb") as log:
            # Its VMs end with the benchmark, but not by a signal that is for the terminal.
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def threads(self) -> list[int]:
        return [int(task.name) for task in self.host.path(f"/proc/{self.pid}/task").iterdir()]

    def wait(self) -> None:
        """Until it has booted."""
        path = agent(self.number)

        def connected() -> bool:
            if self.process.poll() is not None:
                raise self.failed("did not start")
            try:
                self.socket.connect(path)
            except OSError:
                return False
            return True

        if not wait_until(connected, 30):
            raise self.failed("did not open its socket within 30 s")
        if self._line(time.monotonic() + BOOT_SECONDS) != "ready":
            raise self.failed("said something else than that it is ready")

    def run(self, command: str, timeout: float = COMMAND_SECONDS) -> str:
        """The command is one line."""
        self.ask(command)
        return self.answer(command, timeout)

    def ask(self, command: str) -> None:
        """To begin with a command in several VMs at the same time; `answer` comes next."""
        self.socket.sendall(command.encode() + b"\n")

    def answer(self, command: str, timeout: float = COMMAND_SECONDS) -> str:
        deadline = time.monotonic() + timeout
        status, length = self._line(deadline).split()
        answer = self._bytes(int(length), deadline).decode(errors="replace")
        if status != "0":
            raise CommandError(
                f"In the VM, {command!r} exited with {status}: {answer.strip() or 'it said nothing'}", answer
            )
        return answer

    def _line(self, deadline: float) -> str:
        while b"\n" not in self.received:
            self._receive(deadline)
        line, _end, self.received = self.received.partition(b"\n")
        return line.decode(errors="replace")

    def _bytes(self, length: int, deadline: float) -> bytes:
        while len(self.received) < length:
            self._receive(deadline)
        answer, self.received = self.received[:length], self.received[length:]
        return answer

    def _receive(self, deadline: float) -> None:
        self.socket.settimeout(max(0.001, deadline - time.monotonic()))
        try:
            received = self.socket.recv(1 << 16)
        except socket.timeout as error:
            raise self.failed("did not answer in time") from error
        except ConnectionError:
            received = b""
        if not received:
            raise self.failed("has ended by itself")
        self.received += received

    def failed(self, what: str) -> LightiovError:
        """With the last that was heard of it."""
        said = [self.log, self.host.path(f"{RUN}/console{self.number}.log")]
        words = "; ".join(
            line.strip()
            for path in said
            if path.exists()
            for line in path.read_text(errors="replace").splitlines()[-8:]
            if line.strip()
        )
        return LightiovError(f"The VM of the benchmark {what}. Its last words: {words or 'none'}")

    def stop(self) -> None:
        self.socket.close()
        end(self.process)


class Daemon:
    """A program that serves VMs."""

    def __init__(self, host: Host, command: Sequence[str], until: str) -> None:
        """It is ready once there is this file."""
        log = host.path(f"{RUN}/{Path(command[0]).name}.log")
        program = host.runner.find(command[0])
        if not program:
            raise LightiovError(f"{command[0]} is not installed: install its package (qemu-utils on Debian)")
        with log.open("wb") as stream:
            self.process = subprocess.Popen(
                [program, *command[1:]], stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, start_new_session=True
            )
        if (
            not wait_until(lambda: Path(until).exists() or self.process.poll() is not None, 30)
            or not Path(until).exists()
        ):
            end(self.process)
            said = log.read_text(errors="replace").strip().replace("\n", "; ")
            raise LightiovError(f"{command[0]} does not serve, and said: {said or 'nothing'}")

    def stop(self) -> None:
        end(self.process)


def end(process: subprocess.Popen[Any]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(60)


def find_disk(machine: Machine, disks: str, seconds: float) -> str:
    """The one disk of such a name that the machine has."""
    looks = (
        f"n=0; until set -- {machine.sysfs_block}/{disks} && [ -e $1 ]; do "
        f"[ $n -lt {round(seconds / 0.05)} ] || exit 1; n=$((n + 1)); sleep 0.05; done; echo ${{1##*/}}"
    )
    try:
        return f"{machine.devices}/{machine.run(looks, timeout=10 * seconds + 30).strip()}"
    except CommandError as error:
        raise LightiovError(f"A disk {disks} does not come within {seconds:g} s") from error


def find_partition(machine: Machine, disks: str, nsid: int | None, seconds: float) -> str:
    """The one partition of the one labelled disk among those of these names; with a namespace ID, of that namespace.

    A VM that has a whole controller has its other namespaces, too, whose data may be somebody's.
    """
    mark = shlex.quote(label.MARK.decode())
    looks = (
        f"n=0; while :; do for disk in {machine.sysfs_block}/{disks}; do name=${{disk##*/}}; "
        # Without a program for each of many namespaces: a VM's disk is waited for while its time is taken.
        + (f'{{ read -r nsid < $disk/nsid; }} 2> /dev/null && [ "$nsid" = {nsid} ] || continue; ' if nsid else "")
        + f'[ "$(head -c {len(label.MARK)} {machine.devices}/$name 2> /dev/null)" = {mark} ] || continue; '
        "for part in $disk/$name*; do [ -e $part/partition ] && echo ${part##*/} && exit; done; done; "
        f"[ $n -lt {round(seconds / 0.05)} ] || exit 1; n=$((n + 1)); sleep 0.05; done"
    )
    try:
        name = machine.run(looks, timeout=10 * seconds + 30).strip()
    except CommandError as error:
        raise LightiovError(f"A labelled disk {disks} does not come within {seconds:g} s") from error
    return f"{machine.devices}/{name}"


def background(machine: Machine, command: Sequence[str], output: str, done: str) -> str:
    """A shell command that starts a program; the file `pid` gets its number, the file `done` its exit status."""
    # fio leaves files where it was started.
    run = f"{shlex.join(command)} > {output} 2>&1 & echo $! > pid"
    inner = f"cd {machine.files}; {run}; wait $!; echo $? > {done}"
    return f"rm -f {output} {done}; {{ {inner}; }} > {os.devnull} 2>&1 < {os.devnull} &"


def await_file(machine: Machine, files: Sequence[str], seconds: float, what: str) -> None:
    """Until one of the files is there. The machine looks, not we: that would be traffic."""
    there = " || ".join(f"[ -e {file} ]" for file in files)
    turns = round(seconds / 0.05)
    looks = f"n=0; until {there} || [ $n -ge {turns} ]; do sleep 0.05; n=$((n + 1)); done; {there}"
    try:
        # A turn takes longer than its sleep, under emulation several times.
        machine.run(looks, timeout=10 * seconds + 30)
    except CommandError as error:
        raise LightiovError(f"{what}: not within {seconds:g} s") from error


def has_ended(machine: Machine, done: str) -> bool:
    """Whether a program in the background has."""
    return bool(machine.run(f"[ ! -e {done} ] || echo yes"))
