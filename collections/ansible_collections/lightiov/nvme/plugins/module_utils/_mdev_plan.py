# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All LightIOV mdevs of a host as one desired list: plan and act, through mdevctl."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from ansible_collections.lightiov.nvme.plugins.module_utils import _blank as blank
from ansible_collections.lightiov.nvme.plugins.module_utils import _boot_order as boot_order
from ansible_collections.lightiov.nvme.plugins.module_utils import _boot_rule as boot_rule
from ansible_collections.lightiov.nvme.plugins.module_utils import _live as live
from ansible_collections.lightiov.nvme.plugins.module_utils import _tenants as tenants
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._extent import Extent
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host, write_atomically
from ansible_collections.lightiov.nvme.plugins.module_utils._mdev import Placed
from ansible_collections.lightiov.nvme.plugins.module_utils._mdev_difference import (
    Difference,
    Request,
    State,
    disks_told,
    takes_extents,
)
from ansible_collections.lightiov.nvme.plugins.module_utils._mdevctl import (
    MDEV_DEVICES,
    Active,
    Definition,
    active_mdevs,
    definitions,
    is_ours,
    passed_to_mdevctl,
)
from ansible_collections.lightiov.nvme.plugins.module_utils._plan import Plan
from ansible_collections.lightiov.nvme.plugins.module_utils._released import released
from ansible_collections.lightiov.nvme.plugins.module_utils._removals import check_removals
from ansible_collections.lightiov.nvme.plugins.module_utils._runner import CommandError
from ansible_collections.lightiov.nvme.plugins.module_utils._sysfs import DRIVER
from ansible_collections.lightiov.nvme.plugins.module_utils._usage import mdev_is_open


def plan(host: Host, request: Request, predict: bool) -> Plan:
    """What makes the LightIOV mdevs of the host exactly those wanted."""
    all_active, all_defined = active_mdevs(host), definitions(host)
    wanted = {mdev.uuid for mdev in request.wanted}
    for uuid in sorted(wanted & request.absent):
        raise LightiovError(f"mdev {uuid} is wanted and absent at once: list it in one of the two")
    named = wanted | request.absent
    _refuse_foreign(named, all_active, all_defined)
    _refuse_spoilt(named, all_defined)
    before = State.look(
        [mdev for mdev in all_active if is_ours(mdev.type)],
        [one for one in all_defined if is_ours(one.type) or one.is_spoilt],
    )
    difference = Difference.find(host, request, before, tenants.recorded(host), predict)
    if predict and request.phase == "grow":
        difference = difference.shrunk()
    result = Plan(predict=predict)
    # What goes before the namespaces are made leaves those that wait for one as they are.
    for _uuid, unmet in sorted(difference.pending.items()) if predict or difference.grows else ():
        result.refuse(unmet.sentence, unmet.until, unmet.object)
    _check_removals(difference)
    _warn(difference, result)
    _plan_steps(difference, result)
    if result.steps and host.runner.find("mdevctl") is None:
        result.refuse(
            "mdevs cannot be changed, because mdevctl is not installed: install the package of that name",
            until="packages",
        )
    return result


def _refuse_foreign(named: set[str], active: Sequence[Active], defined: Sequence[Definition]) -> None:
    types = {one.uuid: one.type for one in defined if not one.is_spoilt}
    types.update({mdev.uuid: mdev.type for mdev in active})
    for uuid in sorted(named & set(types)):
        if not is_ours(types[uuid]):
            raise LightiovError(
                f"mdev {uuid} belongs to another driver, its type is {types[uuid]}: choose another UUID"
            )


def _refuse_spoilt(named: set[str], defined: Sequence[Definition]) -> None:
    for one in defined:
        if one.is_spoilt and one.uuid not in named:
            raise LightiovError(f"{one.path} is not a definition of mdevctl: correct or remove the file")


def _check_removals(difference: Difference) -> None:
    request = difference.request
    names = [
        f"{uuid} ({found[0].name})" if found[0].name else uuid
        for uuid, found in sorted(difference.before.attributes().items())
        if uuid not in request.absent and difference.is_removed(uuid, found)
    ]
    names += [
        f"disk {disk.name or disk.id} of {uuid} ({vm or disk.id})"
        for uuid, disk, vm in difference.removed_disks()
        if disk.id not in request.absent
    ]
    check_removals(
        names,
        "mdevs or disks that are no longer wanted would be removed",
        "list them again, give their VMs the state absent (option absent)",
        request.remove,
        request.removals_max,
    )


