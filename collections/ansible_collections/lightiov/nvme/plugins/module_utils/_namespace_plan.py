# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All namespaces of a host as one desired list: plan and act, by NVMe admin commands."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils import _blank as blank
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._mdevctl import Active, active_mdevs, definitions
from ansible_collections.lightiov.nvme.plugins.module_utils._namespace import Match, Wanted, check_list, match
from ansible_collections.lightiov.nvme.plugins.module_utils._namespace_record import RECORD, Made, note, recorded
from ansible_collections.lightiov.nvme.plugins.module_utils._namespace_steps import Row, Steps
from ansible_collections.lightiov.nvme.plugins.module_utils._namespace_store import (
    Allocated,
    LbaFormat,
    Store,
    attached_to,
    best_format,
    formats_of,
    look,
)
from ansible_collections.lightiov.nvme.plugins.module_utils._nvme_status import EXTENTS
from ansible_collections.lightiov.nvme.plugins.module_utils._plan import Plan
from ansible_collections.lightiov.nvme.plugins.module_utils._removals import check_removals
from ansible_collections.lightiov.nvme.plugins.module_utils._size import show_size
from ansible_collections.lightiov.nvme.plugins.module_utils._sysfs import DRIVER, Controller, controllers


@dataclass(frozen=True)
class Request:
    """What is asked for, and what is consented to. `destroy` are identities of namespaces that may lose all data."""

    wanted: Sequence[Wanted]
    destroy: frozenset[str] = frozenset()
    remove: bool = False
    removals_max: int | None = None
    phase: str = "all"


def plan(host: Host, request: Request, predict: bool) -> Plan:
    """What makes the namespaces of the host those wanted. An empty list leaves all of them alone."""
    check_list(request.wanted)
    result = Plan(predict=predict)
    record = recorded(host)
    parts = [
        _Part(host, request, result, look(host, controller), wanted, record.get(controller.serial, {}))
        for controller, wanted in _by_controller(controllers(host), request.wanted, list(record), result)
    ]
    result.before = [part.shown() for part in parts]
    _check_removals(request, parts)
    for part in parts:
        part.plan_leftovers()
        part.plan()
    result.after = [part.shown() for part in parts]
    # The steps of the plan add what only the controller can say.
    result.returned = {"namespaces": [row for part in parts for row in part.rows]}
    return result


def _by_controller(
    present: Sequence[Controller], wanted: Sequence[Wanted], recorded_serials: Sequence[str], result: Plan
) -> list[tuple[Controller, list[Wanted]]]:
    found: dict[str, list[Wanted]] = defaultdict(list)
    for one in wanted:
        matching = [it for it in present if one.controller == it.serial or one.controller.lower() == it.address]
        if len(matching) == 1:
            found[matching[0].address].append(one)
            continue
        known = ", ".join(map(str, present)) or "none"
        others = f"is none of this host's: choose from {known}"
        result.refuse(
            f"Namespace {one.name} names the controller {one.controller!r}, which "
            + ("several of this host are: name it by its address" if matching else others),
            until="controller" if not matching and any(not it.serial for it in present) else "",
        )
    ready = []
    for controller in present:
        here = found[controller.address]
        # What is recorded of one that is with another driver, or away, waits until it is listed again.
        if not here and (not wanted or controller.driver != DRIVER or controller.serial not in recorded_serials):
            continue
        if controller.driver != DRIVER:
            result.refuse(
                f"Namespaces of controller {controller} cannot be managed, because it does not belong to LightIOV: "
                "list it in lightiov_controllers",
                until="controller",
            )
        if controller.admin:
            ready.append((controller, here))
    return ready


def _check_removals(request: Request, parts: Sequence[_Part]) -> None:
    names = [
        f"{one.name} ({one.there.identity}) of controller {part.store.controller}"
        for part in parts
        for one in part.matches
        if one.wanted is None and one.there
    ]
    check_removals(
        names,
        "Namespaces that are no longer wanted would be deleted",
        "list them again, list them with state: absent",
        request.remove,
        request.removals_max,
    )


