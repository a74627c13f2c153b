# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils import _libvirt
from ansible_collections.lightiov.nvme.plugins.module_utils._network import addresses
from fake_libvirt import FakeConnection, FakeNetwork

NOTHING = {"addresses": [], "leases": {}}


@pytest.mark.parametrize("active", [True, False])
def test_addresses_of_the_host_and_those_that_are_leased(libvirt: FakeConnection, active: bool) -> None:
    hosts = ("<host mac='52:54:00:00:00:01' name='vm1' ip='192.168.122.11'/>",
             "<host mac='52:54:00:00:00:02' ip='192.168.122.12'/>",
             "<host mac='52:54:00:00:00:03' name='vm3'/>")  # fmt: skip
    libvirt.networks["default"] = FakeNetwork("default", *hosts, active=active)
    assert addresses("qemu:///system", "default") == {
        "addresses": ["192.168.122.1"],
        "leases": {"192.168.122.11": "vm1", "192.168.122.12": "52:54:00:00:00:02"},
    }


def test_no_network_yet(libvirt: FakeConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    assert addresses("qemu:///system", "other") == NOTHING
    monkeypatch.setattr(_libvirt, "api", None)
    assert addresses("qemu:///system", "default") == NOTHING
