# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which controllers belong to LightIOV: plan and act, through driverctl."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host, read, wait_until, write_atomically
from ansible_collections.lightiov.nvme.plugins.module_utils._mdevctl import active_mdevs
from ansible_collections.lightiov.nvme.plugins.module_utils._plan import Plan
from ansible_collections.lightiov.nvme.plugins.module_utils._record import RECORD, Identity, identities, record
from ansible_collections.lightiov.nvme.plugins.module_utils._runner import CommandError
from ansible_collections.lightiov.nvme.plugins.module_utils._sysfs import (
    ADDRESS,
    DRIVER,
    PCI_DEVICES,
    PCI_DRIVERS,
    STOCK_DRIVER,
    Controller,
    controllers,
    override_file,
)
from ansible_collections.lightiov.nvme.plugins.module_utils._usage import in_use, members, open_mdevs

# A controller may take CAP.TO, at most 127.5 s, to become ready for a driver.
READY_SECONDS = 130
SHOWN = ("address", "serial", "model", "driver", "override", "recorded")


@dataclass(frozen=True)
class Selector:
    """One criterion: `by` is serial, model or address."""

    by: str
    value: str

    def matches(self, controller: Controller) -> bool:
        return bool(getattr(controller, self.by) == self.value)

    @classmethod
    def parse(cls, options: dict[str, Any]) -> Selector:
        # As drivers tell them: text, even if all digits, and without the blanks that fill the field.
        texts = {by: str(options[by]).strip() for by in ("serial", "model", "address") if options.get(by) is not None}
        given = [(by, text) for by, text in texts.items() if text]
        if len(given) != 1:
            raise LightiovError(f"The selector {options} is not clear: give exactly one of serial, model and address")
        by, value = given[0]
        if by == "address":
            value = value.lower()
            if not ADDRESS.fullmatch(value):
                raise LightiovError(f"{value!r} is no PCI address: write it with its domain, such as 0000:01:00.0")
        return cls(by, value)


def select(present: Sequence[Controller], selectors: Sequence[Selector], result: Plan) -> list[Controller]:
    """The controllers that the selectors name, each once."""
    chosen: dict[str, Controller] = {}
    for selector in selectors:
        matching = [controller for controller in present if selector.matches(controller)]
        if not matching:
            _refuse_unmatched(present, selector, result)
        if selector.by == "serial" and len(matching) > 1:
            addresses = ", ".join(controller.address for controller in matching)
            raise LightiovError(
                f"The serial number {selector.value!r} is not unique, {addresses} all have it: select by address"
            )
        chosen.update((controller.address, controller) for controller in matching)
    return list(chosen.values())


def _refuse_unmatched(present: Sequence[Controller], selector: Selector, result: Plan) -> None:
    known = ", ".join(map(str, present)) or "none"
    silent = [one for one in present if not one.identified]
    sentence = (
        f"No NVMe controller of this host has the {selector.by} {selector.value!r}: choose from those present: {known}"
    )
    if selector.by != "address" and silent:
        drivers = " and ".join(f"{one.address} is bound to {one.driver or 'nothing'}" for one in silent)
        sentence += f"; {drivers}, so it does not say who it is and can only be chosen by its address"
    # The kernel binds what waits for the driver as soon as that is loaded, and one may be it.
    waiting = selector.by != "address" and any(map(_waits_for_driver, silent))
    result.refuse(sentence, until="dkms_module" if waiting else "")


def _waits_for_driver(controller: Controller) -> bool:
    """LightIOV's, but no driver says who it is; what is written down may be of its predecessor at this address."""
    return controller.held and not controller.driver


def plan(host: Host, selectors: Sequence[Selector], take_volumes: bool, predict: bool) -> Plan:
    """What makes LightIOV's controllers exactly those selected."""
    present = _awaited(host, selectors)
    known = identities(host)
    result = Plan(predict=predict)
    if not predict:
        unknown = _to_identify(host, present, selectors)
        if unknown:
            select(present, selectors, Plan(predict=True))
            return _plan_identification(host, present, unknown, take_volumes)
    wanted = {controller.address for controller in select(present, selectors, result)}
    _warn_of_moves(present, known, result)
    staying = {
        one.address: Identity(one.serial, one.model, one.firmware)
        for one in present
        if one.address in wanted and one.serial
    }
    leaving = [
        one
        for one in present
        if one.held and one.address not in wanted and not (result.unmet and _waits_for_driver(one))
    ]
    # Written down before anything is taken, and until it is given back: at no moment is one of ours unknown.
    serials = {identity.serial for identity in staying.values()}
    meanwhile = {
        address: identity
        for address, identity in known.items()
        if identity.serial not in serials and address in {one.address for one in leaving}
    } | staying
    _plan_record(host, known, meanwhile, result)
    # Give back before taking, so that an exchange never needs both at once.
    for controller in leaving:
        _plan_release(host, controller, result)
    stale = _stale_overrides(host, {controller.address for controller in present})
    for address in stale:
        result.add("forget", address, override_file(host, address).unlink)
    ours = {identity.serial for identity in known.values()}
    for controller in present:
        if controller.address in wanted:
            _plan_take(host, controller, take_volumes or controller.serial in ours, result)
    _plan_record(host, meanwhile, staying, result)
    result.before = _show(present, known, stale)
    result.after = _show([_afterwards(one, wanted, leaving) for one in present], staying, [])
    result.returned = {"controllers": result.after["controllers"]}
    return result


