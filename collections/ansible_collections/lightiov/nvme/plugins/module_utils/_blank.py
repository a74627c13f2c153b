# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads whether a namespace or a part of it is blank, and makes it so: by `liov`, on an mdev of its own for as long."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ansible_collections.lightiov.nvme.plugins.module_utils import _liov
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._extent import Extent
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._mdev import Placed
from ansible_collections.lightiov.nvme.plugins.module_utils._mdevctl import (
    MARK,
    TYPE_PREFIX,
    Active,
    Attributes,
    Definition,
    active_mdevs,
    passed_to_mdevctl,
)
from ansible_collections.lightiov.nvme.plugins.module_utils._runner import CommandError
from ansible_collections.lightiov.nvme.plugins.module_utils._sysfs import PCI_DEVICES, Controller

# Of a run that was killed, one may be left over.
LABEL = f"{MARK}(blank)"


@dataclass(frozen=True)
class Passing:
    """What goes to a tenant or to a disk that must not see what the one before has left there."""

    mdev: Placed
    extent: Extent
    former: str

    def __str__(self) -> str:
        extent = self.extent
        name = f"{extent.nsid} ({extent.identity})" if extent.identity else str(extent.nsid)
        namespace = f"amespace {name} of controller {self.mdev.controller}"
        if extent.is_whole:
            return f"N{namespace}"
        return f"The part from LBA {extent.start} to {int(extent.end) - 1} of n{namespace}"

    @property
    def refusal(self) -> str:
        name = f" {self.extent.name}" if self.extent.name else ""
        return (
            f"{self} was {self.former}, so disk{name} of mdev {self.mdev.uuid} of tenant {self.mdev.wanted.tenant} "
            "gets it only blank"
        )

    remedy = (
        "add erase to lightiov_allow (option erase) to have what is on it erased, choose another namespace, or, if "
        "only the tenant's name has changed, correct /etc/lightiov/tenants.json"
    )


def check(host: Host, passing: Passing) -> None:
    _blank(host, passing)


def erase(host: Host, passing: Passing) -> None:
    _blank(host, passing, "--yes-destroy-data")


def _blank(host: Host, passing: Passing, *options: str) -> None:
    tenant = passing.mdev.wanted.tenant
    with temporary(host, passing.mdev.controller, passing.extent, tenant, passing.refusal) as mdev:
        try:
            _liov.run(host, str(passing), _size(passing), "blank", mdev, *options)
        except CommandError as error:
            remedy = "see the kernel log" if options else passing.remedy
            raise LightiovError(f"{passing.refusal}, and that it is not: {remedy} ({error.output or error})") from error


def _size(passing: Passing) -> int:
    """Bytes, 0 where the controller does not tell."""
    extent = passing.extent
    return sum(
        one.lba_size * (one.lba_count if extent.count is None else extent.count)
        for one in passing.mdev.controller.namespaces
        if one.nsid == extent.nsid
    )


def leftovers(host: Host, address: str) -> list[Active]:
    """Mdevs of runs that were killed, on the controller with this address."""
    return [mdev for mdev in active_mdevs(host) if mdev.address == address and mdev.attributes.label == LABEL]


def stop(host: Host, mdev: str) -> None:
    host.runner.run(["mdevctl", "stop", "--uuid", mdev], timeout=60)


@contextlib.contextmanager
def temporary(host: Host, controller: Controller, extent: Extent, tenant: str, refusal: str) -> Iterator[str]:
    """An mdev with this extent alone, that no boot brings back.

    `tenant` has it while the controller has no other; `refusal` is a clause that says why it is read or written.
    """
    # Beside mdevs that serve the controller's tenant, only that one can be.
    tenant = host.read(f"{PCI_DEVICES}/{controller.address}/lightiov/tenant") or tenant
    # Read as a disk that is nobody's.
    extent = replace(extent, id=str(uuid.uuid4()), name="blank", read_only=False)
    definition = Definition(
        uuid=str(uuid.uuid4()),
        address=controller.address,
        type=f"{TYPE_PREFIX}passthrough",
        attributes=Attributes(controller.serial, LABEL, tenant, 1, (extent,)).ordered(),
    )
    try:
        with passed_to_mdevctl(definition) as arguments:
            host.runner.run(["mdevctl", "start", *arguments])
    except CommandError as error:
        raise LightiovError(
            f"{refusal}, and it cannot be read: see the kernel log for the reason ({error.output or error})"
        ) from error
    try:
        yield definition.uuid
    finally:
        with contextlib.suppress(CommandError):
            stop(host, definition.uuid)
