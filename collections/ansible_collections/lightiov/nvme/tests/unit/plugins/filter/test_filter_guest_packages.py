# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.lightiov.nvme.plugins.filter import guest_packages as plugin

guest_packages = plugin.FilterModule().filters()["guest_packages"]


def test_each_kernel_has_its_package() -> None:
    assert guest_packages(["6.1.0-1-amd64", "6.12.0-2-amd64"], "0.2.0+aaaa", "/src", "/cache/hv1") == [
        {
            "kernel": kernel,
            "path": f"/src/lightiov-guest-{kernel}_0.2.0+aaaa_amd64.deb",
            "cached": f"/cache/hv1/lightiov-guest-{kernel}_0.2.0+aaaa_amd64.deb",
        }
        for kernel in ("6.1.0-1-amd64", "6.12.0-2-amd64")
    ]
    assert guest_packages([], "0.2.0", "/src", "/cache") == []
