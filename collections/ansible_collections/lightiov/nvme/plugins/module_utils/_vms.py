# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of a host's VMs, checked as a whole, and what follows from it for mdevs and domains."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._mdev import (
    MAX_NSID,
    MAX_QUEUE_PAIRS,
    check_tenant,
    driver_name,
    namespace_name,
)
from ansible_collections.lightiov.nvme.plugins.module_utils._size import parse_size
from ansible_collections.lightiov.nvme.plugins.module_utils._uuids import mdev_uuid

# What argument_specs.yml of role devices describes; a test compares them.
VM_KEYS = frozenset(
    {
        "name",
        "tenant",
        "state",
        "address",
        "mac",
        "memory_mib",
        "vcpus",
        "numa_node",
        "numa_cpus",
        "image",
        "root",
        "root_keep",
        "root_gib",
        "guest_install",
        "disks",
    }
)
DISK_KEYS = frozenset({"name", "controller", "namespace", "size", "read_only", "queue_pairs"})
STATES = ("running", "stopped", "absent")
GUEST_INSTALLS = ("package", "dkms", "none")
ROOTS = ("file", "lightiov")
ROOT_DISK = "root"

# They are parts of paths, of labels in sysfs and of UUIDs, where a slash stands between them.
NAME = re.compile(r"[!-.0-~]+")
# What udev leaves as it is in the name of a link, of what a serial number may have.
NOT_IN_LINKS = re.compile(r"[^A-Za-z0-9#+.:=@_-]")


@dataclass(frozen=True)
class Disk:
    """A disk of a VM; whether it fits the others is for `parse` to see."""

    name: str
    controller: str
    namespace: str
    # As it is said, and None for the whole namespace.
    size: str | None
    read_only: bool
    # Those of the VM on the controller, None where this disk does not say.
    queue_pairs: int | None

    @classmethod
    def parse(cls, options: object, number: int, vm: str) -> Disk:
        where = f"Disk {number} of VM {vm}"
        options = _mapping(options, where, "name, controller and namespace")
        name = checked_name(options.get("name"), where)
        where = f"Disk {name} of VM {vm}"
        _refuse_unknown(options, DISK_KEYS, where)
        return cls(
            name=name,
            controller=_controller(options.get("controller"), where),
            namespace=_namespace(options.get("namespace"), where),
            size=_size(options.get("size"), where),
            read_only=_boolean(options.get("read_only"), "read_only", where),
            queue_pairs=_queue_pairs(options.get("queue_pairs"), where),
        )

    def path(self, known: Mapping[str, Any] | None) -> str | None:
        """The link that udev makes in the VM (native/guest/60-lightiov.rules). That of a part of a namespace has its
        ID, and that of a namespace by its name in lightiov_namespaces its number: the host knows these."""
        if self.size is not None:
            return f"/dev/disk/by-id/lightiov-uuid.{known['id']}" if known and known["id"] else None
        if self.namespace.startswith("eui."):
            return f"/dev/disk/by-id/lightiov-{self.namespace}"
        number = self.namespace if self.namespace.isdecimal() else known and known["nsid"]
        return f"/dev/disk/by-id/lightiov-{NOT_IN_LINKS.sub('_', self.controller)}-ns{number}" if number else None


