# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of a deployment look at: a VM with its disk and its mediated device, and Ansible runs."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from xml.etree import ElementTree

from lab import Host, Program, Remote, wait_until
from lab.kernel_log import problems
from lab.paths import PROJECT

MARK = "bs=4k count=1 status=none"
MARK_BLOCK = 50000  # of 4 KiB: beyond what other tests write, within the smallest namespace of the lab

# In a VM: ends its verified load.
STOP = "/run/stop"
SLEEP = "echo mem > /sys/power/state"
# What a VM's disk still does after what was done to it.
VERIFIED = ("--name=after", "--rw=randwrite", "--bs=64k", "--size=4m", "--verify=crc32c", "--verify_fatal=1")
# Milliseconds after which a command counts as lost, where many are to be.
IMPATIENT = 2000
# In a VM: its driver's folder.
DRIVER = "/sys/bus/pci/drivers/lightiov_guest"
POLL_QUEUES = "/sys/module/lightiov_guest/parameters/poll_queues"


def wait_for_the_end_of_the_boot(host: Host) -> None:
    """Until what starts by itself has started, or failed to."""
    wait_until(lambda: not host.run("systemctl list-jobs --no-legend").stdout.strip(), "the end of the boot", 300)


def mark(machine: Remote, disk: str, owner: str) -> None:
    """Leave a block on a disk that says whose it is, flushed."""
    command = f"dd of={disk} {MARK} seek={MARK_BLOCK} iflag=fullblock oflag=direct conv=notrunc,fsync"
    machine.run(command, stdin=f"Block of {owner}. ".ljust(4096, "#"))


def marked(machine: Remote, disk: str) -> str:
    """Whose disk it is, by that block."""
    block = machine.run(f"dd if={disk} {MARK} skip={MARK_BLOCK} iflag=direct | tr -d '\\0'").stdout
    return block.removeprefix("Block of ").rstrip("#").rstrip(". ")


def stock_disk(host: Host, serial: str) -> str:
    """The first namespace of a controller that is with the stock driver."""
    return host.run(f"readlink -f /dev/disk/by-id/nvme-*{serial}_1").stdout.split()[0]


def misplaced(host: Host, serial: str) -> list[str]:
    """Mediated devices of the host that are on another controller than the one with this serial."""
    mdevs = "$(ls -d /sys/bus/mdev/devices/* 2>/dev/null)"
    listing = host.run(f'for m in {mdevs}; do echo "$m $(cat "$(readlink -f "$m")/../lightiov/serial")"; done')
    return [line for line in listing.stdout.splitlines() if line.split()[1:] != [serial]]


def counters(machine: Remote, device: str) -> dict[str, int]:
    """What a device's folder in sysfs tells of what has happened to it."""
    listing = machine.run(f"grep -H . {device}/statistics/*").stdout
    pairs = (line.rsplit("/", 1)[1].split(":") for line in listing.splitlines())
    return {name: int(value) for name, value in pairs}