def _warn(difference: Difference, result: Plan) -> None:
    before, placed = difference.before, difference.placed
    for uuid in sorted(difference.strangers):
        result.warnings.append(
            f"mdev {uuid} has not been made by lightiov.nvme and is left alone: "
            "remove it with mdevctl if nobody needs it"
        )
    for mdev in placed.values():
        if difference.grows and (formers := difference.waits(mdev)):
            result.warnings.append(
                f"mdev {mdev.uuid} ({mdev.wanted.vm}) takes the place of {', '.join(formers)}, which the version "
                "before made and a VM has open: stop the VM and deploy once more to have it"
            )
    for one in before.defined.values():
        if one.uuid not in placed or not difference.undefines(one):
            continue
        controller, definition = placed[one.uuid].controller, placed[one.uuid].definition
        if one.is_spoilt:
            result.warnings.append(f"{one.path} is not a definition of mdevctl and is replaced")
        elif definition.path not in before.defined and one.parsed.serial in ("", controller.serial):
            serial = difference.serial_at(one.address)
            there = f"controller {serial}" if serial else "no known controller"
            result.warnings.append(
                f"mdev {one.uuid} is defined for {one.address}, where {there} is now, and belongs to {controller}: "
                "drives have moved or changed places, and the definition follows the serial number"
            )


def _plan_steps(difference: Difference, result: Plan) -> None:
    host, before, placed = difference.host, difference.before, difference.ready
    stopping = {uuid: mdev for uuid, mdev in before.active.items() if difference.stops(mdev)}
    going = {path: one for path, one in before.defined.items() if difference.undefines(one)}
    kept_active = {uuid: mdev for uuid, mdev in before.active.items() if uuid not in stopping}
    kept_defined = {path: one for path, one in before.defined.items() if path not in going}
    starting: list[Placed] = []
    defining: list[Placed] = []
    changes = difference.changes()
    if difference.grows:
        starting = [mdev for uuid, mdev in placed.items() if uuid not in kept_active]
        defining = sorted(
            (mdev for mdev in placed.values() if mdev.definition.path not in kept_defined),
            key=difference.gives_before_it_gets,
        )
    # A definition says where disks are, so there is none of them at no moment: what is replaced is not undefined
    # before, and that of a drive that has moved, or what the version before made, is undefined when what takes its
    # place is defined.
    replacing = {mdev.definition.path for mdev in defining}
    undefining = [one for path, one in going.items() if path not in replacing]
    late = [one for one in undefining if one.uuid in difference.formers or difference.has_moved(one)]

    passing = difference.passing() if difference.grows else []
    _plan_keep(difference, changes, result)
    # One of a check that was killed holds what the next one has to read.
    leftover = [mdev for mdev in stopping.values() if mdev.attributes.label == blank.LABEL]
    _plan_stop(difference, leftover, result)
    if not difference.request.erase:
        _plan_blank(difference, passing, result)
    files = tenants.plan(host, difference.record, difference.left, result)
    _plan_stop(difference, [mdev for mdev in stopping.values() if mdev not in leftover], result)
    for change in changes:
        _plan_release(difference, change, result)
    _plan_undefine(difference, [one for one in undefining if one not in late], result)
    if difference.grows:
        _refuse_impossible(placed.values(), starting, result)
        waiting = {one.uuid for one in kept_defined.values() if one.uuid in difference.formers}
        uuids = [*placed, *waiting, *difference.pending]
        files.update(boot_rule.plan(host, bool(uuids), result))
        files.update(boot_order.plan(host, uuids, result))
        if difference.request.erase:
            for former in passing:
                run = partial(blank.erase, host, former)
                _add_for(former.mdev, result, "erase", _shown(former.extent), run)
        kept = tenants.plan(host, difference.left, difference.kept, result)
        files[tenants.RECORD] = files[tenants.RECORD][0], kept[tenants.RECORD][1]
    for wanted in defining:
        _add_for(wanted, result, "define", wanted.uuid, partial(_define, host, wanted.definition))
    for wanted in starting:
        _add_for(wanted, result, "start", wanted.uuid, partial(_start, host, wanted))
    for change in changes:
        _plan_gifts(difference, change, result)
    _plan_undefine(difference, late, result)

    changed = [change.mdev for change in changes]
    after = State(
        {**kept_active, **{mdev.uuid: mdev.as_active for mdev in (*starting, *changed)}},
        {**kept_defined, **{mdev.definition.path: mdev.definition for mdev in defining}},
    )
    result.before = {**before.show(), "files": {path: text for path, (text, _after) in files.items()}}
    result.after = {**after.show(), "files": {path: text for path, (_before, text) in files.items()}}
    mdevs = after.mdevs(difference.serial_at)
    result.returned = {"mdevs": mdevs, "disks": disks_told(mdevs), "released": released(difference)}


def _add_for(mdev: Placed, result: Plan, action: str, object_: str, run: Callable[[], None], **details: str) -> None:
    result.add(action, object_, run, address=mdev.controller.address, **details)


def _plan_undefine(difference: Difference, definitions: Iterable[Definition], result: Plan) -> None:
    for one in definitions:
        action = "convert" if one.uuid in difference.formers else "undefine"
        result.add(action, one.uuid, partial(_undefine, difference.host, one), address=one.address)


def _shown(extent: Extent) -> str:
    return extent.namespace if extent.is_whole else f"{extent.namespace} from LBA {extent.start}"


