# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.lightiov.nvme.plugins.module_utils._bench.contenders.base import WHOLE, Contender, Place, Share
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.io_path import WITHOUT_A_VM


class BareHost(Contender):
    """The stock driver without a VM: what the drive and the kernel can do."""

    name = "host"
    title = "bare host"
    virtual = False
    io_path = WITHOUT_A_VM

    def attach(self, place: Place, share: Share = WHOLE) -> list[str]:
        return []
