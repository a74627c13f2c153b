# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.lightiov.nvme.plugins.module_utils._bench.contenders.base import (
    WHOLE,
    Contender,
    Place,
    Share,
    as_json,
    block_device,
    device,
    part,
)
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.drive import RUN
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.io_path import BY_THE_KERNEL
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.machine import Daemon


def socket(share: Share) -> str:
    return f"{RUN}/vhost{share.number}.sock"


class VhostUser(Contender):
    """QEMU's storage daemon serves the disk, with io_uring on the host's block device. It cannot poll a VM's queues."""

    name = "vhost-user"
    title = "vhost-user-blk"
    shared_memory = True
    io_path = BY_THE_KERNEL
    sharing = True
    # The daemon begins by saying that it has no cache, and then has one all the same: a VM would not flush it.
    adjustment = 'for cache in /sys/block/vd*/cache_type; do echo write back > "$cache"; done'

    def daemon(self, place: Place) -> list[str]:
        command = ["qemu-storage-daemon"]
        for share in place.shares:
            drive = block_device(place)
            # Exports of one node have one thread together, so each has a node of its own down to the device.
            node = {**(part(share, drive) if share.size else drive), "node-name": f"disk{share.number}"}
            command += ["--object", f"iothread,id=thread{share.number}", "--blockdev", as_json(node)]
            command += ["--export", as_json(self.export(place, share))]
        return command

    def export(self, place: Place, share: Share) -> dict[str, object]:
        return {
            "type": "vhost-user-blk",
            "id": f"export{share.number}",
            "node-name": f"disk{share.number}",
            "addr": {"type": "unix", "path": socket(share)},
            "writable": True,
            "num-queues": place.vcpus,
            "iothread": f"thread{share.number}",
        }

    def set_up(self, place: Place) -> None:
        super().set_up(place)
        for share in place.shares:
            place.host.path(socket(share)).unlink(missing_ok=True)
        # The last export is made last.
        place.daemons.append(Daemon(place.host, self.daemon(place), socket(place.shares[-1])))

    def attach(self, place: Place, share: Share = WHOLE) -> list[str]:
        disk = device(**{"driver": "vhost-user-blk-pci", "chardev": "vhost", "num-queues": place.vcpus})
        return ["-chardev", f"socket,id=vhost,path={socket(share)}", *disk]