def _awaited(host: Host, selectors: Sequence[Selector]) -> list[Controller]:
    """All controllers, once those that a driver is still starting do not matter any more."""

    def settled() -> bool:
        present = controllers(host)
        starting = any(one.driver in (DRIVER, STOCK_DRIVER) and not one.serial for one in present)
        return not starting or all(any(selector.matches(one) for one in present) for selector in selectors)

    wait_until(settled, READY_SECONDS)
    return controllers(host)


def _to_identify(host: Host, present: Sequence[Controller], selectors: Sequence[Selector]) -> list[Controller]:
    """Those that a driver must have for a moment at least before it can be said whether they are selected."""
    if not host.path(f"{PCI_DRIVERS}/{DRIVER}").exists():
        return []
    open_ = [
        selector
        for selector in selectors
        if selector.by == "model" or not any(one.identified and selector.matches(one) for one in present)
    ]
    return [
        one
        for one in present
        if not one.identified
        and one.driver != DRIVER
        and (
            (_waits_for_driver(one) and bool(open_))
            or any(selector.by == "address" and selector.matches(one) for selector in selectors)
        )
    ]


def _plan_identification(
    host: Host, present: Sequence[Controller], unknown: Sequence[Controller], take_volumes: bool
) -> Plan:
    """What is LightIOV's is bound to its driver first, which shows it to nobody; then what is wanted is planned."""
    result = Plan(provisional=True)
    addresses = {one.address for one in unknown}
    for controller in unknown:
        _plan_take(host, controller, take_volumes, result)
    result.before = _show(present, identities(host), [])
    result.after = _show([_afterwards(one, addresses, []) for one in present], identities(host), [])
    return result


def _warn_of_moves(present: Sequence[Controller], known: Mapping[str, Identity], result: Plan) -> None:
    addresses = {one.serial: one.address for one in present if one.identified}
    for address, identity in known.items():
        now = addresses.get(identity.serial, address)
        if now != address:
            result.warnings.append(
                f"Controller {identity.serial} was at {address} and is now at {now}, where LightIOV follows it"
            )


def _plan_record(host: Host, before: Mapping[str, Identity], after: Mapping[str, Identity], result: Plan) -> None:
    if after != before:
        result.add("record", RECORD, partial(record, host, after))


def _afterwards(controller: Controller, wanted: set[str], leaving: Sequence[Controller]) -> Controller:
    if controller.address in wanted:
        return replace(controller, driver=DRIVER, override=DRIVER, recorded=False)
    if controller in leaving:
        by_hand = controller.driver not in ("", DRIVER)
        driver = controller.driver if by_hand else STOCK_DRIVER
        return replace(controller, driver=driver, override="", recorded=False)
    return controller


def _show(present: Sequence[Controller], known: Mapping[str, Identity], stale: Sequence[str]) -> dict[str, Any]:
    return {
        "controllers": [{name: getattr(controller, name) for name in SHOWN} for controller in present],
        "record": {address: asdict(identity) for address, identity in known.items()},
        "stale_overrides": list(stale),
    }


def _stale_overrides(host: Host, present: set[str]) -> list[str]:
    """Addresses where LightIOV would take whatever controller appears there next."""
    prefix = "pci-"
    return [
        file.name[len(prefix) :]
        for file in sorted(host.path("/etc/driverctl.d").glob(f"{prefix}*"))
        if read(file) == DRIVER and file.name[len(prefix) :] not in present
    ]


def _plan_take(host: Host, controller: Controller, take_volumes: bool, result: Plan) -> None:
    details = {"serial": controller.serial}
    if controller.driver == DRIVER:
        if controller.override != DRIVER:
            # driverctl would unbind the controller to do this.
            result.add("persist", controller.address, partial(_persist, host, controller.address), **details)
        return
    uses = in_use(host, controller)
    if uses:
        raise LightiovError(
            f"Controller {controller} is in use, {'; '.join(uses)}: end that use or do not list the controller"
        )
    volumes = members(host, controller)
    if volumes and not take_volumes:
        raise LightiovError(
            f"Controller {controller} holds data of an inactive volume, {'; '.join(volumes)}: "
            "wipe it, or add take_volumes to lightiov_allow if the VMs may have it"
        )
    if controller.iommu_group is None:
        result.refuse(
            f"Controller {controller} is not behind an IOMMU, which must confine the memory that VMs name: "
            "turn the IOMMU on in the firmware and on the kernel command line",
            until="reboot",
        )
    if not host.path(f"{PCI_DRIVERS}/{DRIVER}").exists():
        result.refuse(
            f"Controller {controller} cannot be bound, because the driver {DRIVER} is not loaded: "
            "install and load it with lightiov.nvme.dkms_module",
            until="dkms_module",
        )
    _require_driverctl(host, f"Controller {controller} cannot be bound", result)
    result.add("bind", controller.address, partial(_bind, host, controller), **details)


