# SPDX-License-Identifier: GPL-3.0-or-later
"""How soon a VM of the lab has its disk and takes log-ins after `virsh start`, and how soon a disk is there that is
plugged in while the VM runs: with LightIOV, and with virtio-blk in its place; run by `make bench-starts`.

What happens in the VM is timed by the VM, in microseconds since it booted. The clock of this machine is beside it once
a boot, by a command over SSH: half of what that takes is how far a time after `virsh start` may be off, in both forms
alike.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any
from xml.etree import ElementTree

from ansible_collections.lightiov.nvme.plugins.module_utils._bench.estimate import median
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.goals import show

from lab import Host, Lab, wait_until
from lab.paths import PROJECT

RESULTS = PROJECT / "build" / "starts.json"
FILE = "/var/lib/libvirt/images/lightiov-starts.raw"
VIRTIO_DISK = f"""
<disk type="file" device="disk">
  <driver name="qemu" type="raw" cache="none" io="native"/>
  <source file="{FILE}"/>
  <target dev="vdz" bus="virtio"/>
  <serial>starts</serial>
</disk>
"""
MOMENTS = {
    "disk": "virsh start to disk, s",
    "login": "virsh start to log-in, s",
    "plug": "plugged in to disk, s",
}
BOOT_TIMEOUT = 900


@dataclass(frozen=True)
class Form:
    """What the VM's disk is."""

    name: str
    device: str  # as libvirt has it
    source: str  # by which it is found there
    link: str  # what udev calls it, in the VM


@dataclass(frozen=True)
class Starts:
    """Seconds of each round, of one form."""

    disk: list[float] = field(default_factory=list)
    login: list[float] = field(default_factory=list)
    plug: list[float] = field(default_factory=list)


class VM:
    """A VM of the lab that has one mediated device."""

    def __init__(self, host: Host, name: str, definition: str) -> None:
        self.host = host
        self.name = name
        self.remote = host.vm(name)
        self.definition = definition
        [hostdev] = mdevs(definition)
        address = hostdev.find("source/address")
        assert address is not None
        uuid = address.attrib["uuid"]
        self.forms = (
            Form(
                "LightIOV", ElementTree.tostring(hostdev, encoding="unicode"), uuid, "/dev/disk/by-id/lightiov-uuid.*"
            ),
            Form("virtio-blk", VIRTIO_DISK, FILE, "/dev/disk/by-id/virtio-starts"),
        )

    def define(self, definition: str) -> None:
        self.host.run("virsh define /dev/stdin", stdin=definition)

    def power(self, on: bool) -> None:
        state = self.host.run(f"virsh domstate {self.name}").stdout.strip()
        if (state == "running") != on:
            self.host.run(f"virsh {'start' if on else 'destroy'} {self.name}")

    def has(self, form: Form) -> bool:
        return form.source in self.host.run(f"virsh dumpxml {self.name}").stdout

    def disk(self, form: Form) -> str:
        """Its name in the VM, or nothing."""
        return self.remote.run(f"readlink -e {form.link} | head -n 1", check=False).stdout.strip()

    def booted(self) -> float:
        """When the VM's clock was zero, by the clock of this machine."""
        before = time.monotonic()
        uptime = float(self.remote.run("cut -d' ' -f1 /proc/uptime").stdout)
        return (before + time.monotonic()) / 2 - uptime

    def named(self, form: Form) -> float:
        """Seconds since the VM booted at which udev had the disk."""
        wait_until(lambda: self.disk(form), f"{self.name}: its {form.name} disk", BOOT_TIMEOUT)
        told = "udevadm info --query property --property USEC_INITIALIZED --value"
        return microseconds(self.remote.run(f"{told} {self.disk(form)}").stdout)

    def opened(self) -> float:
        """Seconds since the VM booted at which it took log-ins."""
        return microseconds(self.remote.run("systemctl show -P ActiveEnterTimestampMonotonic ssh.service").stdout)

    def start(self, form: Form, starts: Starts) -> None:
        self.define(with_device(self.definition, form.device))
        began = time.monotonic()
        self.power(on=True)
        self.remote.wait(BOOT_TIMEOUT)
        # The first command has to connect.
        self.remote.run("true")
        booted = self.booted() - began
        starts.disk.append(booted + self.named(form))
        starts.login.append(booted + self.opened())

    def plug(self, form: Form, starts: Starts) -> None:
        self.host.run(f"virsh detach-device {self.name} /dev/stdin --live", stdin=form.device, timeout=BOOT_TIMEOUT)
        # The guest has let go of it before QEMU has.
        wait_until(lambda: not self.has(form), f"{self.name}: no {form.name} disk", BOOT_TIMEOUT)
        booted = self.booted()
        began = time.monotonic()
        self.host.run(f"virsh attach-device {self.name} /dev/stdin --live", stdin=form.device, timeout=BOOT_TIMEOUT)
        starts.plug.append(booted + self.named(form) - began)


