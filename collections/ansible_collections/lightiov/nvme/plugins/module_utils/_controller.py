# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which controllers belong to LightIOV: plan and act, through driverctl."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host, read, wait_until, write_atomically
from ansible_collections.lightiov.nvme.plugins.module_utils._plan import Plan
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

# A controller may take CAP.TO, at most 127.5 s, to become ready for the stock driver.
STOCK_READY_SECONDS = 130
SHOWN = ("address", "serial", "model", "driver", "override")


@dataclass(frozen=True)
class Selector:
    """One criterion: `by` is serial, model or address."""

    by: str
    value: str

    def matches(self, controller: Controller) -> bool:
        return bool(getattr(controller, self.by) == self.value)

    @classmethod
    def parse(cls, options: dict[str, Any]) -> Selector:
        given = [(by, options[by]) for by in ("serial", "model", "address") if options.get(by)]
        if len(given) != 1:
            raise LightiovError(f"The selector {options} is not clear: give exactly one of serial, model and address")
        by, value = given[0]
        if by == "address":
            value = value.lower()
            if not ADDRESS.fullmatch(value):
                raise LightiovError(f"{value!r} is no PCI address: write it with its domain, such as 0000:01:00.0")
        return cls(by, value)


def select(present: Sequence[Controller], selectors: Sequence[Selector]) -> list[Controller]:
    """The controllers that the selectors name, each once."""
    chosen: dict[str, Controller] = {}
    for selector in selectors:
        matching = [controller for controller in present if selector.matches(controller)]
        if not matching:
            known = ", ".join(map(str, present)) or "none"
            raise LightiovError(
                f"No NVMe controller of this host has the {selector.by} {selector.value!r}: "
                f"choose from those present: {known}"
            )
        if selector.by == "serial" and len(matching) > 1:
            addresses = ", ".join(controller.address for controller in matching)
            raise LightiovError(
                f"The serial number {selector.value!r} is not unique, {addresses} all have it: select by address"
            )
        chosen.update((controller.address, controller) for controller in matching)
    return list(chosen.values())


def plan(host: Host, selectors: Sequence[Selector], force: bool, predict: bool) -> Plan:
    """What makes LightIOV's controllers exactly those selected."""
    present = controllers(host)
    wanted = {controller.address for controller in select(present, selectors)}
    result = Plan(predict=predict)
    after = []
    # Give back before taking, so that an exchange never needs both at once.
    for controller in present:
        if controller.address not in wanted and DRIVER in (controller.driver, controller.override):
            _plan_release(host, controller, force, result)
    for address in _stale_overrides(host, {controller.address for controller in present}):
        result.add("forget", address, override_file(host, address).unlink)
    for controller in present:
        if controller.address in wanted:
            _plan_take(host, controller, force, result)
            after.append(replace(controller, driver=DRIVER, override=DRIVER))
        elif controller.driver == DRIVER:
            after.append(replace(controller, driver=STOCK_DRIVER, override=""))
        elif controller.override == DRIVER:
            after.append(replace(controller, override=""))
        else:
            after.append(controller)
    result.before = {"controllers": [_show(controller) for controller in present]}
    result.after = {"controllers": [_show(controller) for controller in after]}
    result.returned = result.after
    return result


def _show(controller: Controller) -> dict[str, Any]:
    return {name: getattr(controller, name) for name in SHOWN}


def _stale_overrides(host: Host, present: set[str]) -> list[str]:
    """Addresses where LightIOV would take whatever controller appears there next."""
    prefix = "pci-"
    return [
        file.name[len(prefix) :]
        for file in sorted(host.path("/etc/driverctl.d").glob(f"{prefix}*"))
        if read(file) == DRIVER and file.name[len(prefix) :] not in present
    ]


def _plan_take(host: Host, controller: Controller, force: bool, result: Plan) -> None:
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
    if volumes and not force:
        raise LightiovError(
            f"Controller {controller} holds data of an inactive volume, {'; '.join(volumes)}: "
            "wipe it, or set force if the VMs may have it"
        )
    if controller.iommu_group is None:
        result.refuse(
            f"Controller {controller} is not behind an IOMMU, which must confine the memory that VMs name: "
            "turn the IOMMU on in the firmware and on the kernel command line"
        )
    if not host.path(f"{PCI_DRIVERS}/{DRIVER}").exists():
        result.refuse(
            f"Controller {controller} cannot be bound, because the driver {DRIVER} is not loaded: "
            "install and load it with lightiov.nvme.dkms_module"
        )
    if host.runner.find("driverctl") is None:
        result.refuse(
            f"Controller {controller} cannot be bound, because driverctl is not installed: install the package"
        )
    result.add("bind", controller.address, partial(_bind, host, controller), **details)


def _plan_release(host: Host, controller: Controller, force: bool, result: Plan) -> None:
    details = {"serial": controller.serial}
    if controller.driver != DRIVER:
        # Bound elsewhere by hand: only the override goes, the binding is not disturbed.
        result.add("forget", controller.address, partial(_forget, host, controller.address), **details)
        return
    opened = open_mdevs(host, controller)
    if opened:
        result.refuse(
            f"Controller {controller} cannot be released, because VMs have its mdevs {', '.join(opened)} open: "
            "detach them with lightiov.nvme.domain_mdev or stop the VMs"
        )
    elif controller.mdevs and not force:
        result.refuse(
            f"Controller {controller} cannot be released, because it has the mdevs {', '.join(controller.mdevs)}: "
            "remove them with lightiov.nvme.mdev, or set force"
        )
    if host.runner.find("driverctl") is None:
        result.refuse(
            f"Controller {controller} cannot be released, because driverctl is not installed: install the package"
        )
    result.add("release", controller.address, partial(_release, host, controller), **details)


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
        _unset_override(host, controller.address)
        raise LightiovError(
            f"Controller {controller} was not accepted by the driver {DRIVER} and went back to {STOCK_DRIVER}: "
            f"see the kernel log for the reason ({error.output})"
        ) from error
    # Registering as a parent makes udev start the mdevs that are defined on it.
    host.settle()


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
    if not wait_until(live, STOCK_READY_SECONDS):
        raise LightiovError(
            f"Controller {controller} is bound to {STOCK_DRIVER} but not live after {STOCK_READY_SECONDS} seconds: "
            "see the kernel log for the reason"
        )
    host.settle()