@dataclass(frozen=True)
class Vm:
    """A VM; whether it fits the others is for `parse` to see."""

    name: str
    tenant: str
    state: str
    disks: tuple[Disk, ...]
    # Which of the disks is the root disk, if it is not a file.
    root: Disk | None
    options: Mapping[str, Any]

    @classmethod
    def parse(cls, options: object, number: int) -> Vm:
        where = f"VM {number} of lightiov_vms"
        options = _mapping(options, where, "name and tenant")
        name = checked_name(options.get("name"), where)
        where = f"VM {name}"
        _refuse_unknown(options, VM_KEYS, where)
        if options.get("guest_install") is not None:
            _choice(options["guest_install"], "guest_install", GUEST_INSTALLS, where)
        listed = _sequence(_or(options.get("disks"), []), f"The value of disks of VM {name}", "disks")
        disks = tuple(Disk.parse(disk, number, name) for number, disk in enumerate(listed, 1))
        for repeated in _repeated(disk.name for disk in disks):
            raise LightiovError(f"VM {name} has several disks with the name {repeated}: give each a name of its own")
        pairs = _queue_pairs_by_controller(disks, where)
        disks = tuple(replace(disk, queue_pairs=pairs[disk.controller]) for disk in disks)
        return cls(
            name=name,
            tenant=_tenant(options.get("tenant"), where),
            state=_choice(_or(options.get("state"), STATES[0]), "state", STATES, where),
            disks=disks,
            root=_root(options, disks, where),
            options=options,
        )

    @property
    def controllers(self) -> dict[str, list[Disk]]:
        """The disks by the controllers that they are on."""
        found: dict[str, list[Disk]] = defaultdict(list)
        for disk in self.disks:
            found[disk.controller].append(disk)
        return found

    def uuid(self, controller: str) -> str:
        """Of what it has of a controller."""
        return mdev_uuid(controller, self.name)


def _queue_pairs_by_controller(disks: Iterable[Disk], where: str) -> dict[str, int]:
    """A VM's disks on a controller share its queue pairs."""
    said: dict[str, tuple[int, str]] = {}
    for disk in disks:
        if disk.queue_pairs is None:
            continue
        number, name = said.setdefault(disk.controller, (disk.queue_pairs, disk.name))
        if number != disk.queue_pairs:
            raise LightiovError(
                f"{where} cannot have {number} queue pairs of controller {disk.controller} for disk {name} and "
                f"{disk.queue_pairs} for disk {disk.name}, because its disks there share them: say the same number at "
                "each, or at one of them"
            )
    return {disk.controller: said.get(disk.controller, (1, ""))[0] for disk in disks}


def parse(listed: object) -> list[Vm]:
    """Check the list as a whole."""
    options = _sequence(listed, "The value of lightiov_vms", "VMs")
    parsed = [Vm.parse(one, number) for number, one in enumerate(options, 1)]
    for repeated in _repeated(vm.name for vm in parsed):
        raise LightiovError(f"VM {repeated} is listed more than once in lightiov_vms: give each VM a name of its own")
    owners: dict[tuple[str, str], list[tuple[Disk, str]]] = defaultdict(list)
    for vm in _wanted(parsed):
        for disk in vm.disks:
            there = owners[disk.controller, disk.namespace]
            for other, owner in there:
                if not _may_share(disk, other):
                    raise LightiovError(
                        f"Disk {disk.name} of VM {vm.name} cannot have namespace {disk.namespace} of controller "
                        f"{disk.controller}, because {owner} has it: give each disk a namespace of its own, or a size, "
                        "or make both read_only"
                    )
            there.append((disk, f"disk {disk.name} of VM {vm.name}"))
    return parsed


def _may_share(one: Disk, other: Disk) -> bool:
    """Whether both can be on a namespace. Where parts of it are is for the host to choose."""
    return (one.size is not None and other.size is not None) or (one.read_only and other.read_only)


def vms(listed: object) -> list[dict[str, Any]]:
    """The list itself with names as text and defaults filled in."""
    return [
        {
            **vm.options,
            "name": vm.name,
            "tenant": vm.tenant,
            "state": vm.state,
            "disks": [asdict(disk) for disk in vm.disks],
            **({"root": root_option(vm.options["root"], "")} if "root" in vm.options else {}),
        }
        for vm in parse(listed)
    ]


def vm_disks(listed: object, told: Mapping[str, Mapping[str, Mapping[str, Any]]] | None = None) -> list[dict[str, Any]]:
    """All disks, those of absent VMs included. `told` is what their host knows of disks, by mdev and name.

    That is of all VMs of the host, so what is of others is not looked at.
    """
    known = told or {}
    return [
        {
            "vm": vm.name,
            "tenant": vm.tenant,
            "state": vm.state,
            **asdict(disk),
            "uuid": vm.uuid(disk.controller),
            "former": mdev_uuid(disk.controller, vm.name, disk.name),
            "path": disk.path(known.get(vm.uuid(disk.controller), {}).get(driver_name(disk.name))),
        }
        for vm in parse(listed)
        for disk in vm.disks
    ]


