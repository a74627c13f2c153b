# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is compared: a class each, in a small file for each technique. A new one is added to the list below."""

from __future__ import annotations

from ansible_collections.lightiov.nvme.plugins.module_utils._bench.contenders.base import Contender
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.contenders.host import BareHost
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.contenders.lightiov import (
    Passthrough,
    PassthroughPolled,
)
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.contenders.vfio import WholeDevice, WholeDevicePolled
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.contenders.vhost_user import VhostUser
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.contenders.virtio_blk import (
    VirtioBlk,
    VirtioBlkPolled,
    VirtioBlkUserSpace,
)

ALL: tuple[Contender, ...] = (
    BareHost(),
    WholeDevice(),
    Passthrough(),
    VirtioBlk(),
    VirtioBlkUserSpace(),
    VhostUser(),
    WholeDevicePolled(),
    PassthroughPolled(),
    VirtioBlkPolled(),
)
CONTENDERS = {contender.name: contender for contender in ALL}
# For a first look.
QUICK = ("host", "vfio", "lightiov", "virtio-blk", "vhost-user")
# All others are compared with it.
BASELINE = "vfio"
# Those that poll are compared with this one, too.
POLLED_BASELINE = "vfio-polled"
