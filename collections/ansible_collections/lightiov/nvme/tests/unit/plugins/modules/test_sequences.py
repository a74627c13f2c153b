# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every sequence of up to three calls of controller and mdev, the last cut after each of its writes, is put right."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils._record import RECORD
from ansible_collections.lightiov.nvme.plugins.module_utils._uuids import mdev_uuid
from ansible_collections.lightiov.nvme.plugins.modules import controller, mdev
from every_case import only_exhaustive
from explorer import Call, Explorer, State, check_all_put_right
from fake_host import FakeHost, Refused

pytestmark = pytest.mark.many_cases

ADDRESSES = {"S1": "0000:01:00.0", "S2": "0000:02:00.0"}
TOOLS = ("driverctl", "liov", "mdevctl", "modprobe", "systemctl", "udevadm")
WRITES = {
    FakeHost: ("write", "link", "bind", "add_mdev", "remove_mdev", "told"),
    Path: ("write_text", "unlink", "replace", "symlink_to"),
}
# What must not depend on how the host came to where it is. Logs and histories may.
COMPARED = ("sys/", "etc/driverctl.d/", "etc/mdevctl.d/", "etc/systemd/", "etc/udev/", RECORD.lstrip("/"))
# Neither is for a deployment to make possible.
ALLOWED = ("cannot shrink", "is behind it")

PARTED = 3
# Where a part is depends on what was there when it came, and its ID and slot follow from that.
PLACE = re.compile(r"(?<=\bextent\": \")id=[^,]*,|first=\d+,")


@dataclass(frozen=True)
class Wish:
    """What a deployment is to make: serial numbers; VMs, each with a namespace, as (controller, namespace, queue
    pairs); and further disks of the first VM, all parts of one namespace, with their MiB."""

    serials: tuple[str, ...] = ()
    mdevs: tuple[tuple[str, int, int], ...] = ()
    parts: tuple[tuple[str, int], ...] = ()

    def controllers(self) -> Call:
        return Call.of(controller, controllers=[{"serial": serial} for serial in self.serials])

    def mdevs_of(self, serials: Sequence[str]) -> Call:
        """Those of its mdevs that are on these controllers."""
        return Call.of(
            mdev,
            remove=True,
            erase=True,
            mdevs=[
                {
                    "uuid": mdev_uuid(serial, f"vm{nsid}"),
                    "label": f"vm{nsid}",
                    "parent": serial,
                    "tenant": "blue",
                    "queue_pairs": queue_pairs,
                    "disks": [
                        {"name": "data", "namespace": nsid},
                        *(
                            {"name": name, "namespace": PARTED, "size": f"{size} MiB"}
                            for name, size in self.parts
                            if nsid == 1
                        ),
                    ],
                }
                for serial, nsid, queue_pairs in self.mdevs
                if serial in serials
            ],
        )


WISHES = [
    Wish(),
    Wish(("S1",)),
    Wish(("S1",), (("S1", 1, 1),)),
    Wish(("S1",), (("S1", 1, 1), ("S1", 2, 1))),
    Wish(("S1",), (("S1", 1, 3),)),
    Wish(("S2",), (("S2", 1, 1),)),
    Wish(("S1", "S2"), (("S1", 1, 1), ("S2", 1, 1))),
    # Disks that come, grow and go while the mdev is there.
    Wish(("S1",), (("S1", 1, 1),), (("a", 1),)),
    Wish(("S1",), (("S1", 1, 1),), (("b", 1), ("a", 2))),
]
CALLS = list(dict.fromkeys(call for wish in WISHES for call in (wish.controllers(), wish.mdevs_of(wish.serials))))


def compared(state: State) -> dict[str, str]:
    return {name: _placeless(name, content) for name, content in state if name.startswith(COMPARED) and content != "/"}


def _placeless(name: str, content: str) -> str:
    if name.endswith("/extents"):
        words = [line.split() for line in content[1:].splitlines()]
        return str(sorted([*line[2:4], *line[5:]] for line in words))
    return PLACE.sub("", content)


@pytest.fixture
def explorer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Explorer:
    fake = FakeHost(tmp_path / "root")
    for driver in ("lightiov", "nvme"):
        fake.load_driver(driver)
    for group, (serial, address) in enumerate(ADDRESSES.items()):
        fake.add_controller(address, serial, namespaces=3, group=group)

    def boot() -> None:
        """driverctl and mdevctl bind and start what their files say."""
        for address in ADDRESSES.values():
            fake.bind(address, "")
        for address in ADDRESSES.values():
            saved = fake.path(f"/etc/driverctl.d/pci-{address}")
            driver = saved.read_text(encoding="utf-8").strip() if saved.exists() else "(null)"
            fake.write(f"{fake.device(address)}/driver_override", f"{driver}\n")
            fake.probe(address)
            if fake.driver(address) == "lightiov":
                for path in sorted(fake.path(f"/etc/mdevctl.d/{address}").glob("*")):
                    with contextlib.suppress(Refused):
                        fake.mdevctl("start", "--uuid", path.name, "--parent", address)

    return Explorer.of(fake, monkeypatch, modules=(controller, mdev), tools=TOOLS, counted=WRITES, boot=boot)


def deployment(state: State, wish: Wish) -> Iterator[Call]:
    """Shrink, controllers, grow."""
    yield wish.mdevs_of([serial for serial in wish.serials if driver(state, serial) == "lightiov"])
    yield wish.controllers()
    yield wish.mdevs_of(wish.serials)


def driver(state: State, serial: str) -> str:
    link = f"{FakeHost.device(ADDRESSES[serial])}/driver".lstrip("/")
    return next((content.rpartition("/")[2] for name, content in state if name == link), "")


@pytest.mark.parametrize("calls", [2, only_exhaustive(3)])
def test_whatever_is_left_is_put_right(explorer: Explorer, calls: int) -> None:
    check_all_put_right(
        explorer, WISHES, calls=CALLS, length=calls, deployment=deployment, compared=compared, allowed=ALLOWED
    )
