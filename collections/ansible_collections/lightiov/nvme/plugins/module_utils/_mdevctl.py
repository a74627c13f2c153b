# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mediated devices: what exists in sysfs and what mdevctl has defined."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host, entries, link_name, read

MDEV_DEVICES = "/sys/bus/mdev/devices"
DEFINITIONS = "/etc/mdevctl.d"
TYPE_PREFIX = "lightiov-"
SEPARATORS = re.compile(r"[\s,]+")


@dataclass(frozen=True)
class Attributes:
    """What the driver is told about an mdev."""

    tenant: str
    queue_pairs: int
    namespaces: tuple[int, ...]

    def ordered(self) -> list[tuple[str, str]]:
        """In the order in which the driver must be told."""
        return [
            ("tenant", self.tenant),
            ("queue_pairs", str(self.queue_pairs)),
            ("namespaces", ",".join(map(str, self.namespaces))),
        ]

    @classmethod
    def parse(cls, texts: Mapping[str, str]) -> Attributes:
        """From what the driver or a definition says; what it does not say is empty."""
        queue_pairs = texts.get("queue_pairs", "")
        return cls(
            tenant=texts.get("tenant", ""),
            queue_pairs=int(queue_pairs) if queue_pairs.isdigit() else 0,
            namespaces=tuple(int(word) for word in SEPARATORS.split(texts.get("namespaces", "")) if word.isdigit()),
        )


@dataclass(frozen=True)
class Active:
    """An mdev that exists now."""

    uuid: str
    address: str
    type: str
    attributes: Attributes
    state: str


@dataclass(frozen=True)
class Definition:
    """An mdev that mdevctl knows."""

    uuid: str
    address: str
    type: str
    autostart: bool = True
    attributes: list[tuple[str, str]] = field(default_factory=list)

    def to_json(self) -> str:
        return json.dumps(
            {
                "mdev_type": self.type,
                "start": "auto" if self.autostart else "manual",
                "attrs": [{name: value} for name, value in self.attributes],
            }
        )


def is_ours(mdev_type: str) -> bool:
    return mdev_type.startswith(TYPE_PREFIX)


def active_mdevs(host: Host) -> list[Active]:
    """All mdevs of the host that exist, of whichever driver."""
    return [_active(host, path.name) for path in entries(host.path(MDEV_DEVICES))]


def _active(host: Host, uuid: str) -> Active:
    device = host.path(f"{MDEV_DEVICES}/{uuid}")
    names = ("tenant", "queue_pairs", "namespaces")
    return Active(
        uuid=uuid,
        address=device.resolve().parent.name,
        type=link_name(device / "mdev_type"),
        attributes=Attributes.parse({name: read(device / name) or "" for name in names}),
        state=read(device / "state") or "",
    )


def definitions(host: Host) -> list[Definition]:
    """All definitions of mdevctl, read from its files: they are there before mdevctl is."""
    return [
        _definition(parent.name, path.name, path.read_text(encoding="utf-8"))
        for parent in entries(host.path(DEFINITIONS))
        if parent.is_dir() and parent.name != "scripts.d"
        for path in entries(parent)
        if path.is_file()
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
        raise LightiovError(
            f"{DEFINITIONS}/{address}/{uuid} is not a definition of mdevctl: correct or remove the file"
        ) from None
