# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of a host's machine. File names are relative: QEMU runs in the host's directory."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from .emulator import Emulator
from .images import ImageSet
from .spec import Controller, HostSpec

# Without what costs an emulated CPU much and no test needs: a fifth level of page tables, which accesses of a VM walk
# twice; user memory that is unlocked for each access; wide registers that are saved at every VM exit, with all that
# computes in them, since not every program looks whether they can be saved; and fast string instructions, which are
# emulated byte by byte where a kernel or libc without them moves eight bytes.
CPU = (
    "max,la57=off,smap=off,xsave=off,avx=off,avx2=off,fma=off,f16c=off,vaes=off,"
    "erms=off,fsrm=off,fzrm=off,fsrs=off,fsrc=off"
)
ROOT_DISK = "root.qcow2"
CONSOLE = "console.log"
QMP_SOCKET = "qmp.sock"
KERNEL_ARGUMENTS = (
    "root=/dev/vda rw console=ttyS0 net.ifnames=0 systemd.show_status=false intel_iommu=on "
    # Dear under emulation; and nobody attacks the lab.
    "mitigations=off init_on_alloc=0 kvm.halt_poll_ns=0 "
    # The emulator's TSC is that of the machine. Checked against jiffies, of which a busy machine loses some, it would
    # often be found unstable, and then each look at the clock leaves the host: its VMs take several times as long.
    "tsc=reliable "
    # Lock-up detectors that allow for an emulated CPU.
    "watchdog_thresh=60 rcupdate.rcu_cpu_stall_timeout=120"
)
# Cheap detectors of memory errors, in what drivers allocate. KASAN sees the same and more.
WATCHFUL = "slub_debug=FZP,kmalloc-* kfence.sample_interval=100"


def of_images(images: ImageSet) -> Boot:
    """The instrumented kernel finds its root disk by itself; what an initramfs does takes it minutes."""
    return Boot(images.kernel, None if images.instrumented else images.initrd)


def namespace_file(controller: Controller, nsid: int) -> str:
    return f"{controller.serial}-{nsid}.raw"


@dataclass(frozen=True)
class Boot:
    """What a host boots, as the boot loader hands it over."""

    kernel: Path
    initrd: Path | None


def command(
    spec: HostSpec,
    emulator: Emulator,
    images: ImageSet,
    ssh_port: int,
    *,
    accel: str = "tcg",
    boot: Boot | None = None,
    compiled: Path | None = None,
) -> list[str]:
    """It boots the kernel of its images, unless another is given. `compiled` is a disk with a compiler's results."""
    arguments = emulator.command("qemu-system-x86_64")
    arguments += machine(spec, accel)
    arguments += numa(spec)
    if spec.iommu:
        # Before every device that it translates for. 48 bits: windows lie above 2^39.
        arguments += ["-device", "intel-iommu,intremap=on,caching-mode=on,aw-bits=48"]
    watchful = spec.watchful and not images.instrumented
    arguments += kernel(spec, boot or of_images(images), watchful)
    arguments += disks(images)
    arguments += network(ssh_port)
    arguments += root_complexes(spec)
    for slot, controller in enumerate(spec.controllers, start=1):
        arguments += nvme(controller, slot)
    if compiled:
        arguments += read_only("compiled", compiled)
    return arguments


def machine(spec: HostSpec, accel: str) -> list[str]:
    return [
        "-name", f"lightiov-{spec.name}",
        "-nodefaults", "-no-user-config", "-display", "none",
        # The VMs inside need SVM, which KVM lends only if it runs nested; emulation always has it.
        "-M", "q35", "-accel", "tcg,thread=multi" if accel == "tcg" else accel,
        # Slots that the kernel drives itself, as servers have them, and that can lose a card without warning.
        "-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off",
        "-cpu", CPU if accel == "tcg" else "host",
        "-smp", f"{spec.cpus},sockets={spec.numa_nodes}" if spec.numa_nodes > 1 else str(spec.cpus),
        "-m", f"{spec.memory_mib}M",
        "-chardev", f"file,id=console,path={CONSOLE}", "-serial", "chardev:console",
        "-qmp", f"unix:{QMP_SOCKET},server=on,wait=off",
    ]  # fmt: skip


