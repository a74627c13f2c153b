# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._macs import UNICAST, vm_macs


def test_ten_thousand_vms() -> None:
    """24 bits of a digest had three pairs among them."""
    macs = vm_macs([{"name": f"vm{number}"} for number in range(10000)])
    assert len(set(macs.values())) == 10000
    assert all(UNICAST.fullmatch(mac) and mac[1] == "2" for mac in macs.values())


def test_a_name_has_one_address_for_ever() -> None:
    assert vm_macs([{"name": "vm1"}]) == {"vm1": "72:b1:1e:3d:1b:4e"}


def test_a_number_is_a_name() -> None:
    assert vm_macs([{"name": 101}]) == vm_macs([{"name": "101"}])


def test_ones_own() -> None:
    assert vm_macs([{"name": "vm1", "mac": "52:54:00:AB:CD:EF"}]) == {"vm1": "52:54:00:ab:cd:ef"}


def test_twice() -> None:
    mac = vm_macs([{"name": "vm1"}])["vm1"]
    with pytest.raises(
        LightiovError, match=f"VMs vm1 and vm2 have the same MAC address, {mac}: give one of them a mac"
    ):
        vm_macs([{"name": "vm1"}, {"name": "vm2", "mac": mac}])


@pytest.mark.parametrize("mac", ["52:54:00:ab:cd", "01:00:5e:00:00:01", "52-54-00-ab-cd-ef", 1234])
def test_what_is_none(mac: object) -> None:
    with pytest.raises(LightiovError, match="VM vm1 cannot have the MAC address"):
        vm_macs([{"name": "vm1", "mac": mac}])
