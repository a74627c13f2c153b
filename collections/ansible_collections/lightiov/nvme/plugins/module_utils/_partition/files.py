# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's placements as a file that people review."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

HEAD = """\
---
# Where the VMs of {host} are. Written and read by lightiov.nvme.deploy; keep it in version control.
# A VM stays where it is written. To have one planned anew, remove it here before it is deployed.
lightiov_generation: {generation}
"""
# Texts that YAML takes for nothing else.
PLAIN = re.compile(r"(?!(?:true|false|yes|no|on|off|null|y|n|nan|inf)$)[A-Za-z_/][A-Za-z0-9_./-]*", re.IGNORECASE)
SIZE = re.compile(r"[0-9]+ [MGT]iB")


def digest(vms: Sequence[Mapping[str, Any]]) -> str:
    """As role partition makes it for lightiov.nvme.generation."""
    return hashlib.sha256(json.dumps(vms, sort_keys=True).encode()).hexdigest()


def text(host: str, generation: int, vms: Sequence[Mapping[str, Any]]) -> str:
    """The same for the same VMs, one key a line, so that a difference is what has changed."""
    head = HEAD.format(host=host, generation=generation)
    if not vms:
        return f"{head}lightiov_vms: []\n"
    return head + "lightiov_vms:\n" + "".join(f"{line}\n" for line in _list(vms, 2))


def _list(entries: Sequence[Any], indent: int) -> Iterator[str]:
    for entry in entries:
        within = indent + 2
        first, *rest = _mapping(entry, within) if isinstance(entry, Mapping) else [" " * within + _scalar(entry)]
        yield " " * indent + "- " + first[within:]
        yield from rest


def _mapping(entry: Mapping[str, Any], indent: int) -> Iterator[str]:
    for key, value in entry.items():
        if isinstance(value, (list, tuple)) and value:
            yield f"{' ' * indent}{key}:"
            yield from _list(value, indent + 2)
        else:
            yield f"{' ' * indent}{key}: {_scalar(value)}"


def _scalar(value: object) -> str:
    plain = isinstance(value, str) and (PLAIN.fullmatch(value) or SIZE.fullmatch(value))
    # JSON is YAML.
    return str(value) if plain else json.dumps(value)