@dataclass(frozen=True)
class VM:
    """A VM with a LightIOV disk that is a whole namespace, and others beside it or not."""

    host: Host
    name: str

    @property
    def remote(self) -> Remote:
        return self.host.vm(self.name)

    @property
    def only(self) -> tuple[str, str]:
        """The option that restricts ansible-playbook to the VM and its hypervisor."""
        return "--limit", f"{self.host.name},{self.name}"

    @property
    def hostdev(self) -> str:
        """The VM's mediated device as its domain has it, in XML."""
        domain = ElementTree.fromstring(self.host.run(f"virsh dumpxml --inactive {self.name}").stdout)
        [hostdev] = domain.findall("devices/hostdev[@type='mdev']")
        return ElementTree.tostring(hostdev, encoding="unicode")

    @property
    def root_disk(self) -> str:
        return f"/var/lib/libvirt/images/{self.name}-root.qcow2"

    @cached_property
    def uuid(self) -> str:
        """The VM's mediated device."""
        [address] = ElementTree.fromstring(self.hostdev).findall("source/address")
        return address.attrib["uuid"]

    @property
    def mdev(self) -> str:
        return f"/sys/bus/mdev/devices/{self.uuid}"

    @property
    def serial(self) -> str:
        """Of the controller."""
        return self.host.run(f"cat {self.mdev}/serial").stdout.strip()

    @property
    def tenant(self) -> str:
        return self.host.run(f"cat {self.mdev}/tenant").stdout.strip()

    @property
    def disk(self) -> str:
        """The one that is a whole namespace."""
        return self.remote.run("readlink -f /dev/disk/by-id/lightiov-*-ns[0-9]").stdout.split()[0]

    def limit(self, which: str) -> int:
        """One of the limits that the block layer goes by with the VM's disk, by its file's name."""
        return int(self.remote.run(f"cat /sys/block/{self.disk.removeprefix('/dev/')}/queue/{which}").stdout)

    @property
    def queue_interrupts(self) -> list[int]:
        """Interrupts so far, in the VM, of each queue pair of its disk."""
        device = self.disk.removeprefix("/dev/").split("n")[0]
        lines = self.remote.run("cat /proc/interrupts").stdout.splitlines()
        counts = [line.split() for line in lines if f"{device}q" in line]
        cpus = len(lines[0].split())
        return [sum(map(int, fields[1 : 1 + cpus])) for fields in counts]

    @property
    def completed(self) -> int:
        """Requests that the VM's disk has completed so far: reads, writes, discards, flushes."""
        fields = self.remote.run(f"cat /sys/block/{self.disk.removeprefix('/dev/')}/stat").stdout.split()
        return sum(int(fields[i]) for i in (0, 4, 11, 15))

    @property
    def statistics(self) -> dict[str, int]:
        """What the host module counted for this VM."""
        return counters(self.host, self.mdev)

    @property
    def driver_statistics(self) -> dict[str, int]:
        """What the guest driver has counted since it was bound."""
        return counters(self.remote, f"{DRIVER}/*:*")

    @property
    def queues(self) -> list[str]:
        return self.host.run(f"cat {self.mdev}/queues").stdout.splitlines()

    @property
    def state(self) -> str:
        return self.host.run(f"cat {self.mdev}/state").stdout.strip()

    @property
    def kernel_log(self) -> list[str]:
        """What the VM's kernel has said since it booted."""
        return self.remote.run("dmesg").stdout.splitlines()

    @property
    def complaints(self) -> list[str]:
        """Its kernel's. To be asked for before the VM is restarted: the log goes with it."""
        return problems("\n".join(self.kernel_log))

    @property
    def pid(self) -> int:
        return int(self.host.run(f"cat /run/libvirt/qemu/{self.name}.pid").stdout)

    def kvm(self, counter: str) -> int:
        """What KVM counted so far for this VM, in all vCPUs: exits, mmio_exits, ..."""
        return int(self.host.run(f"cat /sys/kernel/debug/kvm/{self.pid}-*/{counter}").stdout)

    def fio_command(self, *options: str) -> str:
        """fio on the VM's disk, unless a --filename says otherwise."""
        # Given two, fio would use both.
        elsewhere = any(option.startswith("--filename=") for option in options)
        where = [] if elsewhere else [f"--filename={self.disk}"]
        return shlex.join(["fio", "--ioengine=libaio", "--direct=1", *where, *options])

    def fio(self, *options: str, timeout: float = 300) -> list[dict]:
        """Run fio; its jobs' results. Raises on any error."""
        result = self.remote.run(self.fio_command("--output-format=json", *options), timeout=timeout)
        jobs = json.loads(result.stdout[result.stdout.index("{") :])["jobs"]
        assert all(job["error"] == 0 for job in jobs), jobs
        return jobs

    def goes_on(self, when: str) -> None:
        """Wait until the VM's disk has completed some more requests."""
        enough = self.completed + 100
        wait_until(lambda: self.completed > enough, f"I/O in {self.name} {when}")

    def under_load(self, load: Program) -> Program:
        """Wait until this program does I/O on the VM's disk."""
        enough = self.completed + 100
        wait_until(lambda: self.completed > enough or not load.running(), f"load in {self.name}")
        assert load.running(), load.output()
        return load

    def verify_until_stopped(self, *options: str) -> str:
        """A command that writes and verifies over and over until the file STOP is there, or an error is met."""
        fio = self.fio_command("--name=verified", "--rw=randwrite", "--bs=8k", "--iodepth=16", "--size=8m",
                               "--verify=crc32c", "--verify_fatal=1", *options)  # fmt: skip
        return shlex.join(["sh", "-c", f"until [ -e {STOP} ]; do {fio} || exit; done"])

    @contextmanager
    def verified_load(self, *options: str) -> Iterator[None]:
        """fio writes and verifies over and over while the block runs; an error that it met is raised at the end."""
        self.remote.run(f"rm -f {STOP}")
        load = self.under_load(Program(self.remote, self.verify_until_stopped(*options)))
        try:
            yield
        finally:
            self.remote.run(f"touch {STOP}")
        assert load.wait() == 0, load.output()

    @property
    def address(self) -> str:
        """The device's PCI address in the VM, where the driver has it."""
        return self.remote.run(f"cd {DRIVER} && ls -d *:*").stdout.strip()

    @property
    def driver_state(self) -> str:
        """What the guest driver makes of its device: live, waiting, ..."""
        return self.remote.run(f"cat {DRIVER}/*:*/state").stdout.strip()

    def unbind(self) -> str:
        """Take the device from its driver, and the disk goes; the device's PCI address in the VM."""
        address = self.address
        self.remote.run(f"echo {address} > {DRIVER}/unbind")
        return address

    def bind(self, address: str) -> None:
        self.remote.run(f"echo {address} > {DRIVER}/bind")
        self.wait_for_disk()

    @contextmanager
    def polled(self, queues: int) -> Iterator[None]:
        """So many of its disk's queue pairs are to be polled; nothing else uses the disk when that begins and ends."""
        self.bind_with(queues)
        try:
            yield
        finally:
            self.bind_with(0)

    def bind_with(self, poll_queues: int) -> None:
        address = self.unbind()
        self.remote.run(f"echo {poll_queues} > {POLL_QUEUES}")
        self.bind(address)

    @contextmanager
    def impatient(self, milliseconds: int) -> Iterator[None]:
        """A command of its disk counts as lost after that time."""
        limit = f"/sys/block/{self.disk.removeprefix('/dev/')}/queue/io_timeout"
        usual = self.limit("io_timeout")
        self.remote.run(f"echo {milliseconds} > {limit}")
        try:
            yield
        finally:
            self.remote.run(f"echo {usual} > {limit}")

    def restore_pm_registers(self) -> None:
        """Before the VM sleeps or hibernates: it may have slept before.

        S3 resets QEMU's LPC bridge, and SeaBIOS sets up only PIIX4's again. Without PMBASE and ACPI_EN, sleep ends as
        soon as it begins, and power stays on.
        """
        self.remote.run("setpci -s 00:1f.0 40.l=00000601 44.b=80")

    def send_to_sleep(self, command: str = SLEEP) -> None:
        """Have it sleep, by this command, as soon as nobody waits for it any more."""
        self.restore_pm_registers()
        self.remote.run(f"(sleep 1; {command}) > /dev/null 2>&1 &")

    @property
    def domain_state(self) -> str:
        return self.host.run(f"virsh domstate {self.name}").stdout.strip()

    @property
    def asleep(self) -> bool:
        return self.domain_state == "pmsuspended"

    @property
    def off(self) -> bool:
        return self.domain_state == "shut off"

    def wake(self) -> None:
        self.host.run(f"virsh dompmwakeup {self.name}")

    def rescan(self) -> None:
        """Have the host look at the namespaces of the VM's controller."""
        self.host.run(f"nvme ns-rescan /dev/$(cat {self.mdev}/../lightiov/admin)")

    @property
    def reset_command(self) -> str:
        """Resets the VM's controller, on its host; fails if it does not come back."""
        return f"echo 1 > {self.mdev}/../lightiov/reset_controller"

    def reset_controller(self) -> None:
        self.host.run(self.reset_command)

    def take_controller_anew(self) -> None:
        """The VM is off while its controller, which no other VM uses, is let go and taken again."""
        driver = "/sys/bus/pci/drivers/lightiov"
        address = self.host.run(f"basename $(readlink -f {self.mdev}/..)").stdout.strip()
        self.switch_off()
        self.host.run(f"echo {address} > {driver}/unbind && echo {address} > {driver}/bind")
        # It comes by its definition; its disks are what it is given last.
        wait_until(
            lambda: self.host.run(f"grep -qs . {self.mdev}/extents", check=False).returncode == 0,
            f"{self.host.name}: mediated device {self.uuid} with its disks",
        )
        self.start()

    def restart(self) -> None:
        """Off and on, as by its power switch."""
        self.switch_off()
        self.start()

    def switch_off(self) -> None:
        """Later than libvirt waits for: an instrumented host takes its time to give back the VM's memory."""
        ended = self.host.run(f"virsh destroy {self.name}", check=False)
        assert ended.returncode == 0 or "Failed to terminate process" in ended.stderr, ended.stderr
        wait_until(lambda: self.off, f"{self.host.name}: {self.name} off", self.host.boot_seconds)

    def shut_down(self) -> None:
        """As its owner would."""
        self.remote.disconnect()
        self.host.run(f"virsh shutdown {self.name}")
        wait_until(lambda: self.off, f"{self.host.name}: {self.name} to shut down", self.host.boot_seconds)

    def start(self) -> None:
        self.switch_on()
        self.come_up()

    def switch_on(self) -> None:
        self.host.run(f"virsh start {self.name}")

    def come_up(self) -> None:
        self.wait()
        self.wait_for_disk()

    def wait(self) -> None:
        """Until it has booted: with the kernel of the debug flavour that takes its time, as it does on a host."""
        self.remote.wait(self.host.boot_seconds)

    def wait_for_disk(self) -> None:
        wait_until(
            lambda: self.remote.run("ls /dev/disk/by-id/lightiov-*-ns[0-9]", check=False).returncode == 0,
            f"{self.name}: its LightIOV disk",
        )


