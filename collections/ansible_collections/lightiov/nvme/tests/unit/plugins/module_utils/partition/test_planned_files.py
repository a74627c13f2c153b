# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written down is what hosts take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import yaml
from ansible_collections.lightiov.nvme.plugins.module_utils import _vms
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._mdev import Wanted
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.fleet import Policy, partition
from fleets import fleets
from hypothesis import given
from hypothesis import strategies as st

Fleet = tuple[dict[str, Any], list[dict[str, Any]]]


def described(hosts: dict[str, Any], vms: Sequence[Any]) -> dict[str, Any]:
    """As playbooks have a fleet."""
    of_variables = ("groups", "address_pool")
    return {
        name: {"vms": vms, "found": one, **{key: one[key] for key in of_variables if key in one}}
        for name, one in hosts.items()
    }


def accept(text: str) -> None:
    """What reads the list of a host, and what makes its mdevs."""
    for mdev in _vms.vm_mdevs(yaml.safe_load(text)["lightiov_vms"]):
        Wanted.parse({**mdev, "type": "lightiov-passthrough"})


@given(fleets(), st.sampled_from(["pack", "spread"]))
def test_what_is_planned_is_what_hosts_accept(fleet: Fleet, strategy: str) -> None:
    hosts, vms = fleet
    if any(one["kind"] != "passthrough" for one in vms):
        with pytest.raises(LightiovError, match=r"^VM vm\d cannot have the kind mediated, which no host makes yet"):
            partition(described(hosts, vms), Policy(strategy))
        vms = [{**one, "kind": None} for one in vms]
    for text in partition(described(hosts, vms), Policy(strategy))["files"].values():
        accept(text)
