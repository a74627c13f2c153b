# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the VMs of the benchmark boot: the hypervisor's own programs and kernel modules, as an archive in memory.

So no image is needed, no network and no key, a VM is up within seconds, and all contenders have the same one.
"""

from __future__ import annotations

import hashlib
import json
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ansible_collections.lightiov.nvme.plugins.module_utils._bench.workloads import WORKLOADS
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host, write_atomically

CACHE = "/var/cache/lightiov-bench"
PROGRAMS = ("sh", "mount", "cat", "sleep", "rm", "mkdir", "wc", "head", "insmod", "fio")
# For some workloads, where the host has them.
MORE_PROGRAMS = tuple(sorted({program for workload in WORKLOADS.values() for program in workload.programs}))
# What the agent needs, where the kernel has it as modules; what contenders need.
EARLY = ("virtio_pci", "virtio_console")
DISKS = ("virtio_blk", "nvme")
MORE_MODULES = tuple(sorted({module for workload in WORKLOADS.values() for module in workload.modules}))
GUEST_DRIVER = "lightiov_guest"
MODULES = "/modules"
# Commands come by a port of virtio-serial, a line each. The answer: exit status, number of bytes, and the bytes.
INIT = r"""#!/bin/sh
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
while read -r module; do insmod "$module"; done < /modules/early
until [ -e /dev/vport0p1 ]; do sleep 0.02; done
exec 3<> /dev/vport0p1
echo ready >&3
while :; do
    if read -r command <&3; then
        sh -c "$command" > /run/answer 2>&1 < /dev/null 3<&-
        echo "$? $(wc -c < /run/answer)" >&3
        cat /run/answer >&3
    else
        sleep 0.1
    fi
done
"""


@dataclass(frozen=True)
class Initramfs:
    path: Path
    # The files of each module and of those it needs, in the order in which they are loaded.
    modules: dict[str, list[str]]

    def load(self, module: str, options: str = "") -> str:
        """A shell command that loads a module with what it needs; only it has the options."""
        files = self.modules[module]
        commands = [f"insmod {file}" + (f" {options}" if file == files[-1] and options else "") for file in files]
        # What others have loaded already is there.
        needed = [f"{{ {command} 2> /dev/null || :; }}" for command in commands[:-1]]
        return " && ".join([*needed, *commands[-1:]]) or ":"

    def load_all(self, modules: Iterable[str]) -> str:
        return " && ".join(map(self.load, modules)) or ":"


def ensure(host: Host, kernel: str, guest_driver: Path | None) -> Initramfs:
    """Build it unless it was built from the same files before."""
    programs: dict[str, Path] = {}
    for program in (*PROGRAMS, *MORE_PROGRAMS):
        found = host.runner.find(program)
        if not found and program in MORE_PROGRAMS:
            continue
        if not found:
            raise LightiovError(f"{program} is not installed, but VMs of the benchmark need it: install its package")
        programs[f"/bin/{program}"] = Path(found)
    archive = host.path(
        f"{CACHE}/{_digest(kernel, [*programs.values(), *([guest_driver] if guest_driver else [])])}.cpio"
    )
    # What tells how to load the modules comes last, so where it is, all is.
    manifest = archive.with_suffix(".json")
    if not manifest.exists():
        archive.parent.mkdir(parents=True, exist_ok=True)
        for former in (*archive.parent.glob("*.cpio"), *archive.parent.glob("*.json")):
            former.unlink()
        modules = _build(host, kernel, programs, guest_driver, archive)
        write_atomically(manifest, json.dumps(modules) + "\n")
    return Initramfs(archive, json.loads(manifest.read_text(encoding="utf-8")))


def _build(
    host: Host, kernel: str, programs: dict[str, Path], guest_driver: Path | None, archive: Path
) -> dict[str, list[str]]:
    sources = dict(programs)
    for path in programs.values():
        sources.update((library, Path(library)) for library in libraries(host.runner.run(["ldd", str(path)])))
    modules: dict[str, list[str]] = {}
    for module in (*EARLY, *DISKS, *MORE_MODULES):
        files = insmods(host.runner.run(["modprobe", "--show-depends", "--set-version", kernel, module]))
        modules[module] = [f"{MODULES}/{Path(file).name}" for file in files]
        sources.update(zip(modules[module], map(Path, files)))
    if guest_driver:
        modules[GUEST_DRIVER] = [f"{MODULES}/{guest_driver.name}"]
        sources[modules[GUEST_DRIVER][0]] = guest_driver
    early = "".join(f"{file}\n" for module in EARLY for file in modules[module])
    with archive.open("wb") as stream:
        write(stream, sources, {"/init": INIT.encode(), f"{MODULES}/early": early.encode()})
    return modules


def libraries(ldd: str) -> list[str]:
    """The files that ldd names: "NAME => PATH (ADDRESS)", or "PATH (ADDRESS)" for the loader."""
    return re.findall(r"(/\S+) \(0x", ldd)


def insmods(modprobe: str) -> list[str]:
    """Files of modules, of modprobe --show-depends; what is built in has none."""
    return [line.split()[1] for line in modprobe.splitlines() if line.startswith("insmod ")]


def _digest(kernel: str, files: list[Path]) -> str:
    summary = hashlib.sha256(f"{kernel} {DISKS} {MORE_MODULES} {INIT}".encode())
    for path in files:
        found = path.stat()
        summary.update(f"{path} {found.st_size} {found.st_mtime_ns}\n".encode())
    return summary.hexdigest()[:16]


def write(stream: IO[bytes], sources: dict[str, Path], texts: dict[str, bytes]) -> None:
    """The archive, in the one format of cpio that kernels unpack."""
    directories = {"/proc", "/sys", "/dev", "/run", "/mnt", "/tmp"}
    for name in (*sources, *texts):
        directories.update(map(str, list(Path(name).parents)[:-1]))
    for name in sorted(directories):
        _entry(stream, name, stat.S_IFDIR | 0o755, b"")
    for name, source in sorted(sources.items()):
        _entry(stream, name, stat.S_IFREG | 0o755, source.read_bytes())
    for name, text in texts.items():
        _entry(stream, name, stat.S_IFREG | 0o755, text)
    _entry(stream, "TRAILER!!!", 0, b"")


def _entry(stream: IO[bytes], name: str, mode: int, content: bytes) -> None:
    path = name.lstrip("/").encode() + b"\0"
    # inode, mode, owner, group, links, time, size, two numbers each of the device it is on and the device that it is,
    # length of the name, checksum
    fields = (0, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(path), 0)
    header = b"070701" + b"".join(b"%08x" % field for field in fields) + path
    stream.write(header + bytes(-len(header) % 4))
    stream.write(content + bytes(-len(content) % 4))