def numa(spec: HostSpec) -> list[str]:
    """Each node with a socket of its own: no CPUs of two nodes share a cache."""
    if spec.numa_nodes == 1:
        return []
    arguments = []
    memory, cpus = spec.memory_mib // spec.numa_nodes, spec.cpus // spec.numa_nodes
    for node in range(spec.numa_nodes):
        arguments += [
            "-object", f"memory-backend-ram,id=ram{node},size={memory}M",
            "-numa", f"node,nodeid={node},memdev=ram{node},cpus={node * cpus}-{(node + 1) * cpus - 1}",
        ]  # fmt: skip
    return arguments


def root_complexes(spec: HostSpec) -> list[str]:
    """Firmware tells the node of a root complex, which is that of all behind it. Their buses are far from those of the
    machine's own root ports, which are counted from 1."""
    arguments = []
    for node in sorted({one.numa_node for one in spec.controllers if one.numa_node is not None}):
        arguments += ["-device", f"pxb-pcie,id=node{node},bus=pcie.0,bus_nr={64 * (node + 1)},numa_node={node}"]
    return arguments


def kernel(spec: HostSpec, boot: Boot, watchful: bool) -> list[str]:
    detectors = f"{WATCHFUL} " if watchful else ""
    arguments = f"{KERNEL_ARGUMENTS} {detectors}systemd.hostname=lightiov-{spec.name}"
    initrd = ["-initrd", str(boot.initrd)] if boot.initrd else []
    return ["-kernel", str(boot.kernel), *initrd, "-append", arguments]


def disks(images: ImageSet) -> list[str]:
    return [
        "-drive", f"if=none,id=root,file={ROOT_DISK},format=qcow2,cache=unsafe,discard=unmap",
        "-device", "virtio-blk-pci,drive=root",
        *read_only("guestbase", images.guest_disk),
    ]  # fmt: skip


def read_only(name: str, image: Path) -> list[str]:
    """A disk that hosts share; in each it is /dev/disk/by-id/virtio-NAME."""
    return [
        "-drive", f"if=none,id={name},file={image},format=raw,readonly=on",
        # Some are made after a root complex of a NUMA node, behind which QEMU would put them.
        "-device", f"virtio-blk-pci,drive={name},serial={name},bus=pcie.0",
    ]  # fmt: skip


def network(ssh_port: int) -> list[str]:
    """SSH comes in from this machine; nothing gets out."""
    return [
        "-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{ssh_port}-:22",
        "-device", "virtio-net-pci,netdev=net,romfile=",
    ]  # fmt: skip


def nvme(controller: Controller, slot: int) -> list[str]:
    # Said of each: QEMU would put one that says nothing behind another root complex.
    bus = "pcie.0" if controller.numa_node is None else f"node{controller.numa_node}"
    arguments = [
        "-device", f"pcie-root-port,id=slot{slot},bus={bus},slot={slot},chassis={slot}",
        "-device", f"nvme-subsys,id=subsys-{controller.id},nqn={controller.serial}",
        "-device", json.dumps(nvme_device(controller, slot)),
    ]  # fmt: skip
    for nsid in range(1, controller.namespaces + 1):
        drive = f"{controller.id}n{nsid}"
        file = namespace_file(controller, nsid)
        arguments += [
            "-drive", f"if=none,id={drive},file={file},format=raw,cache=unsafe,discard=unmap",
            # JSON like the controller's: QEMU makes all devices of the other syntax first.
            "-device", json.dumps(namespace_device(controller, nsid) | {"drive": drive}),
        ]  # fmt: skip
    return arguments


def namespace_device(controller: Controller, nsid: int) -> dict[str, object]:
    identity = controller.namespace_identity(nsid)
    # QEMU's own EUI-64 counts namespaces on the command line: it would change with the slot.
    given = {"nguid": identity} if controller.identity_bytes == 16 else {"eui64": int(identity, 16)}
    return {"driver": "nvme-ns", "bus": controller.id, "nsid": nsid, "eui64-default": False, **given}


def nvme_device(controller: Controller, slot: int) -> dict[str, object]:
    """The controller as -device and as QMP's device_add take it. Its namespaces live in its subsystem."""
    return {
        "driver": "nvme",
        "id": controller.id,
        "bus": f"slot{slot}",
        "serial": controller.serial,
        "subsys": f"subsys-{controller.id}",
        "max_ioqpairs": controller.queue_pairs,
        "msix_qsize": controller.queue_pairs + 1,
        # A guest that owns rings rings their doorbells: no shadow doorbells, no MSI-X table on the doorbells' BAR.
        "dbcs": False,
        "msix-exclusive-bar": True,
    }
