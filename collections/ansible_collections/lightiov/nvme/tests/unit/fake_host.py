# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host made of files: sysfs, procfs and tools that change them as the real ones do.

The tools are scripts that call this file, for what starts them as processes.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

KERNEL = "6.12.57+deb13-amd64"
ARCH = "x86_64"
SEPARATORS = re.compile(r"[\s,]+")
NO_ID = "00000000-0000-0000-0000-000000000000"
LBAS = 262144
LBA_BYTES = 4096
NAMESPACE_BYTES = LBAS * LBA_BYTES
GRANULARITY = 16384


class Refused(Exception):
    """What a tool prints before it ends with status 1."""


class FakeHost:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.bin = root / "bin"
        self.bin.mkdir(parents=True, exist_ok=True)
        self.accounts = True
        self.write("/proc/sys/kernel/osrelease", f"{KERNEL}\n")

    # Files

    def path(self, absolute: str) -> Path:
        return self.root / absolute.lstrip("/")

    def write(self, absolute: str, text: str) -> Path:
        path = self.path(absolute)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def write_json(self, absolute: str, content: object) -> Path:
        return self.write(absolute, json.dumps(content))

    def read(self, absolute: str) -> str:
        return self.path(absolute).read_text(encoding="utf-8").strip()

    def link(self, absolute: str, target: str) -> None:
        path = self.path(absolute)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():
            path.unlink()
        path.symlink_to(os.path.relpath(self.path(target), path.parent))

    # Tools

    def install(self, *tools: str) -> None:
        for tool in tools:
            script = self.bin / tool
            script.write_text(
                f'#!/bin/sh\nexec "{sys.executable}" -S "{Path(__file__).resolve()}" "{self.root}" {tool} "$@"\n',
                encoding="utf-8",
            )
            script.chmod(0o755)

    def call(self, tool: str, *arguments: str) -> None:
        """What a tool does; raises Refused."""
        self.note(" ".join([tool, *arguments]))
        getattr(self, tool)(*arguments)

    def note(self, call: str) -> None:
        with self.path("/calls").open("a", encoding="utf-8") as log:
            log.write(call + "\n")

    def remove_tool(self, tool: str) -> None:
        (self.bin / tool).unlink()

    def log(self) -> list[str]:
        """Calls of tools so far that could change something."""
        path = self.path("/calls")
        calls = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [call for call in calls if not call.startswith(("udevadm", "modinfo"))]

    def snapshot(self) -> dict[str, str]:
        """Everything on the host but the log of calls."""
        found = {}
        for directory, _names, files in os.walk(self.root):
            for name in files:
                path = Path(directory, name)
                if name != "calls" and not path.is_symlink():
                    found[str(path)] = path.read_text(encoding="utf-8")
        return found

    # Drivers and controllers

    def load_driver(self, name: str) -> None:
        self.path(f"/sys/bus/pci/drivers/{name}").mkdir(parents=True, exist_ok=True)

    def unload_driver(self, name: str) -> None:
        shutil.rmtree(self.path(f"/sys/bus/pci/drivers/{name}"))

    @property
    def hardware(self) -> dict[str, dict[str, Any]]:
        path = self.path("/hardware.json")
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def add_controller(
        self,
        address: str,
        serial: str,
        *,
        model: str = "QEMU NVMe Ctrl",
        namespaces: int = 4,
        queue_pairs: int = 64,
        group: int | None = 12,
        driver: str = "nvme",
        broken: bool = False,
        ids: dict[int, str] | None = None,
        old: bool = False,
        lba_bytes: int = LBA_BYTES,
    ) -> None:
        """`ids`: identities of namespaces. `old`: the host module is that of the version before, without extents."""
        hardware = self.hardware
        hardware[address] = {
            "serial": serial,
            "model": model,
            "namespaces": list(range(1, namespaces + 1)),
            "queue_pairs": queue_pairs,
            "group": group,
            "broken": broken,
            "ids": {str(nsid): identity for nsid, identity in (ids or {}).items()},
            "old": old,
            "lba_bytes": lba_bytes,
            # What is not as delivered: of namespaces, by NSID; and those that are attached to no controller.
            "shapes": {},
            "detached": [],
            "silent": False,
            "data": {},
            "instance": f"nvme{len(hardware)}",
        }
        self.write_json("/hardware.json", hardware)
        self.link(f"/sys/bus/pci/devices/{address}", self.device(address))
        self.bind(address, driver)

    def change_hardware(self, address: str, **traits: Any) -> None:
        """What the controller says of itself from now on; `silent`: the stock driver shows no identities of it."""
        hardware = self.hardware
        self.write_json("/hardware.json", {**hardware, address: {**hardware[address], **traits}})
        if self.driver(address) == "lightiov":
            self._account(self.device(address), self.hardware[address])

    def write_data(self, address: str, nsid: int, data: str, lba: int = 0) -> None:
        self.change_hardware(address, data={**self.hardware[address]["data"], f"{nsid}@{lba}": data})

    def data(self, address: str, nsid: int, lba: int = 0) -> str:
        return self.hardware[address]["data"].get(f"{nsid}@{lba}", "")

    def exchange(self, one: str, other: str) -> None:
        """Two drives change places while the host is off."""
        hardware = self.hardware
        self.write_json("/hardware.json", {**hardware, one: hardware[other], other: hardware[one]})

    def boot(self) -> None:
        """Bind each controller as driverctl has noted, or as now, and start what mdevctl has defined for it."""
        drivers = {address: self.driver(address) for address in self.hardware}
        for address, driver in drivers.items():
            for mdev in self.mdevs(address):
                self.remove_mdev(mdev)
            self.bind(address, driver)
            for path in sorted(self.path(f"/etc/mdevctl.d/{address}").glob("*")):
                with contextlib.suppress(Refused, ValueError):
                    self._start_mdev(path.name, address, json.loads(path.read_text(encoding="utf-8")))

    @staticmethod
    def device(address: str) -> str:
        return f"/sys/devices/pci0000:00/{address}"

    def driver(self, address: str) -> str:
        link = self.path(f"{self.device(address)}/driver")
        return link.readlink().name if link.is_symlink() else ""

    def bind(self, address: str, driver: str) -> None:
        traits = self.hardware[address]
        device = self.device(address)
        for mdev in self.mdevs(address):
            self.remove_mdev(mdev)
        override = self.path(f"{device}/driver_override")
        preferred = self.read(f"{device}/driver_override") if override.exists() else "(null)"
        shutil.rmtree(self.path(device), ignore_errors=True)
        self.write(f"{device}/class", "0x010802\n")
        self.write(f"{device}/numa_node", "-1\n")
        self.write(f"{device}/driver_override", f"{preferred}\n")
        if traits["group"] is not None:
            self.link(f"{device}/iommu_group", f"/sys/kernel/iommu_groups/{traits['group']}")
        if driver:
            self.link(f"{device}/driver", f"/sys/bus/pci/drivers/{driver}")
        if driver == "nvme":
            self._bind_stock(device, traits)
        if driver == "lightiov":
            self._bind_lightiov(device, traits)

    def _bind_stock(self, device: str, traits: dict[str, Any]) -> None:
        name = traits["instance"]
        instance = f"{device}/nvme/{name}"
        for attribute, value in (
            ("serial", traits["serial"].ljust(20)),
            ("model", traits["model"].ljust(40)),
            ("firmware_rev", "8.2.0   "),
            ("state", "live"),
        ):
            self.write(f"{instance}/{attribute}", f"{value}\n")
        for nsid in traits["namespaces"]:
            # As with native multipath: the path belongs to the controller, the disk to the subsystem.
            self.path(f"{instance}/{name}c0n{nsid}").mkdir()
            self.add_block(f"{name}n{nsid}", f"259:{nsid}", nsid=nsid, lba_bytes=traits["lba_bytes"])
            digits = "" if traits["silent"] else traits["ids"].get(str(nsid), "").partition(".")[2]
            if len(digits) == 32:
                self.write(f"/sys/class/block/{name}n{nsid}/nguid", f"{UUID(digits)}\n")
            elif digits:
                self.write(f"/sys/class/block/{name}n{nsid}/eui", " ".join(re.findall("..", digits)) + "\n")

    def _bind_lightiov(self, device: str, traits: dict[str, Any]) -> None:
        for attribute in ("serial", "model"):
            self.write(f"{device}/lightiov/{attribute}", f"{traits[attribute]}\n")
        self.write(f"{device}/lightiov/firmware", "8.2.0\n")
        self.write(f"{device}/lightiov/state", "live\n")
        self.write(f"{device}/lightiov/vectors", "64\n")
        self.write(f"{device}/lightiov/windows", f"{510 << 30}\n")
        self.write(f"{device}/lightiov/admin", traits["instance"].replace("nvme", "lightiov") + "\n")
        self.write(f"{device}/mdev_supported_types/lightiov-passthrough/available_instances", "64\n")
        self._account(device, traits)

    def _account(self, device: str, traits: dict[str, Any]) -> None:
        """The attributes of a LightIOV controller that depend on its mdevs."""
        if not self.accounts:
            return
        owners: dict[str, set[str]] = {}
        tenants, used = set(), 0
        for mdev in self.mdevs(Path(device).name):
            tenants.add(self.read(f"{device}/{mdev}/tenant"))
            used += int(self.read(f"{device}/{mdev}/queue_pairs") or 0)
            for extent in self.extents(mdev):
                owners.setdefault(extent["nsid"], set()).add(mdev)
        lines = []
        for nsid in map(str, traits["namespaces"]):
            has = sorted(owners.get(nsid, ()))
            owner = "-" if not has else has[0] if len(has) == 1 else f"{len(has)}mdevs"
            granularity = "" if traits["old"] else f" {GRANULARITY}"
            lbas = "{1} {0}".format(*self.shape(traits, nsid))
            lines.append(f"{nsid} {lbas} {owner} {traits['ids'].get(nsid, '-')}{granularity}\n")
        self.write(f"{device}/lightiov/namespaces", "".join(lines))
        self.write(f"{device}/lightiov/tenant", "".join(tenants - {""}) + "\n")
        self.write(f"{device}/lightiov/queue_pairs", f"{traits['queue_pairs']}\n")
        self.write(f"{device}/lightiov/queue_pairs_free", f"{traits['queue_pairs'] - used}\n")

    @staticmethod
    def shape(traits: dict[str, Any], nsid: str) -> tuple[int, int]:
        """How many blocks of how many bytes a namespace has."""
        blocks, size = traits["shapes"].get(nsid, (NAMESPACE_BYTES // traits["lba_bytes"], traits["lba_bytes"]))
        return blocks, size

    def add_block(
        self, name: str, number: str, *, nsid: int | None = None, parent: str = "", lba_bytes: int = LBA_BYTES
    ) -> None:
        device = f"/sys/class/block/{parent}/{name}" if parent else f"/sys/devices/virtual/block/{name}"
        self.write(f"{device}/dev", f"{number}\n")
        self.write(f"{device}/size", "2097152\n")
        self.write(f"{device}/queue/logical_block_size", f"{lba_bytes}\n")
        self.path(f"{device}/holders").mkdir(exist_ok=True)
        if nsid is not None:
            self.write(f"{device}/nsid", f"{nsid}\n")
        if parent:
            self.write(f"{device}/partition", "1\n")
        self.link(f"/sys/class/block/{name}", str(self.path(device).resolve().relative_to(self.root.resolve())))

    def hold(self, name: str, holder: str) -> None:
        self.link(f"/sys/class/block/{name}/holders/{holder}", f"/sys/class/block/{holder}")

    # Mdevs

    def mdevs(self, address: str) -> list[str]:
        directory = self.path(f"{self.device(address)}/mdev_supported_types/lightiov-passthrough/devices")
        return sorted(path.name for path in directory.iterdir()) if directory.exists() else []

    def definition(self, address: str, uuid: str) -> dict[str, Any]:
        return json.loads(self.read(f"/etc/mdevctl.d/{address}/{uuid}"))

    def _attributes(self, address: str) -> tuple[str, ...]:
        """In the order in which the driver wants them."""
        own = ("serial", "label", "tenant", "queue_pairs", "namespaces")
        return own if self.hardware[address]["old"] else (*own, "extent")

    def add_mdev(self, address: str, uuid: str, mdev_type: str = "lightiov-passthrough", **attributes: str) -> None:
        device = f"{self.device(address)}/{uuid}"
        types = f"{self.device(address)}/mdev_supported_types/{mdev_type}"
        self.path(types).mkdir(parents=True, exist_ok=True)
        for name in ("serial", "label", "tenant", "queue_pairs", "namespaces"):
            self.write(f"{device}/{name}", attributes.get(name, "") + "\n")
        if mdev_type == "lightiov-passthrough" and not self.hardware[address]["old"]:
            former = [word for word in SEPARATORS.split(attributes.get("namespaces", "")) if word]
            whole = [f"id={NO_ID},nsid={word.replace('=eui.', ',eui=')}" for word in former]
            extents = [self._extent(text) for text in (*whole, *attributes.get("extents", "").split())]
            self._write_extents(device, dict(enumerate(extents)))
        self.write(f"{device}/state", attributes.get("state", "closed") + "\n")
        self.link(f"{device}/mdev_type", types)
        self.link(f"{types}/devices/{uuid}", device)
        self.link(f"/sys/bus/mdev/devices/{uuid}", device)
        if mdev_type == "lightiov-passthrough":
            self._account(self.device(address), self.hardware[address])

    @contextlib.contextmanager
    def accounted_once(self, address: str) -> Iterator[None]:
        """Hundreds of mdevs come, and only then the controller tells what it has left."""
        self.accounts = False
        yield
        self.accounts = True
        self._account(self.device(address), self.hardware[address])

    def remove_mdev(self, uuid: str) -> None:
        link = self.path(f"/sys/bus/mdev/devices/{uuid}")
        device = link.resolve()
        link.unlink()
        for path in device.parent.glob(f"mdev_supported_types/*/devices/{uuid}"):
            path.unlink()
        shutil.rmtree(device)
        address = device.parent.name
        self._account(self.device(address), self.hardware[address])

    # Extents of mdevs

    @staticmethod
    def _extent(text: str) -> dict[str, str]:
        """Of the keys of its attribute; a whole namespace has neither first nor count."""
        pairs = (part.partition("=") for part in text.split(","))
        return {key: value for key, _equals, value in pairs}

    def _slots(self, mdev: str) -> dict[int, dict[str, str]]:
        """Extents by slot."""
        table = self.path(f"/sys/bus/mdev/devices/{mdev}/extents")
        if not table.exists():
            words = SEPARATORS.split(self.read(f"/sys/bus/mdev/devices/{mdev}/namespaces"))
            return {slot: {"id": NO_ID, "nsid": word.partition("=")[0]} for slot, word in enumerate(words) if word}
        found = {}
        for line in table.read_text(encoding="utf-8").splitlines():
            slot, id_, nsid, identity, first, count, flags, name = line.split()
            told = {"id": id_, "nsid": nsid, "eui": identity.partition(".")[2], "first": first, "count": count}
            extent = {key: value for key, value in told.items() if value not in ("", "-")}
            extent.update({flag: "" for flag in flags.split(",") if flag != "-"})
            found[int(slot)] = {**extent, **({"name": name} if name != "-" else {})}
        return found

    def extents(self, mdev: str) -> list[dict[str, str]]:
        return list(self._slots(mdev).values())

    def _write_extents(self, device: str, slots: dict[int, dict[str, str]]) -> None:
        lines = []
        for slot, one in sorted(slots.items()):
            identity = f"eui.{one['eui']}" if one.get("eui") else "-"
            flags = ",".join(flag for flag in ("read_only", "asked", "gone") if flag in one) or "-"
            words = (one["id"], one["nsid"], identity, one.get("first", "-"), one.get("count", "-"), flags)
            lines.append(f"{slot} {' '.join(words)} {one.get('name', '-')}\n")
        self.write(f"{device}/extents", "".join(lines))

    def hold_disk(self, mdev: str, *ids: str) -> None:
        """A guest that has the mdev open uses these disks of it, and no others, from now on."""
        self.write(f"/sys/bus/mdev/devices/{mdev}/held", " ".join(ids) + "\n")

    def told(self, absolute: str, text: str) -> None:
        """What the host module does when one of its attributes is written to; raises OSError."""
        path = Path(absolute)
        mdev, attribute = path.parent.name, path.name
        device = self.path(f"/sys/bus/mdev/devices/{mdev}").resolve()
        address, slots = device.parent.name, self._slots(mdev)
        if attribute == "extent":
            self._tell_extent(address, mdev, slots, self._extent(text))
        else:
            id_ = text.rpartition("=")[2]
            slot = next((slot for slot, one in slots.items() if one["id"] == id_), None)
            if slot is None:
                raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
            held = self.path(f"/sys/bus/mdev/devices/{mdev}/held")
            used = id_ in (held.read_text(encoding="utf-8").split() if held.exists() else ())
            if text.startswith("cancel="):
                slots[slot].pop("asked", None)
            elif attribute == "release" and used:
                slots[slot]["asked"] = ""
            else:
                del slots[slot]
        self._write_extents(self.inside(device), slots)
        self._account(self.device(address), self.hardware[address])

    def inside(self, path: Path) -> str:
        return f"/{path.relative_to(self.root.resolve())}"

    def _tell_extent(self, address: str, mdev: str, slots: dict[int, dict[str, str]], new: dict[str, str]) -> None:
        if trouble := self._refusal(address, mdev, slots, new):
            raise OSError(trouble, os.strerror(trouble))
        slot = next((slot for slot, one in slots.items() if one["id"] == new["id"] != NO_ID), None)
        free = next(slot for slot in range(64) if slot not in slots)
        slots[free if slot is None else slot] = new

    def _refusal(self, address: str, mdev: str, slots: dict[int, dict[str, str]], new: dict[str, str]) -> int:
        traits = self.hardware[address]
        start, end = _range(new)
        own = [one for one in slots.values() if one["id"] == new["id"] != NO_ID]
        others = [
            one
            for uuid in self.mdevs(address)
            for one in (slots.values() if uuid == mdev else self.extents(uuid))
            if one not in own
        ]
        unit = GRANULARITY // traits["lba_bytes"]
        if int(new["nsid"]) not in traits["namespaces"] or new.get("eui", "") not in (
            "",
            traits["ids"].get(new["nsid"], "").partition(".")[2],
        ):
            return errno.ENODEV
        if "count" in new and end > NAMESPACE_BYTES // traits["lba_bytes"]:
            return errno.ERANGE
        if start % unit or ("count" in new and end % unit):
            return errno.EINVAL
        for one in own:
            there = _range(one)
            if (one["nsid"], there[0], "read_only" in one) != (new["nsid"], start, "read_only" in new) or end < there[
                1
            ]:
                return errno.EINVAL
        for one in others:
            there = _range(one)
            overlap = one["nsid"] == new["nsid"] and start < there[1] and there[0] < end
            if overlap and not ("read_only" in one and "read_only" in new):
                return errno.EBUSY
        return errno.E2BIG if not own and len(slots) >= 32 else 0

    # What the tools do

    def driverctl(self, command: str, address: str, driver: str = "") -> None:
        """In the order of driverctl 0.111, which saves an override last."""
        if command not in ("set-override", "unset-override"):
            raise Refused(f"driverctl: {command}?")
        if driver and not self.path(f"/sys/bus/pci/drivers/{driver}").exists():
            raise Refused(f"driverctl: no such module: {driver}")
        self.bind(address, "")
        self.write(f"{self.device(address)}/driver_override", f"{driver or '(null)'}\n")
        self.probe(address)
        if not self.driver(address):
            raise Refused(f"driverctl: failed to bind device {address} to driver {driver}")
        saved = f"/etc/driverctl.d/pci-{address}"
        if driver:
            self.write(saved, f"{driver}\n")
        else:
            self.path(saved).unlink(missing_ok=True)

    def probe(self, address: str) -> None:
        """What the kernel does with a device without a driver."""
        preferred = self.read(f"{self.device(address)}/driver_override").replace("(null)", "")
        driver = preferred or "nvme"
        if driver == "lightiov" and self.hardware[address]["broken"]:
            return
        if self.path(f"/sys/bus/pci/drivers/{driver}").exists():
            self.bind(address, driver)

    def mdevctl(self, command: str, *arguments: str) -> None:
        options = dict(zip(arguments[::2], arguments[1::2]))
        uuid, address = options["--uuid"], options.get("--parent", "")
        definition = f"/etc/mdevctl.d/{address}/{uuid}"
        if command == "define":
            if self.path(definition).exists():
                raise Refused("Error: Device is already defined")
            self.write(definition, Path(options["--jsonfile"]).read_text(encoding="utf-8"))
        elif command == "undefine":
            self.path(definition).unlink()
        elif command == "start":
            if self.path(f"/sys/bus/mdev/devices/{uuid}").exists():
                raise Refused("Error: Device already exists")
            given = options.get("--jsonfile")
            text = Path(given).read_text(encoding="utf-8") if given else self.read(definition)
            self._start_mdev(uuid, address, json.loads(text))
        elif command == "stop":
            if self.read(f"/sys/bus/mdev/devices/{uuid}/state") != "closed":
                time.sleep(60)
            self.remove_mdev(uuid)

    def _start_mdev(self, uuid: str, address: str, definition: dict[str, Any]) -> None:
        written: dict[str, str] = {}
        slots: dict[int, dict[str, str]] = {}
        for pair in definition["attrs"]:
            for name, value in pair.items():
                if not self._accepts(address, uuid, (name, value), written, slots):
                    raise Refused(f"Error: Failed to write {value} to attribute {name}")
                if name == "extent":
                    slots[len(slots)] = self._extent(value)
                    written["extents"] = f"{written.get('extents', '')} {value}"
                else:
                    written[name] = value
        written["namespaces"] = written.get("namespaces", "").replace(",", " ")
        self.add_mdev(address, uuid, definition["mdev_type"], **written)

    def _accepts(
        self,
        address: str,
        mdev: str,
        told: tuple[str, str],
        written: dict[str, str],
        slots: dict[int, dict[str, str]],
    ) -> bool:
        """What the host module makes of an attribute after those already written."""
        name, value = told
        controller, traits = f"{self.device(address)}/lightiov", self.hardware[address]
        owners = dict(line.split()[:4:3] for line in self.read(f"{controller}/namespaces").splitlines())
        entries = [entry.partition("=") for entry in SEPARATORS.split(value)]
        rules = {
            "serial": lambda: value == traits["serial"],
            "label": lambda: re.fullmatch("[!-~]{0,128}", value),
            "tenant": lambda: self.read(f"{controller}/tenant") in ("", value),
            "queue_pairs": lambda: int(value) <= int(self.read(f"{controller}/queue_pairs_free")),
            "namespaces": lambda: (
                "serial" in written
                and all(owners.get(nsid) in ("-", mdev) for nsid, _equals, _id in entries)
                and all(identity in ("", traits["ids"].get(nsid)) for nsid, _equals, identity in entries)
            ),
            "extent": lambda: "serial" in written and not self._refusal(address, mdev, slots, self._extent(value)),
        }
        return name in self._attributes(address) and bool(rules[name]())

    def liov(self, command: str, mdev: str, *options: str) -> None:
        """What is without data is blank."""
        address = self.path(f"/sys/bus/mdev/devices/{mdev}").resolve().parent.name
        asked = options[options.index("--disk") + 1] if "--disk" in options else ""
        [extent] = [extent for extent in self.extents(mdev) if asked in ("", extent["id"])]
        start, end = _range(extent)
        data = self.hardware[address]["data"]
        places = (key.split("@") for key, what in data.items() if what)
        inside = [int(lba) for nsid, lba in places if nsid == extent["nsid"] and start <= int(lba) < end]
        if command == "copy-in":
            self.write_data(address, int(extent["nsid"]), f"image {options[0]}", start)
            if "--progress" in options:
                print("100 % of 1 MiB, 1 MiB  400 MiB/s")
            return
        if command != "blank":
            raise Refused(f"liov: '{command}' is not a command; see 'liov help'")
        if inside and "--yes-destroy-data" not in options:
            raise Refused(
                f"liov: mdev {mdev}: namespace 0 is not blank: LBA {inside[0] - start} holds data; "
                "add --yes-destroy-data"
            )
        erased = {f"{extent['nsid']}@{lba}": "" for lba in inside}
        self.change_hardware(address, data={**data, **erased})

    def dkms(self, command: str, package: str, *arguments: str) -> None:
        """As dkms 3.2 does it on Debian."""
        name, version = package.split("/")
        source = self.path(f"/usr/src/{name}-{version}")
        tree = self.path(f"/var/lib/dkms/{name}/{version}")
        kernel = arguments[1] if arguments[:1] == ("-k",) else ""
        force = "--force" in arguments
        module = name.replace("-", "_")
        built = tree / kernel / ARCH / "module" / f"{module}.ko"
        link = tree.parent / f"kernel-{kernel}-{ARCH}"
        if command == "add":
            if tree.exists():
                raise Refused(f"Error! DKMS tree already contains: {name}/{version}")
            conf = (source / "dkms.conf").read_text(encoding="utf-8")
            if f'PACKAGE_VERSION="{version}"' not in conf:
                raise Refused(f"Error! Could not locate dkms.conf file of {name}/{version}")
            tree.mkdir(parents=True)
            (tree / "source").symlink_to(os.path.relpath(source, tree))
        elif command == "build":
            if built.exists() and not force:
                return
            shutil.rmtree(tree / kernel, ignore_errors=True)
            text = "".join(
                path.read_text(encoding="utf-8") for path in sorted(source.rglob("*")) if path.suffix in (".c", ".h")
            )
            if "broken" in text:
                (tree / "build").mkdir(exist_ok=True)
                (tree / "build" / "make.log").write_text("CC a.o\na.c:1:1: error: expected ';'\n", encoding="utf-8")
                raise Refused("Error! Bad return status for module build")
            built.parent.mkdir(parents=True)
            signature = "\nsigned" if self.path("/var/lib/dkms/mok.key").exists() else ""
            built.write_text(f"{hashlib.sha256(text.encode()).hexdigest()[:23]}{signature}", encoding="utf-8")
            # What the module's initialization does when it is loaded.
            if "does not load" in text:
                built.with_suffix(".fails").touch()
        elif command == "install":
            # Without --force dkms 3.0 leaves a newer module in its place and says that all went well.
            if not force:
                raise Refused("Error! Module version is not newer than what is already found in kernel")
            updates = self.path(f"/lib/modules/{kernel}/updates/dkms")
            updates.mkdir(parents=True, exist_ok=True)
            shutil.copy(built, updates)
            link.unlink(missing_ok=True)
            link.symlink_to(f"{version}/{kernel}/{ARCH}")
        elif command == "remove":
            shutil.rmtree(tree)
            for link in tree.parent.glob("kernel-*"):
                if link.readlink().parts[0] == version:
                    link.unlink()
                    self._installed(module, link.name[len("kernel-") : -len(ARCH) - 1]).unlink()

    def _installed(self, module: str, kernel: str = KERNEL) -> Path:
        return self.path(f"/lib/modules/{kernel}/updates/dkms/{module}.ko")

    def modprobe(self, *arguments: str) -> None:
        if arguments[0] == "--remove":
            shutil.rmtree(self.path(f"/sys/module/{arguments[1]}"))
            return
        module = arguments[0]
        if module == "nvme":
            self.load_driver("nvme")
            return
        self._load(module, self._installed(module).read_text(encoding="utf-8").split()[0])

    def _load(self, module: str, srcversion: str) -> None:
        for built in self.path("/var/lib/dkms").glob(f"*/*/{KERNEL}/{ARCH}/module/{module}.fails"):
            if built.with_suffix(".ko").read_text(encoding="utf-8").startswith(srcversion):
                raise Refused(f"modprobe: ERROR: could not insert '{module}': Cannot allocate memory")
        self.write(f"/sys/module/{module}/srcversion", srcversion)
        self.write(f"/sys/module/{module}/refcnt", "0\n")
        self.write(f"/sys/module/{module}/parameters/max_vectors", "0\n")
        for conf in self.path("/etc/modprobe.d").glob("*.conf"):
            for line in conf.read_text(encoding="utf-8").splitlines():
                _options, name, setting = line.split()
                if name == module:
                    key, _equals, value = setting.partition("=")
                    self.write(f"/sys/module/{module}/parameters/{key}", value + "\n")

    def modinfo(self, _option: str, kernel: str, module: str) -> None:
        path = Path(module) if module.startswith("/") else self._installed(module, kernel)
        lines = path.read_text(encoding="utf-8").split() if path.exists() else []
        if not lines:
            raise Refused(f"modinfo: ERROR: Module {module} not found.")
        print(f"filename:       {path}\nsrcversion:     {lines[0]}\nparm:           max_vectors:most vectors (uint)")
        if "signed" in lines:
            print("sig_id:         PKCS#7")

    def udevadm(self, *_arguments: str) -> None:
        """The host has no udev to wait for."""

    def systemctl(self, command: str, unit: str = "") -> None:
        if command == "daemon-reload":
            return
        units = "/etc/systemd/system"
        lines = self.read(f"{units}/{unit}").splitlines()
        for service in next(line for line in lines if line.startswith("WantedBy=")).partition("=")[2].split():
            link = f"{units}/{service}.wants/{unit}"
            if command == "enable":
                self.link(link, f"{units}/{unit}")
            else:
                self.path(link).unlink(missing_ok=True)


def _range(extent: dict[str, str]) -> tuple[int, int]:
    """First LBA and end, which is beyond any LBA for a whole namespace."""
    start = int(extent.get("first", 0))
    return start, start + int(extent["count"]) if "count" in extent else NAMESPACE_BYTES


def main() -> int:
    root, tool, *arguments = sys.argv[1:]
    try:
        FakeHost(Path(root)).call(tool, *arguments)
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