def vm_mdevs(listed: object) -> list[dict[str, Any]]:
    """What lightiov.nvme.mdev wants: one for each VM and controller."""
    return [
        {
            "uuid": vm.uuid(controller),
            "parent": controller,
            "tenant": vm.tenant,
            "queue_pairs": disks[0].queue_pairs,
            "label": vm.name,
            "disks": [
                {
                    "name": disk.name,
                    "namespace": disk.namespace,
                    **({} if disk.size is None else {"size": disk.size}),
                    "read_only": disk.read_only,
                }
                for disk in disks
            ],
        }
        for vm in _wanted(parse(listed))
        for controller, disks in vm.controllers.items()
    ]


def vm_domains(
    listed: object, directory: str, image: str | None = None, copies: Mapping[str, Mapping[str, Any]] | None = None
) -> list[dict[str, Any]]:
    """What lightiov.nvme.domain wants, but for definitions: root disks are in this directory, overlays of this image
    where a VM has none of its own, or of the copy that takes the place of an image."""
    return [
        {
            "name": vm.name,
            "state": vm.state,
            "address": vm.options.get("address"),
            "root": {
                **_place_of_root(vm, directory),
                "keep": _or(vm.options.get("root_keep"), False),
                **_image(vm.options.get("image") or image or "", copies or {}, vm.root is not None),
            },
            "mdevs": [vm.uuid(controller) for controller in vm.controllers if vm.state != "absent"],
            # Not what holds for VMs that say nothing else: one that is there may have been given more since.
            "memory_mib": vm.options.get("memory_mib"),
            "vcpus": vm.options.get("vcpus"),
        }
        for vm in parse(listed)
    ]


def vm_images(listed: object, image: str | None = None) -> list[dict[str, Any]]:
    """What lightiov.nvme.guest_image wants."""
    boots: dict[str, bool] = {}
    for vm in _wanted(parse(listed)):
        path = vm.options.get("image") or image or ""
        boots[path] = boots.get(path, False) or vm.root is not None
    return [{**_described(path), **({"boot": True} if boot else {})} for path, boot in boots.items() if path]


def _place_of_root(vm: Vm, directory: str) -> dict[str, Any]:
    if vm.root:
        return {"mdev": vm.uuid(vm.root.controller), "disk": vm.root.name}
    return {"path": f"{directory}/{vm.name}-root.qcow2", "size_gib": vm.options.get("root_gib")}


def _image(path: str, copies: Mapping[str, Mapping[str, Any]], boot: bool) -> dict[str, Any]:
    taken: Mapping[str, Any] = copies.get(path) or _described(path)
    # What has no boot loader's disk boots with a kernel that its host has.
    booted = {"boot": taken["boot"]} if boot and "boot" in taken else {}
    return {"image": taken["path"], "format": taken["format"], **booted}


def _described(path: str) -> dict[str, str]:
    return {"path": path, "format": "qcow2" if path.endswith(".qcow2") else "raw"}


def _wanted(parsed: Iterable[Vm]) -> list[Vm]:
    return [vm for vm in parsed if vm.state != "absent"]


