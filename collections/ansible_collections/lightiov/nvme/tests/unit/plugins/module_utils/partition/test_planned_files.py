# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written down is what hosts take."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.fleet import Policy, partition
from fleets import accept, described, fleets
from hypothesis import given
from hypothesis import strategies as st

Fleet = tuple[dict[str, Any], list[dict[str, Any]]]


@given(fleets(), st.sampled_from(["pack", "spread"]))
def test_what_is_planned_is_what_hosts_accept(fleet: Fleet, strategy: str) -> None:
    hosts, vms = fleet
    if any(one["kind"] != "passthrough" for one in vms):
        with pytest.raises(LightiovError, match=r"^VM vm\d cannot have the kind mediated, which no host makes yet"):
            partition(described(hosts, vms), Policy(strategy))
        vms = [{**one, "kind": None} for one in vms]
    for text in partition(described(hosts, vms), Policy(strategy))["files"].values():
        accept(text)
