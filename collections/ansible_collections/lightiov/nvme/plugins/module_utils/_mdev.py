# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All LightIOV mdevs of a host as one desired list: plan and act, through mdevctl."""

from __future__ import annotations

import re
import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils import _boot_order as boot_order
from ansible_collections.lightiov.nvme.plugins.module_utils import _boot_rule as boot_rule
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._mdevctl import (
    MDEV_DEVICES,
    Active,
    Attributes,
    Definition,
    active_mdevs,
    definitions,
    is_ours,
)
from ansible_collections.lightiov.nvme.plugins.module_utils._plan import Plan
from ansible_collections.lightiov.nvme.plugins.module_utils._runner import CommandError
from ansible_collections.lightiov.nvme.plugins.module_utils._sysfs import DRIVER, STOCK_DRIVER, Controller, controllers
from ansible_collections.lightiov.nvme.plugins.module_utils._usage import mdev_is_open
from ansible_collections.lightiov.nvme.plugins.module_utils._uuids import canonical

# Limits of the device ABI (native/abi/lightiov_abi.h).
MAX_QUEUE_PAIRS = 128
MAX_NAMESPACES = 64
MAX_NSID = 0xFFFFFFFE
TENANT = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True)
class Wanted:
    """One element of the desired list, sound in itself."""

    uuid: str
    parent: str
    type: str
    attributes: Attributes

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> Wanted:
        uuid = canonical(options["uuid"])
        tenant, queue_pairs, namespaces = options["tenant"], options["queue_pairs"], options["namespaces"]
        if not TENANT.fullmatch(tenant):
            raise LightiovError(
                f"mdev {uuid} cannot have the tenant {tenant!r}: "
                "use 1 to 64 letters, digits, dots, underscores and hyphens"
            )
        if not 1 <= queue_pairs <= MAX_QUEUE_PAIRS:
            raise LightiovError(f"mdev {uuid} cannot have {queue_pairs} queue pairs: choose 1 to {MAX_QUEUE_PAIRS}")
        if not 1 <= len(namespaces) <= MAX_NAMESPACES:
            raise LightiovError(f"mdev {uuid} cannot have {len(namespaces)} namespaces: choose 1 to {MAX_NAMESPACES}")
        for nsid in namespaces:
            if not 1 <= nsid <= MAX_NSID:
                raise LightiovError(f"mdev {uuid} cannot have the namespace {nsid}: an NSID is 1 to {MAX_NSID}")
        return cls(uuid, options["parent"], options["type"], Attributes(tenant, queue_pairs, tuple(namespaces)))


@dataclass(frozen=True)
class Placed:
    """A wanted mdev and the controller that it comes from."""

    wanted: Wanted
    controller: Controller

    @property
    def definition(self) -> Definition:
        return Definition(
            uuid=self.wanted.uuid,
            address=self.controller.address,
            type=self.wanted.type,
            autostart=True,
            attributes=self.wanted.attributes.ordered(),
        )

    def is_active_as(self, active: Active) -> bool:
        return (active.address, active.type, active.attributes) == (
            self.controller.address,
            self.wanted.type,
            self.wanted.attributes,
        )


def place(present: Sequence[Controller], wanted: Sequence[Wanted]) -> list[Placed]:
    """Find each mdev's controller and check the list against itself and against what controllers have."""
    placed = [Placed(mdev, _parent(present, mdev)) for mdev in wanted]
    for uuid, count in Counter(mdev.uuid for mdev in wanted).items():
        if count > 1:
            raise LightiovError(f"mdev {uuid} is listed {count} times: list each mdev once")
    by_address: dict[str, list[Placed]] = defaultdict(list)
    for mdev in placed:
        by_address[mdev.controller.address].append(mdev)
    for siblings in by_address.values():
        _check_controller(siblings[0].controller, [mdev.wanted for mdev in siblings])
    return placed