@dataclass
class _Part:
    """One controller's part of the plan. `rows` are its namespaces as they are at this point of the plan."""

    host: Host
    request: Request
    result: Plan
    store: Store
    wanted: Sequence[Wanted]
    recorded: Mapping[str, Made]
    # Bytes that the plan still has for new namespaces.
    left: int | None = field(init=False)

    def __post_init__(self) -> None:
        self.left = self.store.unallocated

    @cached_property
    def matches(self) -> list[Match]:
        return match(self.store, self.wanted, self.recorded)

    @cached_property
    def rows(self) -> list[Row]:
        names = {one.there.nsid: one for one in self.matches if one.there}
        return [self._row(namespace, names.get(namespace.nsid)) for namespace in self.store.namespaces]

    def _row(self, namespace: Allocated, found: Match | None) -> Row:
        return {
            "controller": self.store.controller.serial,
            "name": found.name if found else "",
            "nsid": namespace.nsid,
            "identity": namespace.identity,
            "size": namespace.size,
            "block_size": namespace.block_size,
            "attached": namespace.attached,
            "made": bool(found and found.made),
        }

    @cached_property
    def leftovers(self) -> list[Active]:
        """That had one of its namespaces read or filled when their run was killed."""
        return blank.leftovers(self.host, self.store.controller.address)

    @cached_property
    def _record(self) -> dict[str, dict[str, Any]]:
        """As it is at this point of the plan."""
        return {name: _describe(one) for name, one in self.recorded.items()}

    def shown(self) -> dict[str, Any]:
        return {
            "controller": self.store.controller.serial,
            "namespaces": copy.deepcopy(self.rows),
            "record": copy.deepcopy(self._record),
            **({"left_over": [mdev.uuid for mdev in self.leftovers]} if self.leftovers else {}),
        }

    @property
    def steps(self) -> Steps:
        return Steps(self.host, self.store)

    def plan_leftovers(self) -> None:
        for mdev in self.leftovers:
            if mdev.state != "closed":
                raise LightiovError(
                    f"Controller {self.store.controller} has a namespace that liov goes on reading or filling for a "
                    f"run that was killed, by mdev {mdev.uuid}: wait until it has ended, or end it"
                )
            stop = partial(blank.stop, self.host, mdev.uuid)
            self.result.add("stop", mdev.uuid, stop, controller=self.store.controller.serial)
        self.leftovers = []

    def plan(self) -> None:
        for one in self.matches:
            if one.goes or self.request.phase != "shrink":
                self._plan_record(one)
        # What goes makes room for what comes.
        for one in self.matches:
            if one.goes:
                self._plan_going(one)
        for one in self.matches:
            if one.wanted and not one.goes and self.request.phase != "shrink":
                self._plan_coming(one, one.wanted)

    def _plan_record(self, one: Match) -> None:
        """Of what a run that was cut short has made, or deleted, and could not write down any more."""
        made = one.made
        if made and not one.there and (one.goes or not made.pending):
            self._note(one.name, None)
            if not one.goes:
                self.result.warnings.append(
                    f"Namespace {one.name} ({made.identity}) of controller {self.store.controller} is gone, with its "
                    "data, and is made anew"
                )
        elif made and made != self.recorded.get(one.name):
            self._note(one.name, made)

    def _note(self, name: str, made: Made | None) -> None:
        serial = self.store.controller.serial
        self.result.add("record", RECORD, partial(note, self.host, serial, name, made), controller=serial, name=name)
        self._record.pop(name, None)
        if made:
            self._record[name] = _describe(made)

    def _add(self, action: str, row: Row, run: Any, *arguments: Any) -> None:
        self.result.add(
            action, row["identity"] or row["name"], partial(run, row, *arguments),
            controller=row["controller"], name=row["name"],
        )  # fmt: skip

    def _plan_going(self, one: Match) -> None:
        there = one.there
        if not there:
            return
        where = f"Namespace {one.name} ({there.identity}) of controller {self.store.controller}"
        users = self._users(there)
        if users and self.request.phase == "grow":
            return
        if users:
            self._refuse_used(f"{where} is to be deleted", users)
        permitted = there.identity in self.request.destroy
        if not one.made and not permitted:
            raise LightiovError(
                f"{where} is to be deleted, and LightIOV has not made it: add {there.identity} to "
                "lightiov_namespaces_destroy (option destroy) if all of it may be lost, or take it off "
                "lightiov_namespaces"
            )
        if not self.store.can_create:
            raise LightiovError(
                f"{where} cannot be deleted, because the controller cannot delete namespaces: take it off "
                "lightiov_namespaces"
            )
        row = next(row for row in self.rows if row["nsid"] == there.nsid)
        row["name"] = one.name
        attached = there.attached
        if not permitted:
            attached = self._plan_check(row, attached)
        if attached:
            self._add("detach", row, self.steps.detach)
        self._add("delete", row, self.steps.delete)
        self.rows.remove(row)
        self._record.pop(one.name, None)
        self.left = None if self.left is None else self.left + there.size

    def _plan_check(self, row: Row, attached: bool) -> bool:
        """Only what is attached can be read; whether it is."""
        if not attached:
            self._add("attach", row, self.steps.attach)
        if self.result.predict:
            self.result.warnings.append(
                f"Namespace {row['name']} ({row['identity']}) of controller {self.store.controller} is not read in "
                f"check mode: unless it is blank, add {row['identity']} to lightiov_namespaces_destroy (option destroy)"
            )
        self._require_tools()
        self._add("check_blank", row, self.steps.check_blank)
        return True

    def _plan_coming(self, one: Match, wanted: Wanted) -> None:
        where = f"Namespace {one.name} of controller {self.store.controller}"
        if one.there:
            row = next(row for row in self.rows if row["nsid"] == one.there.nsid)
            if wanted.block_size not in (None, one.there.block_size):
                self._plan_format(where, one.there, wanted, row)
        else:
            row = self._plan_create(where, wanted)
        attached = wanted.state == "attached"
        if row["attached"] != attached:
            if not self.store.can_attach:
                raise LightiovError(
                    f"{where} cannot be {wanted.state}, because the controller cannot attach and detach namespaces: "
                    "take it off lightiov_namespaces"
                )
            if not attached and one.there and (users := self._users(one.there)):
                self._refuse_used(f"{where} is to be detached", users)
            self._add("attach" if attached else "detach", row, self.steps.attach if attached else self.steps.detach)
            row["attached"] = attached
        image = one.made.image if one.made and one.there else wanted.image
        if image:
            self._plan_fill(where, one, row, image)

    def _plan_create(self, where: str, wanted: Wanted) -> Row:
        # One without a size has an identity, and is there.
        size, store = wanted.size or 0, self.store
        if not store.can_create:
            raise LightiovError(f"{where} cannot be made, because the controller cannot create namespaces: {EXTENTS}")
        lba_format = best_format(store.formats, wanted.block_size)
        if lba_format is None or size % lba_format.block_size:
            raise self._no_format(where, wanted, store.formats)
        if self.left is not None and size > self.left:
            raise LightiovError(
                f"{where} cannot have {show_size(size)}, because {show_size(self.left)} of the controller are not "
                "allocated: choose a smaller size, or let a namespace go with state: absent, in a run before this one "
                "if a disk is on it"
            )
        self.left = None if self.left is None else self.left - size
        row = {
            "controller": store.controller.serial,
            "name": wanted.name,
            "nsid": None,
            "identity": "",
            "size": size,
            "block_size": lba_format.block_size,
            "attached": False,
            "made": True,
        }
        made = Made(size=size, image=wanted.image, others=tuple(one.key for one in store.namespaces))
        self._add("create", row, self.steps.create, made, size // lba_format.block_size, lba_format.index)
        self.rows.append(row)
        self._record[wanted.name] = _describe(replace(made, others=()))
        return row

    def _plan_format(self, where: str, there: Allocated, wanted: Wanted, row: Row) -> None:
        store = self.store
        if not store.can_format:
            raise LightiovError(
                f"{where} cannot have blocks of {wanted.block_size} bytes, because the controller cannot format: leave "
                "block_size out"
            )
        if store.formats_all and len(store.namespaces) > 1:
            raise LightiovError(
                f"{where} cannot have blocks of {wanted.block_size} bytes, because the controller formats or erases "
                "only all namespaces at once: leave block_size out, or format while it has no other"
            )
        formats = formats_of(self.host, store, there)
        lba_format = best_format(formats, wanted.block_size)
        if lba_format is None or there.size % lba_format.block_size:
            raise self._no_format(where, wanted, formats)
        if users := self._users(there):
            self._refuse_used(f"{where} is to be formatted", users)
        if there.identity not in self.request.destroy:
            row["attached"] = self._plan_check(row, row["attached"])
        self._add("format", row, self.steps.format, lba_format.index)
        row["block_size"] = lba_format.block_size

    def _plan_fill(self, where: str, one: Match, row: Row, image: str) -> None:
        file = self.host.path(image)
        if not file.exists():
            raise LightiovError(f"{where} cannot be filled from {image}, which is not there: put it there")
        if file.is_file() and file.stat().st_size > row["size"]:
            raise LightiovError(
                f"{where} cannot be filled from {image}, because that has {file.stat().st_size} bytes and it has "
                f"{show_size(row['size'])}: list it with a larger size"
            )
        if one.there and (users := self._users(one.there)):
            self._refuse_used(f"{where} is to be filled from {image}", users)
        self._require_tools()
        self._add("fill", row, self.steps.fill, image, Made(size=row["size"]))
        self._record[one.name]["image"] = ""

    def _no_format(self, where: str, wanted: Wanted, formats: Sequence[LbaFormat]) -> LightiovError:
        sizes = sorted({one.block_size for one in formats if not one.metadata})
        blocks = f"blocks of {wanted.block_size} bytes" if wanted.block_size else "blocks of a size that VMs can have"
        return LightiovError(
            f"{where} cannot have {blocks}: the controller has {', '.join(map(str, sizes)) or 'none'} without "
            "metadata; choose block_size from these, and a size that is a multiple"
        )

    def _users(self, namespace: Allocated) -> list[str]:
        address, serial = self.store.controller.address, self.store.controller.serial
        identity = namespace.identity if namespace.identity.startswith("eui.") else ""
        known = {mdev.uuid: mdev.attributes for mdev in active_mdevs(self.host) if mdev.address == address}
        for one in definitions(self.host):
            if one.parsed.serial == serial or (not one.parsed.serial and one.address == address):
                known.setdefault(one.uuid, one.parsed)
        found = [
            f"mdev {uuid}" + (f" ({attributes.name})" if attributes.name else "")
            for uuid, attributes in sorted(known.items())
            if attributes.label != blank.LABEL
            and any(extent.is_on(namespace.nsid, identity) for extent in attributes.extents)
        ]
        return found + [f"controller {id_} of the same drive" for id_ in attached_to(self.host, self.store, namespace)]

    def _refuse_used(self, clause: str, users: Sequence[str]) -> None:
        self.result.refuse(
            f"{clause}, and {' and '.join(users)} {'has' if len(users) == 1 else 'have'} it: take its disk off "
            "lightiov_vms first, or detach it from the other controller with nvme detach-ns",
            until="mdev",
        )

    def _require_tools(self) -> None:
        for tool, by, until in (("mdevctl", "as a package", "packages"), ("liov", "by role native", "source")):
            if self.host.runner.find(tool) is None:
                self.result.refuse(
                    f"Namespaces of controller {self.store.controller} cannot be read or filled, because {tool} is not "
                    f"installed: install it {by}",
                    until=until,
                )


def _describe(made: Made) -> dict[str, Any]:
    return {"size": made.size, "identity": made.identity, "image": made.image}
