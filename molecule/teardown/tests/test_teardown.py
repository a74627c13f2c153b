# SPDX-License-Identifier: GPL-3.0-or-later
"""After a tear-down the hosts are as before LightIOV, and the data is there."""

from __future__ import annotations

from conftest import Disk
from testinfra.host import Host


def test_nothing_is_left(hypervisor: Host) -> None:
    assert not hypervisor.file("/sys/module/lightiov_host").exists
    assert "lightiov" not in hypervisor.check_output("dkms status")
    # driverctl fails when there is none.
    assert "lightiov" not in hypervisor.run("driverctl list-overrides").stdout
    assert "lightiov" not in hypervisor.check_output("mdevctl list --defined")
    assert hypervisor.check_output("find /etc /usr/src /var/lib/dkms -name '*lightiov*'") == "/etc/lightiov"
    # Whose data is on which namespace: it stays as long as the data. And how often a plan was applied, if one was.
    assert set(hypervisor.check_output("ls /etc/lightiov").split()) - {"generation"} == {"tenants.json"}


def test_controllers_are_back_with_the_stock_driver(hypervisor: Host, serials: list[str]) -> None:
    found = hypervisor.check_output("cat /sys/class/nvme/*/serial").split()
    assert set(serials) <= set(found)


def test_domain_stays_without_the_device(disk: Disk, owner: Host) -> None:
    assert "running" in owner.check_output("LC_ALL=C virsh dominfo %s", disk.vm)
    for xml in ("virsh dumpxml %s", "virsh dumpxml --inactive %s"):
        assert disk.uuid not in owner.check_output(xml, disk.vm)


def test_data_stays_where_it_belongs(disk: Disk, owner: Host) -> None:
    """side_effect.yml wrote each VM's name to its disk; the host now reads all namespaces by the stock driver."""
    found = owner.check_output(
        f"for node in /dev/disk/by-id/nvme-*_{disk.controller}_*; do"
        " echo ${node##*_} $(dd if=$node bs=512 skip=1M count=1 status=none | tr -d '\\0'); done"
    )
    assert [line for line in found.splitlines() if disk.vm in line] == [f"{disk.namespace} {disk.vm}"]