def _parent(present: Sequence[Controller], mdev: Wanted) -> Controller:
    matching = [one for one in present if mdev.parent == one.serial or mdev.parent.lower() == one.address]
    if len(matching) == 1:
        return matching[0]
    if matching:
        addresses = ", ".join(one.address for one in matching)
        raise LightiovError(
            f"mdev {mdev.uuid} names the parent {mdev.parent!r}, but {addresses} all match: use an address"
        )
    known = ", ".join(map(str, present)) or "none"
    raise LightiovError(
        f"mdev {mdev.uuid} names the parent {mdev.parent!r}, which is no controller of this host: choose from {known}"
    )


def _check_controller(controller: Controller, mdevs: Sequence[Wanted]) -> None:
    tenants = sorted({mdev.attributes.tenant for mdev in mdevs})
    if len(tenants) > 1:
        raise LightiovError(
            f"Controller {controller} cannot serve the tenants {' and '.join(tenants)} at once, because passthrough "
            "does not protect tenants from each other: give each tenant a controller of its own"
        )
    owners: dict[int, str] = {}
    existing = {namespace.nsid for namespace in controller.namespaces}
    # Without a driver that reports namespaces nothing can be said about them.
    known = controller.driver in (DRIVER, STOCK_DRIVER)
    for mdev in mdevs:
        for nsid in mdev.attributes.namespaces:
            if nsid in owners:
                raise LightiovError(
                    f"Namespace {nsid} of controller {controller} is given to mdev {owners[nsid]} and again to mdev "
                    f"{mdev.uuid}: give each namespace once"
                )
            owners[nsid] = mdev.uuid
            if known and nsid not in existing:
                there = ", ".join(map(str, sorted(existing))) or "none"
                raise LightiovError(
                    f"mdev {mdev.uuid} wants namespace {nsid}, which controller {controller} does not have: "
                    f"choose from {there}"
                )
    total = sum(mdev.attributes.queue_pairs for mdev in mdevs)
    if controller.queue_pairs is not None and total > controller.queue_pairs:
        raise LightiovError(
            f"Controller {controller} has {controller.queue_pairs} queue pairs, but its mdevs want {total}: "
            "give them fewer or use another controller"
        )


def plan(host: Host, wanted: Sequence[Wanted], force: bool, timeout: int, predict: bool) -> Plan:
    """What makes the LightIOV mdevs of the host exactly those wanted."""
    present = controllers(host)
    placed = {mdev.wanted.uuid: mdev for mdev in place(present, wanted)}
    all_active = {mdev.uuid: mdev for mdev in active_mdevs(host)}
    all_defined = definitions(host)
    _refuse_foreign(placed, all_active, all_defined)
    active = {uuid: mdev for uuid, mdev in all_active.items() if is_ours(mdev.type)}
    defined = [definition for definition in all_defined if is_ours(definition.type)]

    result = Plan(predict=predict)
    for controller in {mdev.controller.address: mdev.controller for mdev in placed.values()}.values():
        if controller.driver != DRIVER:
            result.refuse(
                f"Controller {controller} cannot have mdevs, because it is bound to {controller.driver or 'nothing'}: "
                "list it in lightiov.nvme.controller first",
                until="controller",
            )
    stopping = [mdev for uuid, mdev in active.items() if uuid not in placed or not placed[uuid].is_active_as(mdev)]
    undefining = [one for one in defined if one.uuid not in placed or one != placed[one.uuid].definition]
    kept_active = set(active) - {mdev.uuid for mdev in stopping}
    kept_defined = {one.uuid for one in defined if one not in undefining}

    for active_mdev in stopping:
        if not force and mdev_is_open(host, active_mdev.uuid):
            result.refuse(
                f"mdev {active_mdev.uuid} has to be stopped, but a VM has it open: "
                "detach it with lightiov.nvme.domain_mdev, stop the VM, or set force",
                until="domain_mdev",
            )
        result.add("stop", active_mdev.uuid, partial(_stop, host, active_mdev, timeout), address=active_mdev.address)
    for one in undefining:
        result.add("undefine", one.uuid, partial(_undefine, host, one), address=one.address)
    boot_rule.plan(host, bool(placed), result)
    boot_order.plan(host, list(placed), result)
    for uuid, mdev in placed.items():
        if uuid not in kept_defined:
            address = mdev.controller.address
            result.add("define", uuid, partial(_define, host, mdev.definition), address=address)
    for uuid, mdev in placed.items():
        if uuid not in kept_active:
            result.add("start", uuid, partial(_start, host, mdev), address=mdev.controller.address)
    if result.steps and host.runner.find("mdevctl") is None:
        result.refuse(
            "mdevs cannot be changed, because mdevctl is not installed: install the package of that name",
            until="packages",
        )

    serials = {one.address: one.serial for one in present}
    result.before = {"mdevs": _show_existing(active, defined, serials)}
    result.after = {"mdevs": [_show(mdev) for mdev in sorted(placed.values(), key=lambda mdev: mdev.wanted.uuid)]}
    result.returned = result.after
    return result


