# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils._domain_size import Size, resized
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError

# As libvirt 11 writes it, with what an operator may have put in.
DOMAIN = """\
<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>vm1</name>
  <uuid>dabd54c3-9dd5-402a-aafa-091f58dcdd6f</uuid>
  <metadata>
    <libosinfo:libosinfo xmlns:libosinfo="http://libosinfo.org/xmlns/libvirt/domain/1.0">
      <libosinfo:os id="http://example.org/os/1"/>
    </libosinfo:libosinfo>
  </metadata>
  <memory unit='KiB'>1048576</memory>
  <currentMemory unit='KiB'>524288</currentMemory>
  <memtune>
    <hard_limit unit='KiB'>1572864</hard_limit>
    <soft_limit unit='KiB'>262144</soft_limit>
    <swap_hard_limit unit='KiB'>2097152</swap_hard_limit>
  </memtune>
  <vcpu placement='static' cpuset='2-3' current='1'>2</vcpu>
  <vcpus>
    <vcpu id='0' enabled='yes' hotpluggable='no' order='1'/>
    <vcpu id='1' enabled='no' hotpluggable='yes'/>
  </vcpus>
  <numatune>
    <memory mode='strict' nodeset='1'/>
  </numatune>
  <devices>
    <interface type='network'>
      <mac address='52:54:00:00:00:01'/>
    </interface>
  </devices>
  <qemu:commandline>
    <qemu:arg value='-global'/>
  </qemu:commandline>
</domain>
"""
CELLS = (
    "<domain><memory>1048576</memory><vcpu>2</vcpu><cpu><numa><cell id='0' cpus='0-1' memory='1048576'/></numa></cpu>"
    "</domain>"
)
TOPOLOGY = "<domain><memory>1048576</memory><vcpu>2</vcpu><cpu><topology sockets='1' cores='2'/></cpu></domain>"


def resize(xml: str, memory_mib: int | None = None, vcpus: int | None = None) -> str:
    return resized(xml, "vm1", memory_mib, vcpus, "change it")


def test_nothing_to_change_is_the_same_text() -> None:
    assert resize(DOMAIN, 1024, 2) == resize(DOMAIN) == DOMAIN


@pytest.mark.parametrize(
    ("xml", "size"),
    [
        (DOMAIN, Size(1024, 2)),
        ("<domain><memory unit='GiB'>2</memory></domain>", Size(2048, 1)),
        ("<domain><memory unit='mb'>1024</memory><vcpu> 3 </vcpu></domain>", Size(976, 3)),
        ("<domain><memory unit='b'>1073741824</memory></domain>", Size(1024, 1)),
        ("<domain><memory>many</memory><vcpu>few</vcpu></domain>", Size(0, 1)),
    ],
)
def test_what_a_domain_has(xml: str, size: Size) -> None:
    assert Size.of(xml) == size


def test_memory_that_is_plugged_in_is_not_counted() -> None:
    dimm = "<devices><memory model='dimm'><target><size unit='MiB'>128</size></target></memory></devices>"
    assert Size.of(f"<domain><memory unit='MiB'>640</memory>{dimm}</domain>") == Size(512, 1)


@pytest.mark.parametrize("mib", [512, 4096])
def test_limits_leave_the_same_room(mib: int) -> None:
    domain = ET.fromstring(resize(DOMAIN, mib))
    assert (domain.findtext("memory"), domain.find("currentMemory")) == (str(mib << 10), None)
    limits = {limit.tag: int(limit.text or 0) for limit in domain.iterfind("memtune/*")}
    assert limits == {"hard_limit": (mib + 512) << 10, "soft_limit": 262144, "swap_hard_limit": (mib + 1024) << 10}
    assert domain.find("vcpu").attrib == {"placement": "static", "cpuset": "2-3", "current": "1"}


def test_limits_of_a_template_that_leaves_the_memory_out() -> None:
    template = "<domain><memtune><hard_limit unit='GiB'>8</hard_limit></memtune></domain>"
    domain = ET.fromstring(resize(template, 512))
    assert (domain.findtext("memory"), domain.findtext("memtune/hard_limit")) == ("524288", "8")


def test_all_vcpus_are_there_at_the_start_and_stay_on_their_cpus() -> None:
    domain = ET.fromstring(resize(DOMAIN, vcpus=4))
    assert (domain.findtext("vcpu"), domain.find("vcpus")) == ("4", None)
    assert domain.find("vcpu").attrib == {"placement": "static", "cpuset": "2-3"}
    assert domain.findtext("currentMemory") == "524288"


def test_all_else_stays() -> None:
    was, after = (ET.fromstring(xml) for xml in (DOMAIN, resize(DOMAIN, 2048, 4)))
    for domain in (was, after):
        for tag in ("memory", "currentMemory", "memtune", "vcpu", "vcpus"):
            if (element := domain.find(tag)) is not None:
                domain.remove(element)
    assert ET.canonicalize(ET.tostring(was), strip_text=True) == ET.canonicalize(ET.tostring(after), strip_text=True)


def test_prefixes_stay() -> None:
    assert "<libosinfo:os id=" in resize(DOMAIN, 2048)


@pytest.mark.parametrize(
    ("xml", "wanted", "sentence"),
    [
        (
            CELLS,
            (2048, 2),
            "VM vm1 cannot have 2048 MiB of memory and 2 vCPUs, because its own NUMA cells divide 1024 MiB of memory "
            "and 2 vCPUs: change it, or list it with what it has",
        ),
        (CELLS, (1024, 1), "VM vm1 cannot have 1024 MiB of memory and 1 vCPU, because its own NUMA cells divide "),
        (TOPOLOGY, (2048, 4), "VM vm1 cannot have .* 4 vCPUs, because the topology of its CPUs says 2: change it, or"),
    ],
)
def test_what_is_divided_by_hand_is_refused(xml: str, wanted: tuple[int, int], sentence: str) -> None:
    with pytest.raises(LightiovError, match=sentence):
        resize(xml, *wanted)
    assert resize(xml, 1024, 2) == xml


def test_memory_with_a_topology() -> None:
    assert Size.of(resize(TOPOLOGY, 2048)) == Size(2048, 2)


def test_topology_that_the_number_follows() -> None:
    """The operator has corrected the one, and not the other."""
    assert Size.of(resize(TOPOLOGY.replace("<vcpu>2", "<vcpu>4"), vcpus=2)) == Size(1024, 2)
