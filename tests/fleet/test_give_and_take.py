# SPDX-License-Identifier: GPL-3.0-or-later
"""A controller that is given to LightIOV, taken back and given again, while its neighbour serves a VM."""

from __future__ import annotations

import pytest
from fleet import VM, Ansible

from lab import Host

KEPT, MOVED = "LIOV2A", "LIOV2B"
DISK = f"$(readlink -f /dev/disk/by-id/nvme-*{MOVED}_1)"


def own(ansible: Ansible, *serials: str) -> list[str]:
    """Make these LightIOV's; what was done to the other one."""
    result = ansible.module("host2", "controller", {"controllers": [{"serial": serial} for serial in serials]})
    assert not result["failed"], result
    assert {one.get("serial", MOVED) for one in result["actions"]} <= {MOVED}, result
    return [one["action"] for one in result["actions"]]


@pytest.mark.slow
def test_twenty_times(ansible: Ansible, host2: Host, vm3: VM) -> None:
    def data() -> str:
        return host2.run(f"dd if={DISK} bs=1M count=8 iflag=direct status=none | sha256sum").stdout

    host2.run(f"dd if=/dev/urandom of={DISK} bs=1M count=8 oflag=direct status=none")
    written = data()
    try:
        with vm3.verified_load():
            for _time in range(20):
                assert own(ansible, KEPT, MOVED) == ["record", "bind"]
                assert own(ansible, KEPT) == ["release", "record"]
                assert data() == written
    finally:
        own(ansible, KEPT)
        host2.run(f"dd if=/dev/zero of={DISK} bs=1M count=8 oflag=direct status=none")
