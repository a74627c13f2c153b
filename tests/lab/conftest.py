# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab of its own for what the host module promises: a host, the module and liov built from this source.

LIGHTIOV_TEST_LAB names the lab (default "test"), or, where pytest-xdist distributes the tests, one for each worker;
LIGHTIOV_TEST_FLAVOUR is their images (default "stock").
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import modules
import pytest
from figures import figures, pytest_terminal_summary  # noqa: F401 - pytest finds them here
from modules import BUILT
from passthrough import MODULE, OWNER, Controller, load_module, unload_module

from lab import Host, Lab, wait_until
from lab.compiled import NATIVE

FLAVOUR = os.environ.get("LIGHTIOV_TEST_FLAVOUR", "stock")
LABS = os.environ.get("LIGHTIOV_TEST_LAB", "test").split()
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))


@pytest.fixture(scope="session")
def labs() -> list[Lab]:
    return [Lab.open(name) for name in LABS]


@pytest.fixture(scope="session")
def lab(labs: list[Lab]) -> Lab:
    assert len(labs) > WORKER, f"each worker needs a lab of its own: name more than {LABS} in LIGHTIOV_TEST_LAB"
    return labs[WORKER]


@pytest.fixture(scope="session")
def lab_host(lab: Lab) -> Iterator[Host]:
    """A booted host; switched off again if it was off before."""
    was_up = any(host.running for host in lab.hosts)
    lab.up(("host1",), FLAVOUR)
    yield lab.host("host1")
    if not was_up:
        lab.down()


@pytest.fixture(scope="session")
def tree() -> Path:
    """Where modules are built."""
    return modules.ensure_tree()


@pytest.fixture(scope="session")
def module(lab_host: Host, tree: Path) -> Path:
    """The host module, built for the kernel that all hosts of the lab have."""
    return modules.build("host", lab_host, tree, FLAVOUR)


def watches_the_kernel_log(host: Host) -> None:
    """A log that is not understood has no problems: see that this kernel's is."""
    log = len(host.kernel_log())
    host.run("echo WARNING: a test looks whether this is seen > /dev/kmsg")
    wait_until(lambda: host.kernel_problems(since=log), "the host's console to be understood")


@pytest.fixture(scope="session")
def host(lab_host: Host, module: Path, tmp_path_factory: pytest.TempPathFactory) -> Host:
    """The host with the module and liov on it."""
    watches_the_kernel_log(lab_host)
    unload_module(lab_host)
    lab_host.copy(module, MODULE)
    lab_host.copy(Path(__file__).with_name("owner.py"), OWNER)
    native = tmp_path_factory.mktemp("liov") / "native"
    shutil.copytree(NATIVE, native, ignore=BUILT)
    subprocess.run(["make", "-s", "-C", native / "tools", "install", f"DESTDIR={native}/root"], check=True)
    lab_host.copy(native / "root/usr/local/sbin/liov", "/usr/local/sbin/liov")
    return lab_host


@pytest.fixture(scope="session")
def others_reset(host: Host, tree: Path) -> PurePosixPath:
    """The kernel module that has a controller reset as if the driver of another device wanted it."""
    module = modules.build_by_itself(Path(__file__).with_name("others_reset.c"), host, tree, FLAVOUR)
    host.copy(module, f"/root/{module.name}")
    return PurePosixPath("/root", module.name)


@pytest.fixture
def controller(host: Host) -> Iterator[Controller]:
    """The large controller, belonging to the module, without mdevs."""
    load_module(host)
    controller = Controller.find(host, "LIOV1A")
    controller.bind("lightiov")
    yield controller
    controller.remove_mdevs()


@pytest.fixture
def huge_pages(host: Host) -> Iterator[None]:
    """Some, of 2 MiB."""
    number = "/proc/sys/vm/nr_hugepages"
    host.run(f"echo 8 > {number}")
    yield
    host.run(f"echo 0 > {number}")


@pytest.fixture
def lockdep_looks_away(host: Host) -> Iterator[None]:
    """For what the kernel around us locks in both orders; lockdep would report it and watch nothing from then on.

    VFIO type 1, when pinned memory is unmapped: opening a device takes iommu->lock and in it device_list_lock; telling
    drivers of the unmapping holds the second, and unpinning, which a driver has to do there and then, takes the first.
    pciehp, when a card is pulled out: its reset_lock and pci_rescan_remove_lock.
    """
    switch = "/proc/sys/kernel/prove_locking"
    turn = f"[ ! -e {switch} ] || echo {{}} > {switch}"
    host.run(turn.format(0))
    yield
    host.run(turn.format(1))


@pytest.fixture
def no_stock_controllers(controller: Controller) -> Iterator[None]:
    """For sleep, in which Linux 6.12's nvme keeps queues frozen beyond the work that froze them, as lockdep reports."""
    run, driver = controller.host.run, "/sys/bus/pci/drivers/nvme"
    addresses = run(f"cd {driver} && ls -d *:*").stdout.split()
    run("; ".join(f"echo {address} > {driver}/unbind" for address in addresses))
    yield
    run("; ".join(f"echo {address} > {driver}/bind" for address in addresses))


@pytest.fixture(autouse=True)
def kernel_log_stays_clean(host: Host, request: pytest.FixtureRequest) -> Iterator[None]:
    """No test passes while the host's kernel complains, but of what the IOMMU had to refuse to a test that tried it."""
    lines = len(host.kernel_log())
    yield
    problems = host.kernel_problems(since=lines)
    if request.node.get_closest_marker("trespasses"):
        problems = [line for line in problems if "DMAR" not in line]
    assert not problems, "\n".join(problems)
