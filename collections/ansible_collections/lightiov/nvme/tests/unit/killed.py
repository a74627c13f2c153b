# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules as processes that can be killed, on a fake host that outlives them.

What modules only start is done in processes of their own, which end their work whoever is killed meanwhile: tools, and
what the kernel does. libvirt is kept in a file, which has what its calls have made of it.
"""

from __future__ import annotations

import ctypes
import json
import os
import pickle
import shutil
import signal
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from ansible.module_utils import basic
from ansible_collections.lightiov.nvme.plugins.module_utils import _libvirt
from ansible_collections.lightiov.nvme.plugins.module_utils._runner import DEADLINE_SECONDS, Heard
from fake_host import FakeHost
from fake_libvirt import FakeConnection, FakeDomain, FakeLibvirt, FakeNetwork
from in_process import InProcess, PlayedHost

LIBVIRT = "/libvirt"
# Of an NVMe admin command: where its data is.
DATA = struct.Struct("<24xQ4xI")
IDENTIFY, LOG = 0x06, 0x02
# What stays when the module's process ends, of what it does itself.
WRITES = {
    os: ("fsync", "link", "mkdir", "rename", "replace", "rmdir", "symlink", "unlink"),
    shutil: ("copyfile",),
    Path: ("touch", "write_text"),
}
replace = os.replace
CALLS = {
    FakeConnection: ("defineXML",),
    FakeDomain: (
        "attachDeviceFlags", "create", "detachDeviceFlags", "pMWakeup", "resume", "setAutostart", "setMetadata",
        "shutdown", "undefineFlags",
    ),
    FakeNetwork: ("create", "setAutostart", "update"),
}  # fmt: skip


@dataclass
class Moments:
    """At which the process may be killed, counted; it is at this one, if it comes that far."""

    last: int | None = None
    seen: int = 0

    def one(self) -> None:
        self.seen += 1
        if self.seen == self.last:
            os.kill(os.getpid(), signal.SIGKILL)

    def after(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*arguments: Any, **options: Any) -> Any:
            result = function(*arguments, **options)
            self.one()
            return result

        return counting

    def outside(self, work: Callable[[], Any]) -> Any:
        """Let another process do it. This one may be killed while that is at it, and once that has done it."""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.setsid()
            self.last = None
            try:
                answer = (work(), None)
            except Exception as error:
                answer = (None, error)
            with open(writing, "wb") as pipe:  # noqa: PTH123 - a descriptor
                pickle.dump(answer, pipe)
            os._exit(0)
        os.close(writing)
        self.one()
        with open(reading, "rb") as pipe:  # noqa: PTH123 - a descriptor
            result, error = pickle.load(pipe)
        os.waitpid(child, 0)
        if error:
            raise error
        self.one()
        return result


class Tools(InProcess):
    def __init__(self, fake: FakeHost, moments: Moments) -> None:
        super().__init__(fake)
        self.moments = moments

    def run(self, arguments: Sequence[str], timeout: float = DEADLINE_SECONDS, heard: Heard = None) -> str:
        run = partial(super().run, arguments, timeout, heard)
        # What changes nothing leaves nothing.
        return run() if arguments[0] in ("modinfo", "udevadm") else self.moments.outside(run)


class Machine(PlayedHost):
    def write_attribute(self, absolute: str, text: str) -> None:
        self._moments.outside(partial(super().write_attribute, absolute, text))

    def ioctl(self, absolute: str, request: int, argument: bytearray) -> int:
        address, length = DATA.unpack_from(argument)

        def answer() -> tuple[int, bytes, bytes]:
            status = super(Machine, self).ioctl(absolute, request, argument)
            return status, bytes(argument), ctypes.string_at(address, length) if length else b""

        if argument[0] in (IDENTIFY, LOG):
            return super().ioctl(absolute, request, argument)
        status, argument[:], data = self._moments.outside(answer)
        if length:
            ctypes.memmove(address, data, length)
        return status

    @property
    def _moments(self) -> Moments:
        assert isinstance(self.runner, Tools)
        return self.runner.moments


def keep(fake: FakeHost, connection: FakeConnection) -> None:
    new = fake.path(f"{LIBVIRT}.new")
    new.write_bytes(pickle.dumps(connection))
    replace(new, fake.path(LIBVIRT))


def kept(fake: FakeHost) -> FakeConnection:
    path = fake.path(LIBVIRT)
    return pickle.loads(path.read_bytes()) if path.exists() else FakeConnection()


def run(fake: FakeHost, module: ModuleType, parameters: dict[str, Any], last: int | None = None) -> dict[str, Any]:
    """What the module returns; nothing, if it was killed at this moment. Nothing is at work any more, then."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _become(fake, module, parameters, Moments(last), writing)
    os.close(writing)
    # Whatever it has started has the pipe open, too.
    with open(reading, "rb") as pipe:  # noqa: PTH123 - a descriptor
        said = pipe.read()
    _child, status = os.waitpid(child, 0)
    assert os.WIFEXITED(status) or os.WTERMSIG(status) == signal.SIGKILL
    return pickle.loads(said) if said else {}


def _become(fake: FakeHost, module: ModuleType, parameters: dict[str, Any], moments: Moments, pipe: int) -> None:
    """The process of the module; what is changed here is seen by nobody else."""

    def end(_module: Any, **result: Any) -> None:
        with open(pipe, "wb") as stream:
            pickle.dump(result, stream)
        os._exit(0)

    for owner, names in WRITES.items():
        for name in names:
            setattr(owner, name, moments.after(getattr(owner, name)))
    connection = kept(fake)
    for owner, names in CALLS.items():
        for name in names:
            setattr(owner, name, _kept_after(fake, connection, moments, getattr(owner, name)))
    basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": parameters}).encode()
    basic._ANSIBLE_PROFILE = "legacy"
    basic.AnsibleModule.exit_json = end
    basic.AnsibleModule.fail_json = lambda module, **result: end(module, failed=True, **result)
    basic.AnsibleModule.log = lambda *_arguments, **_options: None
    _libvirt.api = FakeLibvirt(connection)
    module.Host = lambda **given: Machine(fake.root, Tools(fake, moments), **given)
    try:
        module.main()
    except BaseException as error:
        end(None, failed=True, msg=repr(error))


def _kept_after(
    fake: FakeHost, connection: FakeConnection, moments: Moments, method: Callable[..., Any]
) -> Callable[..., Any]:
    def calling(*arguments: Any) -> Any:
        moments.one()
        result = method(*arguments)
        keep(fake, connection)
        moments.one()
        return result

    return calling
