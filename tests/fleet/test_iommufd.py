# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM has its disk whichever way its QEMU has VFIO reach memory: a container of type 1, as by default, or iommufd.

Debian's kernels do not have iommufd, so that one needs hosts of the debug flavour. The libvirt of Debian 13 cannot ask
for it: its way to override what it tells QEMU of a device can.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fleet import VM

CONF = "/etc/libvirt/qemu.conf"
# libvirt's own list of what a QEMU may open, see its qemu.conf; those of its devices come on top.
ALLOWED = ("null", "full", "zero", "random", "urandom", "ptmx", "kvm", "userfaultfd")
OBJECT = "<qemu:arg value='-object'/><qemu:arg value='iommufd,id=iommufd0'/>"
OVERRIDE = """
<qemu:override>
  <qemu:device alias='hostdev0'>
    <qemu:frontend><qemu:property name='iommufd' type='string' value='iommufd0'/></qemu:frontend>
  </qemu:device>
</qemu:override>
"""


def opened(vm: VM) -> set[str]:
    """Names of the files that its QEMU has open, without their directories."""
    return {path.rsplit("/", 1)[-1] for path in vm.host.run(f"readlink /proc/{vm.pid}/fd/*").stdout.splitlines()}


def does_its_work(vm: VM) -> None:
    assert vm.state == "ready"
    assert vm.statistics["pinned_bytes"] > 0
    vm.fio("--name=verified", "--rw=randwrite", "--bs=64k", "--iodepth=8", "--size=16m", "--verify=crc32c",
           "--verify_fatal=1")  # fmt: skip
    # All memory goes back, and comes again.
    address = vm.unbind()
    assert vm.statistics["pinned_bytes"] == 0
    vm.bind(address)
    vm.fio("--name=again", "--rw=randread", "--bs=4k", "--iodepth=8", "--size=4m")


@pytest.mark.slow
def test_type_1(vm3: VM) -> None:
    vm3.restart()
    assert "vfio" in opened(vm3) and "iommu" not in opened(vm3)
    does_its_work(vm3)


@pytest.fixture
def by_iommufd(vm3: VM) -> Iterator[None]:
    host, before = vm3.host, vm3.host.run(f"virsh dumpxml --inactive {vm3.name}").stdout
    device = host.run(f"ls {vm3.mdev}/vfio-dev").stdout.strip()
    allowed = ", ".join(f'"/dev/{name}"' for name in (*ALLOWED, "iommu", f"vfio/devices/{device}"))
    host.run(f"cp {CONF} {CONF}.before && cat >> {CONF}", stdin=f"cgroup_device_acl = [ {allowed} ]\n")
    host.run(f"chmod 666 /dev/iommu /dev/vfio/devices/{device} && systemctl restart libvirtd")

    with_object = before.replace("<qemu:commandline>", f"<qemu:commandline>{OBJECT}")
    assert with_object != before
    host.run("virsh define /dev/stdin", stdin=with_object.replace("</domain>", f"{OVERRIDE}</domain>"))
    vm3.restart()
    yield
    host.run(f"mv {CONF}.before {CONF} && systemctl restart libvirtd")
    host.run("virsh define /dev/stdin", stdin=before)
    vm3.restart()


@pytest.mark.debug
@pytest.mark.usefixtures("by_iommufd")
def test_iommufd(vm3: VM) -> None:
    assert "iommu" in opened(vm3) and "vfio" not in opened(vm3)
    does_its_work(vm3)
