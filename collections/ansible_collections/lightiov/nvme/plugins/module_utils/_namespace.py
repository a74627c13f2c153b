# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The namespaces that a host shall have: one list, and which of those that are there each of it means."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._namespace_record import NAME, Made
from ansible_collections.lightiov.nvme.plugins.module_utils._namespace_store import Allocated, Store
from ansible_collections.lightiov.nvme.plugins.module_utils._size import parse_size, show_size

IDENTITY = re.compile(r"eui\.([0-9a-f]{16}|[0-9a-f]{32})|uuid\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
BLOCK_SIZES = (512, 4096)


def parse_identity(text: str, where: str) -> str:
    """The one spelling of a namespace's identity."""
    identity = text.strip().lower()
    if not IDENTITY.fullmatch(identity):
        raise LightiovError(
            f"{where} names the namespace {text!r}, which is no identity: write eui. and the hexadecimal digits of its "
            "NGUID or EUI-64, or uuid. and its UUID; a namespace without any is left to nvme-cli, for nothing else "
            "tells it from one that takes its number"
        )
    return identity


@dataclass(frozen=True)
class Wanted:
    """One element of the list, sound in itself. With `identity` it is one that something else has made.

    `size` is in bytes, `block_size` too; None leaves each as it is.
    """

    name: str
    controller: str
    identity: str = ""
    size: int | None = None
    block_size: int | None = None
    state: str = "attached"
    image: str = ""

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> Wanted:
        name, state = options["name"], options["state"]
        where = f"Namespace {name} of controller {options['controller']}"
        if not NAME.fullmatch(name):
            raise LightiovError(
                f"{where} cannot have that name: begin with a letter, and use letters, digits, underscores and "
                "hyphens, 64 at most"
            )
        size, namespace, image = options.get("size"), options.get("namespace"), options.get("image") or ""
        if size is None and not namespace and state != "absent":
            raise LightiovError(f"{where} has neither a size, to be made, nor an identity (namespace): give it one")
        if image and (namespace or state != "attached"):
            raise LightiovError(
                f"{where} cannot be filled from {image}: only one that LightIOV makes can, with state: attached"
            )
        return cls(
            name=name,
            controller=options["controller"],
            identity=parse_identity(namespace, where) if namespace else "",
            size=None if size is None else parse_size(size, where),
            block_size=options.get("block_size"),
            state=state,
            image=image,
        )


@dataclass(frozen=True)
class Match:
    """What is wanted, recorded and there of one namespace; None for what is not. Who left the list is not wanted."""

    name: str
    wanted: Wanted | None
    made: Made | None
    there: Allocated | None

    @property
    def goes(self) -> bool:
        return self.wanted is None or self.wanted.state == "absent"


def check_list(wanted: Sequence[Wanted]) -> None:
    """Whether the elements go together."""
    for (controller, name), count in Counter((one.controller, one.name) for one in wanted).items():
        if count > 1:
            raise LightiovError(f"Namespace {name} of controller {controller} is listed {count} times: list it once")
    for identity, count in Counter(one.identity for one in wanted if one.identity).items():
        if count > 1:
            raise LightiovError(f"Namespace {identity} is listed {count} times: list it once")


def match(store: Store, wanted: Sequence[Wanted], made: Mapping[str, Made]) -> list[Match]:
    """By what each namespace is, never by its number."""
    made = {name: _settled(store, name, one, made) for name, one in made.items()}
    listed = {one.name for one in wanted}
    return [
        *(_matched(store, one, made) for one in wanted),
        *(
            Match(name, None, one, store.find(one.identity) if one.identity else None)
            for name, one in made.items()
            if name not in listed and one.identity not in {other.identity for other in wanted if other.identity}
        ),
    ]


def _matched(store: Store, wanted: Wanted, made: Mapping[str, Made]) -> Match:
    where = f"Namespace {wanted.name} of controller {store.controller}"
    if wanted.identity:
        mine = next(((name, one) for name, one in made.items() if one.identity == wanted.identity), None)
        there = store.find(wanted.identity)
        if there is None and wanted.state != "absent":
            known = ", ".join(map(str, store.namespaces)) or "none"
            raise LightiovError(f"{where} is {wanted.identity}, which is not there: choose from {known}")
        name, one = mine or (wanted.name, None)
        if one is None and wanted.name in made:
            raise LightiovError(
                f"{where} is {wanted.identity}, and LightIOV has made another one, {made[wanted.name].identity}, by "
                "that name: choose another name"
            )
        return _sized(where, Match(name, wanted, one, there))
    one = made.get(wanted.name)
    there = store.find(one.identity) if one and one.identity else None
    if one and there and there.size != one.size:
        raise LightiovError(
            f"{where} has {show_size(there.size)}, and LightIOV made it with {show_size(one.size)}, so something else "
            "has changed it: name it by its identity (namespace) if it is the one that you mean"
        )
    return _sized(where, Match(wanted.name, wanted, one, there))


def _sized(where: str, found: Match) -> Match:
    wanted, there = found.wanted, found.there
    if wanted and there and not found.goes and wanted.size not in (None, there.size):
        raise LightiovError(
            f"{where} has {show_size(there.size)} and shall have {show_size(wanted.size or 0)}, but no namespace "
            "changes its size: correct the size, or list another one and let this one go with state: absent"
        )
    return found


def _settled(store: Store, name: str, one: Made, made: Mapping[str, Made]) -> Made:
    """Of a run that was cut short while it made a namespace, what has become of that."""
    if not one.pending:
        return one
    known = {other.identity for other in made.values() if other.identity}
    found = [
        there
        for there in store.namespaces
        if there.key not in one.others and there.identity not in known and there.size == one.size and not there.attached
    ]
    if not found:
        return one
    if len(found) > 1 or not found[0].identity:
        raise LightiovError(
            f"Namespace {name} of controller {store.controller} was being made when a run was cut short, and may be "
            f"{' or '.join(map(str, found))}: delete what nobody needs of these with nvme delete-ns, and deploy again"
        )
    return replace(one, identity=found[0].identity, others=())
