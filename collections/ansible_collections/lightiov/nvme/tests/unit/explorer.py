# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every state that sequences of module calls leave a host in, the last call cut after each of its writes.

A call is cut by the end of its process, or by a loss of power, after which the host boots.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, TypeVar

import pytest
from ansible.module_utils import basic
from ansible_collections.lightiov.nvme.plugins.module_utils._alone import alone
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from fake_host import FakeHost
from in_process import InProcess, PlayedHost

# Files, links and directories by path below the root. A second name of a file says which the first is.
State = tuple[tuple[str, str], ...]
Wish = TypeVar("Wish", bound=Hashable)


@dataclass(frozen=True)
class Call:
    module: ModuleType
    parameters: str

    @classmethod
    def of(cls, module: ModuleType, /, **parameters: Any) -> Call:
        return cls(module, json.dumps(parameters))


def _content(path: str) -> str:
    # Of thousands of files, again and again: pathlib would take half of the time.
    with open(path, encoding="utf-8") as file:  # noqa: PTH123
        return "=" + file.read()


class Cut(BaseException):
    """The process ends here."""


class Ended(BaseException):
    """The module has said its result."""


class Installed(InProcess):
    """Finds tools that are no files of the host, which would only be more to compare."""

    tools: Sequence[str] = ()

    def find(self, program: str) -> str | None:
        return f"/usr/sbin/{program}" if program in self.tools else None


@dataclass
class Writes:
    """Counts what stays when the process ends: files, and what the kernel or a tool does in one piece."""

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
    boot: Callable[[], None]
    known: dict[tuple[State, Call], tuple[State, str]] = field(default_factory=dict)
    now: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        fake: FakeHost,
        patch: pytest.MonkeyPatch,
        *,
        modules: Iterable[ModuleType],
        tools: Sequence[str],
        counted: Mapping[type | ModuleType, Sequence[str]],
        boot: Callable[[], None],
    ) -> Explorer:
        """`counted`: what is a write, by its owner."""
        writes = Writes()
        for owner, names in counted.items():
            for name in names:
                patch.setattr(owner, name, writes.counted(getattr(owner, name)))
        # Calls that differ would make hosts differ.
        patch.setattr(FakeHost, "note", lambda *_: None)
        patch.setattr(Installed, "tools", tools)

        def end(_module: Any, **result: Any) -> None:
            raise Ended(result)

        patch.setattr(basic.AnsibleModule, "exit_json", end)
        patch.setattr(basic.AnsibleModule, "fail_json", lambda module, **result: end(module, failed=True, **result))
        for module in modules:
            patch.setattr(module, "Host", lambda **given: PlayedHost(fake.root, Installed(fake), **given))
        # What any run makes for itself is no difference between hosts.
        with alone(Host(fake.root)):
            pass
        return cls(fake, writes, boot)

    def save(self) -> State:
        self.now = dict(sorted(self._entries(str(self.fake.root), "")))
        firsts: dict[str, str] = {}
        for name, content in self.now.items():
            if content.startswith("#"):
                first = firsts.setdefault(content, name)
                self.now[name] = f"~{first}" if first != name else _content(f"{self.fake.root}/{name}")
        return tuple(self.now.items())

    def _entries(self, directory: str, prefix: str) -> Iterator[tuple[str, str]]:
        for entry in os.scandir(directory):
            name = prefix + entry.name
            if entry.is_symlink():
                yield name, f"-> {os.readlink(entry.path)}"  # noqa: PTH115 - as in _content
            elif entry.is_dir():
                yield name, "/"
                yield from self._entries(entry.path, f"{name}/")
            elif entry.stat().st_nlink > 1:
                yield name, f"#{entry.inode()}"
            else:
                yield name, _content(entry.path)

    def restore(self, state: State) -> None:
        """From what was saved last, of which most stays."""
        wanted = dict(state)
        for name, content in sorted(self.now.items(), reverse=True):
            if wanted.get(name) != content or content.startswith("~"):
                path = self.fake.root / name
                path.rmdir() if content == "/" else path.unlink()
        for name, content in state:
            path = self.fake.root / name
            if content.startswith("~"):
                os.link(self.fake.root / content[1:], path)
            elif self.now.get(name) == content:
                continue
            elif content == "/":
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

    def follow(self, state: State, calls: Iterable[Call]) -> tuple[State, list[str]]:
        """What calls make of it one after the other, and what they say."""
        said = []
        for call in calls:
            state, one = self.after(state, call)
            said.append(one)
        return state, said

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

    def left(self, untouched: State, calls: Sequence[Call], length: int, failing: Collection[Call] = ()) -> set[State]:
        """All that sequences of so many calls may leave of a host. Some fail when they have begun to act."""
        whole, left = {untouched}, {untouched}
        newest = [untouched]
        for _call in range(length):
            reached = []
            for state in newest:
                for call in calls:
                    left.update(self.cuts(state, call))
                    following, said = self.after(state, call)
                    if said != "changed" and call not in failing:
                        assert following == state, said
                    elif following not in whole:
                        whole.add(following)
                        reached.append(following)
            newest = reached
        return whole | left


def check_all_put_right(
    explorer: Explorer,
    wishes: Sequence[Wish],
    *,
    calls: Sequence[Call],
    length: int,
    deployment: Callable[[State, Wish], Iterable[Call]],
    compared: Callable[[State], dict[str, str]],
    failing: Collection[Call] = (),
    allowed: Sequence[str] = (),
) -> None:
    """Whatever sequences of so many calls leave behind, one deployment of any wish makes of it what it makes of an
    untouched host, and a second one finds nothing to do. `allowed`: refusals of what none is to make possible."""

    def deploy(state: State, wish: Wish) -> tuple[State, list[str]]:
        return explorer.follow(state, deployment(state, wish))

    untouched = explorer.save()
    made = {wish: compared(deploy(untouched, wish)[0]) for wish in wishes}
    left = explorer.left(untouched, calls, length, failing)
    assert len(left) > len(wishes)
    for state in left:
        for wish in wishes:
            done, said = deploy(state, wish)
            if any(word in one for one in said for word in allowed):
                continue
            assert set(said) <= {"", "changed"}, f"{wish} is refused: {said}"
            differing = dict(compared(done).items() ^ made[wish].items())
            assert compared(done) == made[wish], f"{wish} is not what came of it: {differing}"
            again, said = deploy(done, wish)
            assert (again, set(said)) == (done, {""})