def _refuse_foreign(placed: Mapping[str, Placed], active: Mapping[str, Active], defined: Sequence[Definition]) -> None:
    types = {one.uuid: one.type for one in defined}
    types.update({uuid: mdev.type for uuid, mdev in active.items()})
    for uuid in placed:
        if uuid in types and not is_ours(types[uuid]):
            raise LightiovError(
                f"mdev {uuid} belongs to another driver, its type is {types[uuid]}: choose another UUID"
            )


def _show(mdev: Placed) -> dict[str, Any]:
    controller, wanted = mdev.controller, mdev.wanted
    parent = controller.serial or controller.address
    return _describe(wanted.uuid, parent, controller.address, wanted.type, wanted.attributes)


def _show_existing(
    active: Mapping[str, Active], defined: Sequence[Definition], serials: Mapping[str, str]
) -> list[dict[str, Any]]:
    shown = {one.uuid: (one.address, one.type, Attributes.parse(dict(one.attributes))) for one in defined}
    shown.update({uuid: (mdev.address, mdev.type, mdev.attributes) for uuid, mdev in active.items()})
    return [
        _describe(uuid, serials.get(address) or address, address, mdev_type, attributes)
        for uuid, (address, mdev_type, attributes) in sorted(shown.items())
    ]


def _describe(uuid: str, parent: str, address: str, mdev_type: str, attributes: Attributes) -> dict[str, Any]:
    return {
        "uuid": uuid,
        "parent": parent,
        "address": address,
        "type": mdev_type,
        "tenant": attributes.tenant,
        "queue_pairs": attributes.queue_pairs,
        "namespaces": list(attributes.namespaces),
    }


def _stop(host: Host, mdev: Active, timeout: int) -> None:
    try:
        host.runner.run(["mdevctl", "stop", "--uuid", mdev.uuid], timeout=timeout)
    except CommandError as error:
        raise LightiovError(
            f"mdev {mdev.uuid} was not stopped, most likely because its VM does not give it up: stop the VM ({error})"
        ) from error


def _undefine(host: Host, definition: Definition) -> None:
    host.runner.run(["mdevctl", "undefine", "--uuid", definition.uuid, "--parent", definition.address])


def _define(host: Host, definition: Definition) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="ascii") as file:
        file.write(definition.to_json())
        file.flush()
        host.runner.run(
            ["mdevctl", "define", "--uuid", definition.uuid, "--parent", definition.address, "--jsonfile", file.name]
        )


def _start(host: Host, mdev: Placed) -> None:
    uuid = mdev.wanted.uuid
    try:
        host.runner.run(["mdevctl", "start", "--uuid", uuid, "--parent", mdev.controller.address])
    except CommandError as error:
        # udev may be starting it: that happens when its controller has just registered.
        host.settle()
        if any(one.uuid == uuid and mdev.is_active_as(one) for one in active_mdevs(host)):
            return
        raise LightiovError(
            f"mdev {uuid} was not accepted by controller {mdev.controller}: see the kernel log for the reason "
            f"({error.output or error})"
        ) from error
    if not host.path(f"{MDEV_DEVICES}/{uuid}").exists():
        raise LightiovError(f"mdev {uuid} is gone right after its start: see the kernel log for the reason")
