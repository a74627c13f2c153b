# SPDX-License-Identifier: GPL-3.0-or-later
"""Linux's own tests of VFIO hold for our mdevs, by way of containers of type 1 and of iommufd.

All of them use iommufd at some point, which Debian's kernels do not have and that of the debug flavour has.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
import selftests
from passthrough import Controller
from selftests import Result

from lab import Host

pytestmark = pytest.mark.debug

PROGRAMS = (
    "vfio_dma_mapping_mmio_test",
    "vfio_dma_mapping_test",
    "vfio_iommufd_setup_test",
    "vfio_pci_device_init_perf_test",
    "vfio_pci_device_test",
    "vfio_pci_driver_test",
    "vfio_pci_sriov_uapi_test",
)


@dataclass(frozen=True)
class Inapplicable:
    """Tests of a program, by their names, that cannot pass on an mdev; how they end, and with which words."""

    program: str
    tests: str
    status: str
    says: str
    reason: str


NO_RANGES = "VFIO type 1 tells no IOVA ranges of a container that has mdevs alone, and the tests take their IOVAs there"
NO_LOOK = "iommufd looks at what is mapped when a device's page tables need it; an mdev has none, and pins later"
INAPPLICABLE = (
    Inapplicable("vfio_dma_mapping_mmio_test", r".*\.vfio_type1(v2)?_iommu\..*", "failed", "!= hdr", NO_RANGES),
    Inapplicable(
        "vfio_dma_mapping_mmio_test", r".*\.iommufd.*\.map_(full_bar|bar_misaligned)", "failed", "__iommu_map(", NO_LOOK
    ),
    Inapplicable(
        "vfio_dma_mapping_mmio_test", r".*\.iommufd.*\.map_partial_bar", "skipped", "BAR too small",
        "64 queue pairs have their doorbells in a page, which is the BAR",
    ),
    Inapplicable("vfio_dma_mapping_test", r".*\.vfio_type1(v2)?_iommu(_\w+)?\..*", "failed", "!= hdr", NO_RANGES),
    Inapplicable(
        "vfio_dma_mapping_test", r".*\.iommufd\w*_anonymous_hugetlb_1gb\..*", "skipped", "mmap() failed",
        "the lab's hosts have no gigabyte that is free at a stretch",
    ),
    Inapplicable(
        "vfio_pci_device_test", r"vfio_pci_irq_test\.msi\..*", "skipped", "MSI: not supported",
        "an mdev has MSI-X, as NVMe drives do",
    ),
    Inapplicable(
        "vfio_pci_driver_test", "", "skipped", "No driver found for device",
        "it has drivers for DSA, IOAT, Falcon and the 82576 only, devices that copy memory when asked to",
    ),
    Inapplicable(
        "vfio_pci_sriov_uapi_test", "", "skipped", "SR-IOV may not be supported", "an mdev has no virtual functions"
    ),
)  # fmt: skip


@pytest.fixture(scope="session")
def installed(host: Host) -> None:
    selftests.install(host)


def excused(program: str, result: Result) -> Inapplicable | None:
    for entry in INAPPLICABLE:
        if (
            entry.program == program
            and re.fullmatch(entry.tests, result.test)
            and entry.status == result.status
            and entry.says in result.output
        ):
            return entry
    return None


@pytest.mark.usefixtures("installed")
def test_none_is_left_out(host: Host) -> None:
    assert tuple(host.run(f"ls {selftests.PROGRAMS}").stdout.split()) == PROGRAMS


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.usefixtures("installed", "huge_pages")
def test_program(controller: Controller, program: str) -> None:
    # Only the one that takes several has a use for the second.
    mdevs = [controller.mdev("1", 2), controller.mdev("2", 2)][: 2 if "perf" in program else 1]
    results = selftests.run(program, *mdevs)
    others = {result: excused(program, result) for result in results if result.status != "ok"}
    wrong = [result for result, entry in others.items() if not entry]
    assert not wrong, "\n".join(f"{result.test} {result.status}:\n{result.output}" for result in wrong)
    unused = {entry for entry in INAPPLICABLE if entry.program == program} - set(others.values())
    assert not unused, "they apply by now"
    assert all(mdev.statistic("pinned_bytes") == 0 and mdev.read("state") == "closed" for mdev in mdevs)
