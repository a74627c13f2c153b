# SPDX-License-Identifier: GPL-3.0-or-later
"""One emulated host: its disks, its machine, its console."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from . import kernel_log, lost_cpu, ports, qemu, qmp
from .emulator import Emulator
from .errors import LabError, tail
from .fault import Fault
from .images import ImageSet, flavour
from .process import Process
from .spec import Controller, HostSpec, host_spec
from .ssh import Remote
from .state import Machine, State, write
from .waiting import wait_until

# An instrumented kernel boots seven times slower.
BOOT_SECONDS = {"stock": 600, "debug": 1800}
# A boot that has printed nothing for so long may be one that hangs.
QUIET_SECONDS = 20


def qom_path(device_id: str) -> str:
    """Where QEMU's object model has a device that was given an ID."""
    return f"/machine/peripheral/{device_id}"


class Host(Remote):
    def __init__(self, name: str, state: State) -> None:
        super().__init__(name, state.ssh_config)
        try:
            self.delivered = host_spec(name)
        except ValueError as error:
            raise LabError(str(error)) from error
        self.state = state
        self.directory = state.directory / name

    @property
    def spec(self) -> HostSpec:
        """What the host is made of, after what was done to its controllers."""
        if not self.hardware_file.exists():
            return self.delivered
        return self.delivered.with_hardware(json.loads(self.hardware_file.read_text()))

    @property
    def hardware_file(self) -> Path:
        """Which controllers are in which slots, where that was changed; it goes with the host's disks."""
        return self.directory / "hardware.json"

    @property
    def machine(self) -> Machine:
        """The host's QEMU as it was started last."""
        if self.name not in self.state.machines:
            raise LabError(f"{self.name} has never been up: start it with `lab up {self.name}`")
        return self.state.machines[self.name]

    @property
    def started_before(self) -> bool:
        return self.name in self.state.machines

    @property
    def running(self) -> bool:
        return self.started_before and self.machine.process.alive()

    @property
    def console_file(self) -> Path:
        return self.directory / qemu.CONSOLE

    @property
    def log_file(self) -> Path:
        """What QEMU itself has printed."""
        return self.directory / "qemu.log"

    @property
    def boot_seconds(self) -> float:
        """How long a boot may take."""
        return BOOT_SECONDS[flavour(self.machine.images)]

    @property
    def root_disk(self) -> Path:
        return self.directory / qemu.ROOT_DISK

    @property
    def chosen_kernel(self) -> qemu.Boot | None:
        """What `choose_kernel` took from the host's disk."""
        initrd = self.directory / "initrd.img"
        return qemu.Boot(self.directory / "vmlinuz", initrd) if initrd.exists() else None

    def images(self) -> ImageSet | None:
        """The images that the host's disk was made from; None if there is no disk, or the cache has lost them."""
        if not self.started_before or not self.root_disk.exists():
            return None
        images = ImageSet.by_id(self.machine.images)
        return images if images.root.exists() else None

    def vm(self, name: str) -> Remote:
        """A VM of this host, by the name of its domain."""
        return Remote(f"{name}.{self.name}", self.ssh_config)

    # Starting and stopping

    def start(self, emulator: Emulator, images: ImageSet, compiled: Path | None, accel: str, iommu: bool) -> None:
        """Start the machine; `ready` tells when it has booted."""
        self.make_disks(emulator, images)
        port = ports.pick(self.machine.ssh_port if self.started_before else None)
        self.console_file.unlink(missing_ok=True)
        with self.log_file.open("w") as output:
            child = subprocess.Popen(
                qemu.command(
                    replace(self.spec, iommu=iommu),
                    emulator,
                    images,
                    port,
                    accel=accel,
                    boot=self.chosen_kernel,
                    compiled=compiled,
                ),
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C in this terminal is not for the hosts
            )
        self.state.machines[self.name] = Machine(Process.of(child.pid), port, images.id)

    def make_disks(self, emulator: Emulator, images: ImageSet) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        if not self.images():
            self.root_disk.unlink(missing_ok=True)
            emulator.create_overlay(self.root_disk, images.host_disk)
        for controller in self.spec.controllers:
            for nsid in range(1, controller.namespaces + 1):
                with (self.directory / qemu.namespace_file(controller, nsid)).open("ab") as disk:
                    disk.truncate(controller.namespace_bytes)

    def ready(self) -> bool:
        """Has the host booted? Raises LabError if it never will."""
        if not self.running:
            raise self.gone()
        if fatal := kernel_log.FATAL.search(self.console()):
            raise LabError(f"{self.name} did not boot: {fatal[0]}", self.console_file, tail(self.console_file))
        if not ports.greets(self.machine.ssh_port, b"SSH-"):
            self.revive()
            return False
        return self.reachable() and self.settled()

    def revive(self) -> None:
        """Reset the machine if it hangs by the emulator's fault; its log says so."""
        if not self.console_file.exists() or time.time() - self.console_file.stat().st_mtime < QUIET_SECONDS:
            return
        cpu = lost_cpu.find(self.monitor, self.spec.cpus)
        if cpu is not None:
            with self.log_file.open("a") as log:
                log.write(f"CPU {cpu} of {self.name} has lost an interrupt and hangs: reset\n")
            self.qmp("system_reset")

    def settled(self) -> bool:
        """Has udev seen all devices? Drivers, KVM among them, are loaded well after SSH answers."""
        return self.run("udevadm settle --timeout=5", check=False).returncode == 0

    def wait(self, timeout: float | None = None) -> None:
        timeout = timeout or self.boot_seconds
        self.disconnect()
        deadline = time.monotonic() + timeout
        while not self.ready():
            if time.monotonic() > deadline:
                raise LabError(
                    f"{self.name} did not answer SSH within {timeout:.0f} s; the end of its console follows",
                    self.console_file,
                    tail(self.console_file),
                )
            time.sleep(0.5)

    def reboot(self, timeout: float | None = None) -> None:
        """An orderly reboot, and wait until the host is back."""
        timeout = timeout or self.boot_seconds
        boot_id = "cat /proc/sys/kernel/random/boot_id"
        before = self.run(boot_id).stdout
        self.run("systemctl --no-block reboot", check=False)
        self.disconnect()
        deadline = time.monotonic() + timeout
        while True:
            self.wait(max(1, deadline - time.monotonic()))
            after = self.run(boot_id, check=False)
            if after.returncode == 0 and after.stdout != before:
                return
            time.sleep(1)

    def stop(self) -> None:
        """Write out what the host has cached, then switch it off."""
        if self.running:
            with contextlib.suppress(LabError):  # a host that hangs is switched off all the same
                self.run("sync", check=False, timeout=20)
            self.machine.process.stop()
        self.disconnect()

    def choose_kernel(self, version: str) -> None:
        """Have the next start boot this kernel of the host's own disk, as a boot loader would."""
        for name in ("vmlinuz", "initrd.img"):
            self.fetch(f"/boot/{name}-{version}", self.directory / name)

    def cut_power(self) -> None:
        """Off, this instant: what the host has not flushed to a disk is lost, what it has flushed is there."""
        self.machine.process.kill()
        self.disconnect()

    def exchange_slots(self) -> None:
        """Put each controller into the slot of the next one, with its namespaces and their data."""
        first, *others = self.spec.controllers
        self.refit((*others, first))

    def replace_controller(self, controller_id: str, serial: str) -> None:
        """Put another controller of the same make into the slot; it has namespaces and data of its own."""
        self.refit(tuple(replace(c, serial=serial) if c.id == controller_id else c for c in self.spec.controllers))

    def refit(self, controllers: tuple[Controller, ...]) -> None:
        """Have these controllers, in the order of their slots, from the next start on."""
        if self.running:
            raise LabError(f"{self.name} is up: switch it off before its controllers change places")
        self.directory.mkdir(parents=True, exist_ok=True)
        write(self.hardware_file, json.dumps([(controller.id, controller.serial) for controller in controllers]))

    def reset(self) -> None:
        """Switch the host off and throw its disks away."""
        if self.running:
            self.machine.process.stop()
        self.disconnect()
        shutil.rmtree(self.directory, ignore_errors=True)

    def failed(self, sentence: str, details: str = "") -> LabError:
        return self.gone() if self.started_before and not self.running else super().failed(sentence, details)

    def gone(self) -> LabError:
        return LabError(
            f"{self.name} is not running: the lab was stopped, or its QEMU died; QEMU's last words follow",
            self.log_file,
            tail(self.log_file),
        )

    # Looking inside

    def qmp(self, command: str, **arguments: object) -> object:
        """A command to QEMU, by the QEMU Machine Protocol: qmp("device_del", id="nvme0")."""
        try:
            return qmp.execute(self.directory / qemu.QMP_SOCKET, command, arguments)
        except TimeoutError as error:
            raise self.failed(
                f"{self.name}: QEMU did not answer {command}: its monitor serves one client at a time; end any other"
            ) from error
        except (OSError, qmp.QmpError) as error:
            raise self.failed(f"{self.name}: QEMU did not do what it was told: {error}") from error

    @contextlib.contextmanager
    def fault(self, controller_id: str, fault: Fault) -> Iterator[None]:
        """The controller does this wrong meanwhile. A controller has one fault at a time."""
        self.set_fault(controller_id, str(fault))
        try:
            yield
        finally:
            self.set_fault(controller_id, "")

    def set_fault(self, controller_id: str, text: str) -> None:
        self.qmp("qom-set", path=qom_path(controller_id), property="fault", value=text)

    def faults_played(self, controller_id: str) -> int:
        """How many commands the present fault, or the last one, has befallen."""
        played = self.qmp("qom-get", path=qom_path(controller_id), property="faults")
        assert isinstance(played, int)
        return played

    def host_memory(self, controller_id: str) -> int:
        """Bytes of the host's memory that the controller has borrowed."""
        borrowed = self.qmp("qom-get", path=qom_path(controller_id), property="hmb")
        assert isinstance(borrowed, int)
        return borrowed

    def monitor(self, command: str) -> str:
        """A command to QEMU's human monitor, for what QMP does not tell."""
        return str(self.qmp("human-monitor-command", **{"command-line": command}))

    def unplug(self, controller_id: str) -> None:
        """Pull a controller out without warning: the kernel is told when its registers are gone already.

        Behind the kernel's back, power and indicator off make the emulated slot let go of its card at once.
        `qmp("device_del", id=...)` is the orderly way: the kernel is asked first.
        """
        slot = self.slot_address(controller_id)
        with self.slot_unwatched(slot):
            self.run(f"setpci -s {slot} CAP_EXP+18.w=0700:0700")

    def plug(self, controller_id: str, **properties: object) -> None:
        """Put a controller back, with the namespaces it had; or another one into its slot, with these properties."""
        number, slot = self.spec.slot(controller_id), self.slot_address(controller_id)
        # Presence that changes within a second of switching the slot off is taken for the switching's own effect. And a
        # kernel that looks at the slot once more before it rests would switch it on, and have it switched off below.
        wait_until(lambda: self.slot_switched_off(slot) and self.slots_rest(), f"{self.name}'s slot {number} off")
        with self.slot_unwatched(slot):
            self.qmp("device_add", **qemu.nvme_device(self.spec.controllers[number - 1], number) | properties)
            # With the card, QEMU presses the slot's button, which to a kernel that has found the card means: out.
            self.run(f"setpci -s {slot} CAP_EXP+1a.w=0001")

    @contextlib.contextmanager
    def slot_unwatched(self, slot: str) -> Iterator[None]:
        """The slot's interrupt is off meanwhile, so that the kernel sees only what has come of it."""
        before = self.slot_control(slot)
        self.run(f"setpci -s {slot} CAP_EXP+18.w=0000:0020")
        try:
            yield
        finally:
            self.run(f"setpci -s {slot} CAP_EXP+18.w={before:04x}")

    def slot_switched_off(self, slot: str) -> bool:
        """Power off, and then the indicator, with which the kernel ends what it does about a card that has gone."""
        return self.slot_control(slot) & 0x0700 == 0x0700

    def slots_rest(self) -> bool:
        """Whether all of the kernel's threads for slots wait for their next interrupt."""
        threads = self.run("for comm in $(grep -ls pciehp /proc/[0-9]*/comm); do cat ${comm%comm}wchan; echo; done")
        waiting_in = threads.stdout.split()
        return bool(waiting_in) and all(function.startswith("irq_") for function in waiting_in)

    def slot_control(self, slot: str) -> int:
        """The Slot Control register (PCI Express Base Specification 5.0, 7.5.3.10)."""
        return int(self.run(f"setpci -s {slot} CAP_EXP+18.w").stdout, 16)

    def slot_address(self, controller_id: str) -> str:
        """The PCI address of the controller's slot, whether the controller is in it or not."""
        bridges = "lspci -D -d 1b36:000c"
        return self.run(f"{bridges} | sed -n {self.spec.slot(controller_id)}p").stdout.split()[0]

    def console(self) -> str:
        """All that the host has printed since QEMU started, over all its boots."""
        try:
            return self.console_file.read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def kernel_log(self) -> list[str]:
        return kernel_log.kernel_lines(self.console())

    def kernel_problems(self, since: int = 0) -> list[str]:
        """The kernel's complaints, from the given line of kernel_log() on."""
        return kernel_log.problems("\n".join(self.kernel_log()[since:]))
