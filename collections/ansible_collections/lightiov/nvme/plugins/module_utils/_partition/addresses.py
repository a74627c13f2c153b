# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of VMs, of a pool that their host's network has or of their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError

netaddr: Any
try:
    import netaddr as library

    netaddr = library
except ImportError:
    netaddr = None

# What a VM says as its address that wants one of the pool.
POOL = "pool"
KEYS = ("network", "ranges", "exclude", "gateway", "unique")
UNIQUE = ("host", "fleet")


@dataclass(frozen=True)
class Pool:
    """What VMs may have of a network: stretches without a gap, each by its first and its last address."""

    shown: str
    gateway: str
    stretches: tuple[tuple[int, int], ...]
    # Whether no other host of such a pool has the same address.
    in_fleet: bool = False

    @property
    def size(self) -> int:
        return sum(last - first + 1 for first, last in self.stretches)

    def numbers(self, start: int) -> Iterator[int]:
        for first, last in self.stretches:
            yield from range(max(first, start), last + 1)

    def has(self, address: str) -> bool:
        number = int(netaddr.IPAddress(address))
        return any(first <= number <= last for first, last in self.stretches)


class Addresses:
    """Who has which address in the network of a host, or in one that hosts share."""

    __slots__ = ("_from", "_leased", "_leases", "holders", "own")

    def __init__(self, own: frozenset[str] = frozenset()) -> None:
        """`own` are those that VMs anywhere have of their own: no pool gives them."""
        self.own = own
        # VMs by their addresses; the host itself is nobody.
        self.holders: dict[str, str] = {}
        # What hosts lease, whether it is still wanted or not, by address and by VM.
        self._leases: dict[str, str] = {}
        self._leased: dict[str, str] = {}
        # Of each pool, where the first is that may be free.
        self._from: dict[Pool, int] = {}

    def know(self, hosts: Sequence[str], leases: Mapping[str, str]) -> None:
        """What a host has for itself and what it leases now."""
        self.holders.update(dict.fromkeys(hosts, ""))
        self._leases.update(leases)
        self._leased.update((vm, address) for address, vm in leases.items())

    def is_free(self, address: str, vm: str) -> bool:
        return self.holders.get(address, vm) == vm

    def holder(self, address: str) -> str:
        vm = self.holders.get(address)
        return f"VM {vm}" if vm else "the host itself"

    def leased(self, vm: str) -> str | None:
        return self._leased.get(vm)

    def next(self, pool: Pool, vm: str) -> str | None:
        """The one that is leased to the VM, or the first that nobody has, had, or is to have; None if there is none."""
        leased = self.leased(vm)
        if leased and pool.has(leased) and leased not in self.own and self.is_free(leased, vm):
            return leased
        for number in pool.numbers(self._from.get(pool, 0)):
            address = str(netaddr.IPAddress(number))
            if address not in self.holders and address not in self.own and address not in self._leases:
                self._from[pool] = number
                return address
        self._from[pool] = pool.stretches[-1][1] + 1
        return None

    def take(self, address: str, vm: str) -> None:
        self.holders.setdefault(address, vm)

    def give(self, address: str, vm: str) -> None:
        if self.holders.get(address) == vm:
            del self.holders[address]
            self._from.clear()


def more(host: str, pool: Pool | None) -> str:
    """What an operator does for a host without an address for a VM."""
    if pool is None:
        return f"give host {host} a lightiov_address_pool"
    return f"let lightiov_address_pool of host {host} ({pool.shown}) have more than {pool.size:,} addresses"


def parse(value: object, host: str) -> Pool | None:
    """The lightiov_address_pool of a host."""
    where = f"The lightiov_address_pool of host {host}"
    if value is None:
        return None
    if netaddr is None:
        raise LightiovError(
            f"{where} cannot be read without the Python library netaddr: install it where Ansible runs, in the same "
            "environment"
        )
    if not isinstance(value, Mapping):
        raise LightiovError(f"{where} is {value!r}, which is not a mapping: write network and ranges with their values")
    for key in value:
        if key not in KEYS:
            raise LightiovError(f"{where} has the unknown key {key!r}: choose from {', '.join(KEYS)}")
    network = _network(value.get("network"), where)
    gateway = _gateway(value.get("gateway"), network, where)
    unique = "host" if value.get("unique") is None else value["unique"]
    if unique not in UNIQUE:
        raise LightiovError(f"{where} cannot have {unique!r} as its unique: choose from {', '.join(UNIQUE)}")
    ranges = _stretches(value, "ranges", network, where)
    left = netaddr.IPSet(ranges or [network]) - netaddr.IPSet(_stretches(value, "exclude", network, where))
    left -= netaddr.IPSet([gateway, *_not_of_hosts(network)])
    if not left:
        raise LightiovError(f"{where} has no address for a VM: write larger ranges, or exclude less")
    return Pool(
        ", ".join(str(one) for one in ranges) if ranges else str(network),
        str(gateway),
        tuple((one.first, one.last) for one in left.iter_ipranges()),
        unique == "fleet",
    )


def _network(value: object, where: str) -> Any:
    try:
        network = netaddr.IPNetwork(value, version=4) if "/" in str(value) else None
    except (netaddr.AddrFormatError, TypeError, ValueError):
        network = None
    if network is None:
        raise LightiovError(
            f"{where} has {value!r} as its network, which is no IPv4 network: write it as in 192.168.122.0/24"
        )
    return network.cidr


def _gateway(value: object, network: Any, where: str) -> Any:
    """The host's own; libvirt's networks have the first."""
    if value is None:
        return netaddr.IPAddress(network.first + (network.size > 2))
    try:
        gateway = netaddr.IPAddress(value, version=4)
    except (netaddr.AddrFormatError, TypeError, ValueError):
        gateway = None
    if gateway is None or gateway not in network:
        raise LightiovError(f"{where} cannot have {value!r} as its gateway: write an address of {network}")
    return gateway


def _stretches(value: Mapping[str, Any], key: str, network: Any, where: str) -> list[Any]:
    listed = value.get(key)
    if listed is None:
        return []
    if not isinstance(listed, Sequence) or isinstance(listed, str):
        raise LightiovError(
            f"The value of {key} of {where[0].lower()}{where[1:]} is {listed!r}, which is not a list: write a list of "
            "addresses, networks, and ranges as in 192.168.122.10-192.168.122.99"
        )
    return [_stretch(one, key, network, where) for one in listed]


def _stretch(value: object, key: str, network: Any, where: str) -> Any:
    first, hyphen, last = (part.strip() for part in str(value).partition("-"))
    try:
        found = netaddr.IPRange(first, last) if hyphen else netaddr.IPNetwork(first, version=4).cidr
    except (netaddr.AddrFormatError, TypeError, ValueError):
        found = None
    if found is None or found.version != 4:
        raise LightiovError(
            f"{where} has {value!r} in {key}, which is neither address, network nor range: write it as in "
            "192.168.122.10-192.168.122.99"
        )
    if not network.first <= found.first <= found.last <= network.last:
        raise LightiovError(
            f"{where} has {value!r} in {key}, which is not in its network {network}: correct one of the two"
        )
    return found


def _not_of_hosts(network: Any) -> list[Any]:
    """The addresses of the network itself and of all in it."""
    return [network.network, network.broadcast] if network.broadcast else []
