# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mediated devices: what exists in sysfs and what mdevctl has defined."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils._extent import Extent, Slot
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host, entries, link_name, read

MDEV_DEVICES = "/sys/bus/mdev/devices"
DEFINITIONS = "/etc/mdevctl.d"
TYPE_PREFIX = "lightiov-"
# How labels of mdevs begin that this collection makes. What else is there is not its own.
MARK = "lightiov.nvme:"
ATTRIBUTES = ("serial", "label", "tenant", "queue_pairs", "namespaces")


@dataclass(frozen=True)
class Attributes:
    """What the driver is told about an mdev."""

    serial: str
    label: str
    tenant: str
    queue_pairs: int
    extents: tuple[Extent, ...]

    def ordered(self) -> list[tuple[str, str]]:
        """In the order in which the driver must be told."""
        former = [one.namespace for one in self.extents if not one.id]
        return [
            ("serial", self.serial),
            ("label", self.label),
            ("tenant", self.tenant),
            ("queue_pairs", str(self.queue_pairs)),
            *([("namespaces", ",".join(former))] if former else []),
            *(("extent", str(one)) for one in self.extents if one.id),
        ]

    @classmethod
    def parse(cls, pairs: Sequence[tuple[str, str]]) -> Attributes:
        """From what the driver or a definition says; what it does not say is empty."""
        texts = dict(pairs)
        queue_pairs = texts.get("queue_pairs", "")
        told = [Extent.parse(value) for name, value in pairs if name == "extent"]
        return cls(
            serial=texts.get("serial", ""),
            label=texts.get("label", ""),
            tenant=texts.get("tenant", ""),
            queue_pairs=int(queue_pairs) if queue_pairs.isdigit() else 0,
            extents=(
                *Extent.parse_namespaces(texts.get("namespaces", "")),
                *(one for one in told if one),
            ),
        )

    @property
    def is_marked(self) -> bool:
        """Whether this collection made it."""
        return self.label.startswith(MARK)

    @property
    def is_former(self) -> bool:
        """Whether it is one of the version before, which had an mdev for each disk."""
        return any(not one.id for one in self.extents)

    @property
    def name(self) -> str:
        """What it is for, as the label says."""
        return self.label[len(MARK) :] if self.is_marked else self.label


@dataclass(frozen=True)
class Active:
    """An mdev that exists now."""

    uuid: str
    address: str
    type: str
    attributes: Attributes
    state: str
    # IDs of the extents that its owner is asked to release.
    asked: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Definition:
    """An mdev that mdevctl knows."""

    uuid: str
    address: str
    type: str
    autostart: bool = True
    attributes: list[tuple[str, str]] = field(default_factory=list)

    @property
    def is_spoilt(self) -> bool:
        """Whether the file is not a definition, as one that a power cut left behind."""
        return not self.type

    @property
    def parsed(self) -> Attributes:
        return Attributes.parse(self.attributes)

    @property
    def path(self) -> str:
        return f"{DEFINITIONS}/{self.address}/{self.uuid}"

    def to_json(self) -> str:
        return json.dumps(
            {
                "mdev_type": self.type,
                "start": "auto" if self.autostart else "manual",
                "attrs": [{name: value} for name, value in self.attributes],
            }
        )


@contextlib.contextmanager
def passed_to_mdevctl(definition: Definition) -> Iterator[list[str]]:
    """The arguments of mdevctl that say all of a definition."""
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="ascii") as file:
        file.write(definition.to_json())
        file.flush()
        yield ["--uuid", definition.uuid, "--parent", definition.address, "--jsonfile", file.name]


def is_ours(mdev_type: str) -> bool:
    return mdev_type.startswith(TYPE_PREFIX)


def active_mdevs(host: Host) -> list[Active]:
    """All mdevs of the host that exist, of whichever driver."""
    return [_active(host, path.name) for path in entries(host.path(MDEV_DEVICES))]


def _active(host: Host, uuid: str) -> Active:
    device = host.path(f"{MDEV_DEVICES}/{uuid}")
    attributes = Attributes.parse([(name, read(device / name) or "") for name in ATTRIBUTES])
    table = read(device / "extents")
    slots = Slot.parse_all(table or "")
    if table is not None:
        attributes = replace(attributes, extents=tuple(slot.extent for slot in slots))
    return Active(
        uuid=uuid,
        address=device.resolve().parent.name,
        type=link_name(device / "mdev_type"),
        attributes=attributes,
        state=read(device / "state") or "",
        asked=frozenset(slot.extent.id for slot in slots if "asked" in slot.flags),
    )


def definitions(host: Host) -> list[Definition]:
    """All definitions of mdevctl, read from its files: they are there before mdevctl is."""
    return [
        _definition(parent.name, path.name, path.read_text(encoding="utf-8"))
        for parent in entries(host.path(DEFINITIONS))
        if parent.is_dir() and parent.name != "scripts.d"
        for path in entries(parent)
        # One that begins with a dot was to become a definition when the power failed.
        if path.is_file() and not path.name.startswith(".")
    ]


def _definition(address: str, uuid: str, text: str) -> Definition:
    try:
        content: dict[str, Any] = json.loads(text)
        return Definition(
            uuid=uuid,
            address=address,
            type=content["mdev_type"],
            autostart=content.get("start") == "auto",
            attributes=[(name, value) for pair in content.get("attrs", []) for name, value in pair.items()],
        )
    except (ValueError, KeyError, AttributeError, TypeError):
        return Definition(uuid=uuid, address=address, type="", autostart=False)