def _plan_keep(difference: Difference, changes: Iterable[live.Change], result: Plan) -> None:
    for mdev, extent in ((change.mdev, extent) for change in changes for extent in change.asked):
        run = partial(live.keep, difference.host, mdev.uuid, extent)
        _add_for(mdev, result, "keep", mdev.uuid, run, disk=extent.name or extent.id)


def _plan_release(difference: Difference, change: live.Change, result: Plan) -> None:
    request = difference.request
    for extent in change.leaving:
        run = partial(
            live.release,
            difference.host,
            change.mdev.uuid,
            extent,
            force=request.force,
            timeout=request.timeout,
        )
        _add_for(change.mdev, result, "release", change.mdev.uuid, run, disk=extent.name or extent.id)


def _plan_gifts(difference: Difference, change: live.Change, result: Plan) -> None:
    had = {one.id for one in difference.before.active[change.mdev.uuid].attributes.extents} - {
        one.id for one in change.leaving
    }
    for extent in change.coming:
        run = partial(live.give, difference.host, change.mdev.uuid, extent)
        action = "grow" if extent.id in had else "add"
        _add_for(change.mdev, result, action, change.mdev.uuid, run, disk=extent.name)


def _refuse_impossible(placed: Iterable[Placed], starting: Iterable[Placed], result: Plan) -> None:
    for controller in {mdev.controller.address: mdev.controller for mdev in placed}.values():
        if controller.driver != DRIVER:
            result.refuse(
                f"Controller {controller} cannot have mdevs, because it is bound to {controller.driver or 'nothing'}: "
                "list it in lightiov_controllers (module lightiov.nvme.controller) first",
                until="controller",
            )
    for controller in {mdev.controller.address: mdev.controller for mdev in starting}.values():
        if controller.driver == DRIVER and not takes_extents(controller):
            result.refuse(
                f"Controller {controller} cannot have new mdevs, because the host module that is loaded is an older "
                "one, which does not know parts of namespaces: shut the VMs down and add reload to "
                "lightiov_allow, or reboot",
                until="reload",
            )


def _plan_blank(difference: Difference, passing: Sequence[blank.Passing], result: Plan) -> None:
    """Without consent to erase, what passes to another tenant must be blank by itself."""
    for one in passing:
        users = [
            mdev
            for mdev in difference.before.active.values()
            if mdev.address == one.mdev.controller.address and mdev.attributes.label != blank.LABEL
        ]
        if any(one.extent.overlaps(extent) for mdev in users for extent in mdev.attributes.extents):
            raise LightiovError(f"{one.refusal}, and it is in use: end that use in a run before, or {one.remedy}")
        if result.predict:
            result.warnings.append(f"{one.refusal}, and is not read in check mode: unless it is blank, {one.remedy}")
        _add_for(one.mdev, result, "check_blank", _shown(one.extent), partial(blank.check, difference.host, one))


def _plan_stop(difference: Difference, mdevs: Iterable[Active], result: Plan) -> None:
    request = difference.request
    for mdev in mdevs:
        if not request.force and mdev_is_open(difference.host, mdev.uuid):
            result.refuse(
                f"mdev {mdev.uuid} has to be stopped, but a VM has it open: stop the VM, or add detach to "
                "lightiov_allow (option force) to have it taken away",
                until="domain_mdev",
                object_=mdev.uuid,
            )
        run = partial(_stop, difference.host, mdev, request.timeout)
        result.add("stop", mdev.uuid, run, address=mdev.address)


def _stop(host: Host, mdev: Active, timeout: int) -> None:
    try:
        host.runner.run(["mdevctl", "stop", "--uuid", mdev.uuid], timeout=timeout)
    except CommandError as error:
        raise LightiovError(
            f"mdev {mdev.uuid} was not stopped, most likely because its VM does not give it up: stop the VM ({error})"
        ) from error


def _undefine(host: Host, definition: Definition) -> None:
    if definition.is_spoilt:
        host.path(definition.path).unlink()
    else:
        host.runner.run(["mdevctl", "undefine", "--uuid", definition.uuid, "--parent", definition.address])


def _define(host: Host, definition: Definition) -> None:
    path = host.path(definition.path)
    if path.exists():
        # mdevctl would write over it, and a power cut leave neither the old one nor the new one.
        write_atomically(path, definition.to_json())
        return
    with passed_to_mdevctl(definition) as arguments:
        host.runner.run(["mdevctl", "define", *arguments])


def _start(host: Host, mdev: Placed) -> None:
    try:
        host.runner.run(["mdevctl", "start", "--uuid", mdev.uuid, "--parent", mdev.controller.address])
    except CommandError as error:
        # udev may be starting it: that happens when its controller has just registered.
        host.settle()
        if any(one.uuid == mdev.uuid and mdev.is_active_as(one) for one in active_mdevs(host)):
            return
        raise LightiovError(
            f"mdev {mdev.uuid} was not accepted by controller {mdev.controller}: see the kernel log for the reason "
            f"({error.output or error})"
        ) from error
    if not host.path(f"{MDEV_DEVICES}/{mdev.uuid}").exists():
        raise LightiovError(f"mdev {mdev.uuid} is gone right after its start: see the kernel log for the reason")