class Ansible:
    """Ansible as a user of the checkout runs it."""

    # Its VMs are where the tests look for them.
    environment = {
        **os.environ,
        "ANSIBLE_INVENTORY": str(PROJECT / "inventories/lab-pinned"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_FORCE_COLOR": "0",
    }

    def playbook(self, name: str, *arguments: str, cwd: Path = PROJECT) -> subprocess.CompletedProcess[str]:
        return self._run("ansible-playbook", name, *arguments, cwd=cwd)

    def start(self, name: str, *arguments: str) -> subprocess.Popen[str]:
        """A run that goes on beside the test, in a process group of its own."""
        return subprocess.Popen(
            ["ansible-playbook", name, *arguments], cwd=PROJECT, env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True, start_new_session=True,
        )  # fmt: skip

    def remove(self, vm: VM, keep_root_disk: bool = False) -> None:
        """Tear the VM's host down, its VMs included; the VM's root disk goes, too, or is left where it was."""
        options = ("--limit", vm.host.name, "-e", "lightiov_remove_domains=true")
        gone = self.playbook("playbooks/teardown.yml", *options)
        assert gone.returncode == 0, gone.stdout[-4000:]
        aside = f"{vm.root_disk}.removed-*"
        vm.host.run(f"mv {aside} {vm.root_disk}" if keep_root_disk else f"rm {aside}")

    def module(self, host: str, module: str, arguments: dict, *options: str) -> dict:
        """One module on one host; what it returned, whether it failed or not."""
        given = ["-a", json.dumps(arguments)] if arguments else []
        done = self._run("ansible", host, "-m", f"lightiov.nvme.{module}", *given, *options)
        # Warnings may come before it: HOST | SUCCESS => {...}
        status, _, result = done.stdout[done.stdout.index(f"{host} | ") :].partition(" => ")
        return {"failed": "FAILED" in status} | json.JSONDecoder().raw_decode(result)[0]

    def _run(self, *command: str, cwd: Path = PROJECT) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=cwd, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=1500, check=False,
        )  # fmt: skip


def changed(run: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """`changed=` of each host in the recap."""
    recap = run.stdout.split("PLAY RECAP", 1)[1].splitlines()[1:]
    return {
        line.split(":")[0].strip(): int(line.split("changed=")[1].split()[0]) for line in recap if "changed=" in line
    }