def microseconds(text: str) -> float:
    return int(text) / 1e6


def mdevs(definition: str) -> list[ElementTree.Element]:
    return ElementTree.fromstring(definition).findall("devices/hostdev[@type='mdev']")


def with_device(definition: str, device: str) -> str:
    """The same VM with this device in the place of its mediated one."""
    domain = ElementTree.fromstring(definition)
    devices = domain.find("devices")
    assert devices is not None
    [present] = devices.findall("hostdev[@type='mdev']")
    devices.remove(present)
    devices.append(ElementTree.fromstring(device))
    return ElementTree.tostring(domain, encoding="unicode")


def find(lab: Lab, name: str | None) -> VM:
    """A VM whose definition is simple enough to have its disk exchanged."""
    for host in lab.hosts:
        if not host.running:
            continue
        for one in host.run("virsh list --all --name").stdout.split():
            definition = host.run(f"virsh dumpxml --inactive --security-info {one}").stdout
            if name in (None, one) and len(mdevs(definition)) == 1:
                return VM(host, one, definition)
    raise SystemExit(f"No VM {name or ''} with one mediated device runs in lab {lab.name}: make deploy first")


@contextmanager
def as_it_was(vm: VM) -> Iterator[None]:
    """Whatever happens, the VM has its definition at the end, and runs."""
    vm.host.run(f"truncate --size 1G {FILE}")
    vm.power(on=False)
    try:
        yield
    finally:
        vm.power(on=False)
        vm.define(vm.definition)
        vm.host.run(f"rm {FILE}")
        vm.power(on=True)


def measure(vm: VM, rounds: int) -> dict[str, Starts]:
    found = {form.name: Starts() for form in vm.forms}
    for number in range(rounds):
        # Who is first in a round is second in the next: what drifts is the same for both.
        for form in vm.forms if number % 2 == 0 else vm.forms[::-1]:
            starts = found[form.name]
            vm.power(on=False)
            vm.start(form, starts)
            vm.plug(form, starts)
            print(
                f"round {number + 1} of {rounds}: {form.name}: disk after {starts.disk[-1]:.1f} s,"
                f" log-in after {starts.login[-1]:.1f} s, plugged in after {starts.plug[-1]:.2f} s",
                flush=True,
            )
    return found


def table(found: dict[str, Starts]) -> Iterator[str]:
    """Medians, with the least and the most, and the median of the rounds' ratios with its interval."""
    ours, theirs = found
    yield f"{'':28} {ours:>22} {theirs:>22} {'ratio':>22}"
    for moment, text in MOMENTS.items():
        times = [getattr(found[name], moment) for name in (ours, theirs)]
        ratio = median([one / other for one, other in zip(*times)])
        yield f"{text:28} {spread(times[0]):>22} {spread(times[1]):>22} {show(ratio):>22}"


def spread(times: Sequence[float]) -> str:
    return f"{statistics.median(times):.2f} ({min(times):.2f} to {max(times):.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--vm", help="which of the lab's VMs; without it, the first that has one mediated device")
    options = parser.parse_args()
    vm = find(Lab.open(), options.vm)
    with as_it_was(vm):
        found = measure(vm, options.rounds)
    results: dict[str, Any] = {"vm": vm.name, "seconds": {name: asdict(starts) for name, starts in found.items()}}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    print("\n".join(table(found)))


if __name__ == "__main__":
    main()
