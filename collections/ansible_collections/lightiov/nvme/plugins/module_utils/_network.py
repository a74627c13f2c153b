# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The libvirt network that leases VMs their addresses."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils import _libvirt
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._libvirt_xml import Lease, leases, own_addresses
from ansible_collections.lightiov.nvme.plugins.module_utils._plan import Plan


@dataclass(frozen=True)
class Network:
    """One network of libvirt as it was when it was looked at; `handle` is its virNetwork."""

    handle: Any
    name: str
    active: bool
    autostart: bool
    leases: Mapping[str, Sequence[Lease]]  # by scope

    @classmethod
    def look(cls, connection: Any, name: str, result: Plan, *, required: bool) -> Network | None:
        """None where it is not there and is not required, or not there yet in check mode."""
        with _libvirt.errors(f"Network {name} cannot be looked at", "check that libvirt runs"):
            try:
                handle = connection.networkLookupByName(name)
            except _libvirt.api.libvirtError as error:
                if error.get_error_code() != _libvirt.api.VIR_ERR_NO_NETWORK:
                    raise
                if required:
                    result.refuse(
                        f"Network {name} does not exist in libvirt: define it (virsh net-define), or correct "
                        "lightiov_vm_network",
                        until="packages",
                    )
                return None
            known = {}
            if handle.isActive():
                known["live"] = leases(handle.XMLDesc(0))
            if handle.isPersistent():
                known["config"] = leases(handle.XMLDesc(_libvirt.api.VIR_NETWORK_XML_INACTIVE))
            return cls(handle, name, "live" in known, bool(handle.autostart()), known)

    def plan(self, wanted: Sequence[Lease], gone: Collection[str], result: Plan, *, start: bool) -> Network:
        """Have it with these leases and none for the names that are gone; running, now and with its host, to start.

        A lease is taken away and made, never modified: libvirt would modify the first that has the MAC, the name or the
        address, which may be another's.
        """
        taken: dict[Lease, int] = {}
        made: dict[Lease, int] = {}
        after = {}
        for scope, present in self.leases.items():
            surplus = [one for one in present if one not in wanted and (one.name in gone or self._must_go(one, wanted))]
            missing = [one for one in wanted if one not in present]
            for changes, some in ((taken, surplus), (made, missing)):
                changes.update({lease: changes.get(lease, 0) | _flag(scope) for lease in some})
            after[scope] = [one for one in present if one not in surplus] + missing
        for lease, flags in taken.items():
            result.add("release", lease.address, partial(self._release, lease, flags), domain=lease.name)
        for lease, flags in made.items():
            result.add("lease", lease.address, partial(self._lease, lease, flags), domain=lease.name)
        if start and not self.active:
            result.add("start", self.name, self._start, network=self.name)
        if start and not self.autostart:
            result.add("autostart", self.name, self._autostart, network=self.name)
        return replace(self, active=self.active or start, autostart=self.autostart or start, leases=after)

    def show(self) -> dict[str, Any]:
        leases = {scope: sorted(map(str, some)) for scope, some in self.leases.items()}
        return {"name": self.name, "active": self.active, "autostart": self.autostart, "leases": leases}

    def _must_go(self, lease: Lease, wanted: Sequence[Lease]) -> bool:
        """Whether a lease is the former one of a VM; refused when it stands in the way and is another's."""
        for one in wanted:
            if lease.name == one.name or (lease.mac == one.mac and not lease.name):
                return True
        for one in wanted:
            if one.address == lease.address or one.mac == lease.mac:
                raise LightiovError(
                    f"VM {one.name} cannot have the address {one.address}, because network {self.name} leases "
                    f"{lease.address} to {lease.name or lease.mac} with MAC {lease.mac}: give it another address (or "
                    f"mac) in lightiov_vms, or take that lease away (virsh net-update {self.name} delete ip-dhcp-host)"
                )
        return False

    def lease_of(self, vm: str) -> Lease | None:
        """The last scope's, which outlives the others."""
        found = None
        for present in self.leases.values():
            found = next((lease for lease in present if lease.name == vm), found)
        return found

    def _release(self, lease: Lease, flags: int) -> None:
        self._update(_libvirt.api.VIR_NETWORK_UPDATE_COMMAND_DELETE, lease, flags, "taken away")

    def _lease(self, lease: Lease, flags: int) -> None:
        self._update(_libvirt.api.VIR_NETWORK_UPDATE_COMMAND_ADD_LAST, lease, flags, "made")

    def _update(self, command: int, lease: Lease, flags: int, what: str) -> None:
        section = _libvirt.api.VIR_NETWORK_SECTION_IP_DHCP_HOST
        with _libvirt.errors(
            f"The lease of {lease.address} to VM {lease.name} in network {self.name} was not {what}",
            f"correct the address of {lease.name} in lightiov_vms, or the network's DHCP (virsh net-edit {self.name})",
        ):
            self.handle.update(command, section, -1, lease.to_xml(), flags)

    def _start(self) -> None:
        with _libvirt.errors(f"Network {self.name} did not start", "see the log of libvirtd"):
            self.handle.create()

    def _autostart(self) -> None:
        with _libvirt.errors(f"Network {self.name} does not start with its host", "see the log of libvirtd"):
            self.handle.setAutostart(1)


def addresses(uri: str, name: str) -> dict[str, Any]:
    """Who has which address in a network. Nothing where the network, or libvirt, is not there yet."""
    result = Plan(predict=True)
    connection = _libvirt.connect(uri, result)
    network = Network.look(connection, name, result, required=False) if connection else None
    if network is None:
        return {"addresses": [], "leases": {}}
    with _libvirt.errors(f"Network {name} cannot be looked at", "check that libvirt runs"):
        own = own_addresses(network.handle.XMLDesc(0))
    kept = [lease for present in network.leases.values() for lease in present if lease.address]
    return {"addresses": own, "leases": {lease.address: lease.name or lease.mac for lease in kept}}


def _flag(scope: str) -> int:
    api = _libvirt.api
    return int(api.VIR_NETWORK_UPDATE_AFFECT_LIVE if scope == "live" else api.VIR_NETWORK_UPDATE_AFFECT_CONFIG)