def _repeated(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def _or(value: object, default: object) -> object:
    """A key without a value is one that is not there; false (which YAML reads in `off`) is a value."""
    return default if value is None else value


def _sequence(value: object, what: str, of: str) -> Sequence[object]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise LightiovError(f"{what} is {value!r}, which is not a list: write a list of {of}")
    return value


def _mapping(value: object, where: str, keys: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise LightiovError(f"{where} is {value!r}, which is not a mapping: write {keys} with their values")
    return value


def _refuse_unknown(options: Mapping[str, Any], known: Collection[str], where: str) -> None:
    unknown = [key for key in options if key not in known]
    if unknown:
        raise LightiovError(f"{where} has the unknown key {unknown[0]!r}: choose from {', '.join(sorted(known))}")


def _text(value: object, where: str, key: str, remedy: str) -> str:
    """YAML takes a name or serial number that is made of digits for a number."""
    if value is None or value == "":
        raise LightiovError(f"{where} has no {key}: {remedy}")
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise LightiovError(
            f"{where} has the {key} {value!r}, which YAML does not take for text: write it between quotation marks"
        )
    return str(value)


def checked_name(value: object, where: str) -> str:
    text = _text(value, where, "name", "give it one")
    if not NAME.fullmatch(text):
        raise LightiovError(
            f"{where} cannot have the name {text!r}: use ASCII letters, digits and punctuation, no blanks, no slashes"
        )
    return text


def root_option(value: object, where: str) -> dict[str, Any]:
    """Where the root disk is. YAML takes the key `on` for true."""
    if value is None:
        return {"on": ROOTS[0]}
    given: Mapping[Any, Any] = _mapping(value, where, "on, and disk")
    options = {"on" if key is True else key: one for key, one in given.items()}
    _refuse_unknown(options, ("disk", "on"), where)
    _choice(options.get("on"), "on", ROOTS, where)
    return options


def _root(options: Mapping[str, Any], disks: Sequence[Disk], where: str) -> Disk | None:
    found = root_option(options.get("root"), f"The root of {where}")
    if found["on"] != "lightiov":
        return None
    name = str(_or(found.get("disk"), ROOT_DISK))
    disk = next((disk for disk in disks if disk.name == name), None)
    if disk is None or disk.read_only:
        raise LightiovError(
            f"{where} is to have its root on disk {name}, which is {'read_only' if disk else 'none of its disks'}: "
            "name another of its disks (root.disk), or list one"
        )
    if options.get("root_gib") is not None:
        raise LightiovError(
            f"{where} has a root_gib, but its root is disk {name}, whose size is that of the disk: leave root_gib out"
        )
    return disk


def _tenant(value: object, where: str) -> str:
    return check_tenant(
        _text(value, where, "tenant", "set it to a name that it shares with the VMs that trust it"), where
    )


def _controller(value: object, where: str) -> str:
    text = _text(value, where, "controller", "set it to the serial number of one in lightiov_controllers")
    if "/" in text:
        raise LightiovError(
            f"{where} cannot have the controller {text!r}, because of the slash: set it to a serial number without"
        )
    return text


def _namespace(value: object, where: str) -> str:
    text = _text(value, where, "namespace", "set it to a number, or to eui. and its NGUID or EUI-64")
    name = namespace_name(text)
    if name is None:
        raise LightiovError(
            f"{where} cannot have the namespace {text!r}: set it to a number from 1 to {MAX_NSID}, to eui. and the 32 "
            "hexadecimal digits of its NGUID or the 16 of its EUI-64, or to its name in lightiov_namespaces"
        )
    return name


def _size(value: object, where: str) -> str | None:
    if value is None:
        return None
    parse_size(value, where)
    return str(value)


def _boolean(value: object, key: str, where: str) -> bool:
    if value is None or isinstance(value, bool):
        return bool(value)
    raise LightiovError(f"{where} cannot have {value!r} as its {key}: choose true or false")


def _queue_pairs(value: object, where: str) -> int | None:
    if value is None:
        return None
    text = _text(value, where, "queue_pairs", "set it to a number")
    if text.isascii() and text.isdecimal() and 1 <= int(text) <= MAX_QUEUE_PAIRS:
        return int(text)
    raise LightiovError(f"{where} cannot have {text!r} as its queue_pairs: choose 1 to {MAX_QUEUE_PAIRS}")


def _choice(value: object, key: str, choices: Sequence[str], where: str) -> str:
    if value not in choices:
        raise LightiovError(f"{where} cannot have {value!r} as its {key}: choose from {', '.join(choices)}")
    return str(value)
