# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.lightiov.nvme.plugins.module_utils._bench.contenders.base import (
    Contender,
    Place,
    as_json,
    block_device,
    device,
    user_space_driver,
)
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.drive import RUN
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.machine import Daemon

SOCKET = f"{RUN}/vhost.sock"
# Nanoseconds that a thread goes on looking before it sleeps: it never does.
FOREVER = 1_000_000_000


class VhostUser(Contender):
    """QEMU's storage daemon serves the disk, with io_uring on the host's block device."""

    name = "vhost-user"
    title = "vhost-user-blk"
    shared_memory = True
    poll_ns = 0

    def drive(self, place: Place) -> dict[str, object]:
        return block_device(place)

    def daemon(self, place: Place) -> list[str]:
        thread = "iothread,id=thread" + (f",poll-max-ns={self.poll_ns}" if self.poll_ns else "")
        export = {
            "type": "vhost-user-blk",
            "id": "export",
            "node-name": "disk",
            "addr": {"type": "unix", "path": SOCKET},
            "writable": True,
            "num-queues": place.vcpus,
            "iothread": "thread",
        }
        return [
            "qemu-storage-daemon",
            *["--object", thread],
            *["--blockdev", as_json(self.drive(place))],
            *["--export", as_json(export)],
        ]

    def set_up(self, place: Place) -> None:
        super().set_up(place)
        place.host.path(SOCKET).unlink(missing_ok=True)
        place.daemons.append(Daemon(place.host, self.daemon(place), SOCKET))

    def attach(self, place: Place) -> list[str]:
        disk = device(**{"driver": "vhost-user-blk-pci", "chardev": "vhost", "num-queues": place.vcpus})
        return ["-chardev", f"socket,id=vhost,path={SOCKET}", *disk]


class VhostUserPolled(VhostUser):
    """As a polling target does it: a thread looks at the drive's queues and at the VM's all the time."""

    name = "vhost-user-polled"
    title = "vhost-user-blk, polling target"
    driver = "vfio-pci"
    poll_ns = FOREVER

    def drive(self, place: Place) -> dict[str, object]:
        return user_space_driver(place)
