# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every sequence of up to three module calls, the last one cut after each of its writes, can be put right.

A call is cut by the end of its process, or by a loss of power, after which the host boots. Whatever it leaves behind,
one deployment of any list makes of it what it makes of an untouched host, and a second one finds nothing to do.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from ansible.module_utils import basic
from ansible_collections.lightiov.nvme.plugins.module_utils._record import RECORD
from ansible_collections.lightiov.nvme.plugins.module_utils._uuids import mdev_uuid
from ansible_collections.lightiov.nvme.plugins.modules import controller, mdev
from every_case import only_exhaustive
from fake_host import FakeHost, Refused
from in_process import InProcess, PlayedHost

ADDRESSES = {"S1": "0000:01:00.0", "S2": "0000:02:00.0"}
TOOLS = ("driverctl", "liov", "mdevctl", "modprobe", "systemctl", "udevadm")
# What must not depend on how the host came to where it is. Logs and histories may.
COMPARED = ("sys/", "etc/driverctl.d/", "etc/mdevctl.d/", "etc/systemd/", "etc/udev/", RECORD.lstrip("/"))

PARTED = 3
# Where a part is depends on what was there when it came, and its ID and slot follow from that.
PLACE = re.compile(r"(?<=\bextent\": \")id=[^,]*,|first=\d+,")

LISTS = {controller: "controllers", mdev: "mdevs"}
OPTIONS = {module: yaml.safe_load(module.DOCUMENTATION)["options"] for module in LISTS}
# What is not consented to changes nothing.
CONSENTS = ("remove", "erase")

# Files, links and directories by path below the root.
State = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Call:
    """One module with its main list."""

    module: ModuleType
    parameters: str

    @classmethod
    def of(cls, module: ModuleType, wish: Sequence[dict[str, Any]]) -> Call:
        given = {LISTS[module]: wish, **{name: True for name in CONSENTS if name in OPTIONS[module]}}
        return cls(module, json.dumps(given))