def _require_driverctl(host: Host, failed: str, result: Plan) -> None:
    if host.runner.find("driverctl") is None:
        result.refuse(f"{failed}, because driverctl is not installed: install the package", until="packages")


def _plan_release(host: Host, controller: Controller, result: Plan) -> None:
    details = {"serial": controller.serial}
    if controller.driver not in ("", DRIVER):
        # Bound elsewhere by hand: only the override goes, the binding is not disturbed.
        result.add("forget", controller.address, partial(_forget, host, controller.address), **details)
        return
    opened = open_mdevs(host, controller)
    if opened:
        result.refuse(
            f"Controller {controller} cannot be released, because VMs have its mdevs {', '.join(opened)} open: "
            "detach them with lightiov.nvme.domain_mdev or stop the VMs",
            until="mdev",
        )
    elif controller.mdevs:
        result.refuse(
            f"Controller {controller} cannot be released, because it has the mdevs {', '.join(controller.mdevs)}: "
            f"remove {_how_to_remove(host, controller)}",
            until="mdev",
        )
    _require_driverctl(host, f"Controller {controller} cannot be released", result)
    result.add("release", controller.address, partial(_release, host, controller), **details)


def _how_to_remove(host: Host, controller: Controller) -> str:
    """lightiov.nvme.mdev leaves alone what it has not made."""
    marked = {mdev.uuid for mdev in active_mdevs(host) if mdev.attributes.is_marked}
    ours = [uuid for uuid in controller.mdevs if uuid in marked]
    others = [uuid for uuid in controller.mdevs if uuid not in marked]
    by_us = [f"{', '.join(ours)} with lightiov.nvme.mdev"] if ours else []
    by_hand = [f"{', '.join(others)}, which lightiov.nvme.mdev has not made, with mdevctl"] if others else []
    return ", and ".join(by_us + by_hand)


def _persist(host: Host, address: str) -> None:
    write_atomically(override_file(host, address), f"{DRIVER}\n")


def _forget(host: Host, address: str) -> None:
    override_file(host, address).unlink()
    override = host.path(f"{PCI_DEVICES}/{address}/driver_override")
    if read(override) == DRIVER:
        override.write_text("\n", encoding="ascii")


def _bind(host: Host, controller: Controller) -> None:
    try:
        host.runner.run(["driverctl", "set-override", controller.address, DRIVER])
    except CommandError as error:
        raise LightiovError(
            f"Controller {controller} was not accepted by the driver {DRIVER} {_fate(host, controller)}: "
            f"see the kernel log for the reason ({error.output})"
        ) from error
    # Registering as a parent makes udev start the mdevs that are defined on it.
    host.settle()
    if not read(host.path(f"{PCI_DEVICES}/{controller.address}/lightiov/serial")):
        raise LightiovError(
            f"Controller {controller} is bound to {DRIVER} but does not tell its serial number: "
            "see the kernel log for the reason"
        )


def _fate(host: Host, refused: Controller) -> str:
    """What becomes of a controller that the driver refused."""
    if refused.held:
        # Its disks are VMs', of which the host's own driver must show nothing.
        return "and stays without one"
    try:
        _unset_override(host, refused.address)
    except CommandError as error:
        return f"and not taken back by {STOCK_DRIVER} ({error.output})"
    record(host, {address: one for address, one in identities(host).items() if address != refused.address})
    return f"and went back to {STOCK_DRIVER}"


def _unset_override(host: Host, address: str) -> None:
    if not host.path(f"{PCI_DRIVERS}/{STOCK_DRIVER}").exists():
        host.runner.run(["modprobe", STOCK_DRIVER])
    host.runner.run(["driverctl", "unset-override", address])


def _release(host: Host, controller: Controller) -> None:
    try:
        _unset_override(host, controller.address)
    except CommandError as error:
        raise LightiovError(
            f"Controller {controller} was not taken back by {STOCK_DRIVER}: see the kernel log for the reason "
            f"({error.output})"
        ) from error
    nvme = host.path(f"{PCI_DEVICES}/{controller.address}/nvme")

    def live() -> bool:
        return any(read(instance / "state") == "live" for instance in nvme.glob("nvme*"))

    # The stock driver returns from its probe before it has found the namespaces.
    if not wait_until(live, READY_SECONDS):
        raise LightiovError(
            f"Controller {controller} is bound to {STOCK_DRIVER} but not live after {READY_SECONDS} seconds: "
            "see the kernel log for the reason"
        )
    host.settle()
