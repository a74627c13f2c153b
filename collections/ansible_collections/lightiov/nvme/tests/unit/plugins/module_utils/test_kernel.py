# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._kernel import (
    KernelModule,
    headers_package,
    newest_kernel,
    same_value,
)
from fake_host import KERNEL, FakeHost


def test_the_newest_kernel_is_that_of_the_highest_number(host: Host, fake: FakeHost) -> None:
    assert newest_kernel(host) == KERNEL
    for release in ("6.9.7-amd64", "6.12.107+deb13-amd64", KERNEL):
        fake.path(f"/lib/modules/{release}/kernel").mkdir(parents=True)
    # What a purged kernel leaves when other modules were installed for it.
    fake.path("/lib/modules/7.0.1-amd64/updates").mkdir(parents=True)
    assert newest_kernel(host) == "6.12.107+deb13-amd64"


def test_name_of_the_headers_package(host: Host, fake: FakeHost) -> None:
    assert headers_package(host, KERNEL) == f"kernel-devel-{KERNEL}"
    fake.write("/etc/debian_version", "13.2\n")
    assert headers_package(host, KERNEL) == f"linux-headers-{KERNEL}"


def test_uses_of_a_module(host: Host, fake: FakeHost) -> None:
    module = KernelModule(host, "lightiov_host")
    assert (module.loaded, module.uses()) == (False, [])
    fake.write("/sys/module/lightiov_host/refcnt", "3\n")
    fake.path("/sys/module/lightiov_host/holders/other").mkdir(parents=True)
    assert module.loaded
    assert module.uses() == ["the module other needs it", "it has 2 users such as open mdevs"]


@pytest.mark.parametrize(
    ("wanted", "shown", "same"),
    [("1", "Y", True), ("Y", "1", True), ("0", "N", True), ("0x10", "16", True), ("a", "b", False), ("1", "2", False)],
)
def test_values_of_parameters(wanted: str, shown: str, same: bool) -> None:
    assert same_value(wanted, shown) is same