@dataclass(frozen=True)
class Wish:
    """What a deployment is to make: serial numbers; VMs, each with a namespace, as (controller, namespace, queue
    pairs); and further disks of the first VM, all parts of one namespace, with their MiB."""

    serials: tuple[str, ...] = ()
    mdevs: tuple[tuple[str, int, int], ...] = ()
    parts: tuple[tuple[str, int], ...] = ()

    def controllers(self) -> Call:
        return Call.of(controller, [{"serial": serial} for serial in self.serials])

    def mdevs_of(self, serials: Sequence[str]) -> Call:
        """Those of its mdevs that are on these controllers."""
        return Call.of(
            mdev,
            [
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


class Cut(BaseException):
    """The process ends here."""


class Ended(BaseException):
    """The module has said its result."""


class Installed(InProcess):
    """Finds tools that are no files of the host, which would only be more to compare."""

    def find(self, program: str) -> str | None:
        return f"/usr/sbin/{program}" if program in TOOLS else None


@dataclass
class Writes:
    """Counts what stays when the process ends: files, and what the kernel does in one piece."""

    last: int | None = None
    done: int = 0
    depth: int = 0

    def counted(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*arguments: Any, **options: Any) -> Any:
            self.depth += 1
            try:
                result = function(*arguments, **options)
            finally:
                self.depth -= 1
            if self.depth == 0:
                self.done += 1
                if self.done == self.last:
                    raise Cut
            return result

        return counting

    @contextlib.contextmanager
    def cut_after(self, last: int | None) -> Iterator[None]:
        self.last, self.done = last, 0
        try:
            yield
        finally:
            self.last = None


@dataclass
class Explorer:
    """What calls make of states of a host; each call is made once from each state."""

    fake: FakeHost
    writes: Writes
    known: dict[tuple[State, Call], tuple[State, str]] = field(default_factory=dict)
    now: dict[str, str] = field(default_factory=dict)

    def save(self) -> State:
        self.now = dict(self._entries(str(self.fake.root), ""))
        return tuple(sorted(self.now.items()))

    def _entries(self, directory: str, prefix: str) -> Iterator[tuple[str, str]]:
        for entry in os.scandir(directory):
            name = prefix + entry.name
            if entry.is_symlink():
                yield name, f"-> {Path(entry).readlink()}"
            elif entry.is_dir():
                yield name, "/"
                yield from self._entries(entry.path, f"{name}/")
            else:
                yield name, "=" + Path(entry).read_text(encoding="utf-8")

    def restore(self, state: State) -> None:
        """From what was saved last, of which most stays."""
        wanted = dict(state)
        for name, content in sorted(self.now.items(), reverse=True):
            if wanted.get(name) != content:
                path = self.fake.root / name
                path.rmdir() if content == "/" else path.unlink()
        for name, content in state:
            path = self.fake.root / name
            if self.now.get(name) == content:
                continue
            if content == "/":
                path.mkdir()
            elif content.startswith("->"):
                path.symlink_to(content[3:])
            else:
                path.write_text(content[1:], encoding="utf-8")
        self.now = wanted

    def run(self, call: Call) -> str:
        """What the module refuses, or "changed" or empty."""
        arguments = json.dumps({"ANSIBLE_MODULE_ARGS": json.loads(call.parameters)}).encode()
        result: dict[str, Any] = {}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(basic, "_ANSIBLE_ARGS", arguments)
            patch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
            try:
                call.module.main()
            except Ended as ended:
                [result] = ended.args
        return str(result["msg"]) if result.get("failed") else "changed" * result["changed"]

    def after(self, state: State, call: Call) -> tuple[State, str]:
        if (state, call) not in self.known:
            self.restore(state)
            said = self.run(call)
            self.known[state, call] = (self.save(), said)
        return self.known[state, call]

    def cuts(self, state: State, call: Call) -> Iterator[State]:
        """What is left of the call after its first write, its second, ..., and after the boot that may follow."""
        last = 0
        while True:
            last += 1
            self.restore(state)
            try:
                with self.writes.cut_after(last):
                    said = self.run(call)
            except Cut:
                yield self.save()
                self.boot()
                yield self.save()
            else:
                self.known[state, call] = (self.save(), said)
                return

    def boot(self) -> None:
        """driverctl and mdevctl bind and start what their files say."""
        for address in ADDRESSES.values():
            self.fake.bind(address, "")
        for address in ADDRESSES.values():
            saved = self.fake.path(f"/etc/driverctl.d/pci-{address}")
            driver = saved.read_text(encoding="utf-8").strip() if saved.exists() else "(null)"
            self.fake.write(f"{self.fake.device(address)}/driver_override", f"{driver}\n")
            self.fake.probe(address)
            if self.fake.driver(address) == "lightiov":
                for path in sorted(self.fake.path(f"/etc/mdevctl.d/{address}").glob("*")):
                    with contextlib.suppress(Refused):
                        self.fake.mdevctl("start", "--uuid", path.name, "--parent", address)

    def deploy(self, state: State, wish: Wish) -> tuple[State, list[str]]:
        """Shrink, controllers, grow: what a deployment makes of it, and what its calls say."""
        said = []
        ours = [serial for serial in wish.serials if self.driver(state, serial) == "lightiov"]
        for call in (wish.mdevs_of(ours), wish.controllers(), wish.mdevs_of(wish.serials)):
            state, one = self.after(state, call)
            said.append(one)
        return state, said

    def driver(self, state: State, serial: str) -> str:
        link = f"{self.fake.device(ADDRESSES[serial])}/driver".lstrip("/")
        return next((content.rpartition("/")[2] for name, content in state if name == link), "")


def compared(state: State) -> dict[str, str]:
    return {name: _placeless(name, content) for name, content in state if name.startswith(COMPARED) and content != "/"}


def _placeless(name: str, content: str) -> str:
    if name.endswith("/extents"):
        words = [line.split() for line in content[1:].splitlines()]
        return str(sorted([*line[2:4], *line[5:]] for line in words))
    return PLACE.sub("", content)


@pytest.fixture
def explorer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Explorer:
    writes = Writes()
    for owner, names in (
        (FakeHost, ("write", "link", "bind", "add_mdev", "remove_mdev", "told")),
        (Path, ("write_text", "unlink", "replace", "symlink_to")),
    ):
        for name in names:
            monkeypatch.setattr(owner, name, writes.counted(getattr(owner, name)))
    # Calls that differ would make hosts differ.
    monkeypatch.setattr(FakeHost, "note", lambda *_: None)
    fake = FakeHost(tmp_path / "root")
    for driver in ("lightiov", "nvme"):
        fake.load_driver(driver)
    for group, (serial, address) in enumerate(ADDRESSES.items()):
        fake.add_controller(address, serial, namespaces=3, group=group)

    def end(_module: Any, **result: Any) -> None:
        raise Ended(result)

    monkeypatch.setattr(basic.AnsibleModule, "exit_json", end)
    monkeypatch.setattr(basic.AnsibleModule, "fail_json", lambda module, **result: end(module, failed=True, **result))
    for module in (controller, mdev):
        monkeypatch.setattr(module, "Host", lambda **given: PlayedHost(fake.root, Installed(fake), **given))
    return Explorer(fake, writes)


@pytest.mark.parametrize("calls", [2, only_exhaustive(3)])
def test_whatever_is_left_is_put_right(explorer: Explorer, calls: int) -> None:
    untouched = explorer.save()
    made = {wish: compared(explorer.deploy(untouched, wish)[0]) for wish in WISHES}
    whole, left = {untouched}, {untouched}
    newest = [untouched]
    for _call in range(calls):
        reached = []
        for state in newest:
            for call in CALLS:
                left.update(explorer.cuts(state, call))
                following, said = explorer.after(state, call)
                if said != "changed":
                    assert following == state, said
                elif following not in whole:
                    whole.add(following)
                    reached.append(following)
        newest = reached
    assert len(whole) > len(WISHES)
    for state in whole | left:
        for wish in WISHES:
            done, said = explorer.deploy(state, wish)
            # Neither is for a deployment to make possible.
            if any(word in one for one in said for word in ("cannot shrink", "is behind it")):
                continue
            assert set(said) <= {"", "changed"}, f"{wish} is refused"
            assert compared(done) == made[wish], f"{wish} is not what came of it"
            assert explorer.deploy(done, wish) == (done, ["", "", ""])
