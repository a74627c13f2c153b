# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of emulated controllers: as text, and on their way to QEMU."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.fault import ADMIN, DO_NOT_RETRY, IO, Admin, Fault, Io, Kind, retry_delay
from lab.host import Host
from lab.patched_qemu import PATCHES
from lab.qemu import QMP_SOCKET
from lab.state import State


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (Fault(Kind.STATUS, 0x281 | DO_NOT_RETRY, command=Io.READ), "status=0x4281,queue=io,opcode=2"),
        (
            Fault(Kind.STATUS, 0x6 | retry_delay(3), command=Io.FLUSH, count=1),
            "status=0x1806,queue=io,opcode=0,count=1",
        ),
        (Fault(Kind.VANISH, command=Admin.DELETE_SQ, cdw10=7), "vanish,queue=admin,opcode=0,cdw10=7"),
        (Fault(Kind.STALL, 3000, command=Io.WRITE, queue=5, nsid=2), "stall=0xbb8,queue=5,opcode=1,nsid=2"),
        (Fault(Kind.STALL, queue=ADMIN, spared=1, every=2), "stall,queue=admin,spared=1,every=2"),
        (Fault(Kind.GARBLE, 8, command=Admin.IDENTIFY, seed=0), "garble=0x8,queue=admin,opcode=6,seed=0"),
        (
            Fault(Kind.PUT, 1, command=Admin.IDENTIFY, nsid=2, cdw10=0, at=99),
            "put=0x1,queue=admin,opcode=6,nsid=2,cdw10=0,at=99",
        ),
        (Fault(Kind.ANY_LIE, queue=IO), "lie=any,queue=io"),
        (Fault(Kind.VANISH), "vanish"),
    ],
)
def test_a_fault_as_text(fault: Fault, text: str) -> None:
    assert str(fault) == text


def test_the_emulator_knows_all_that_a_fault_may_say() -> None:
    [patch] = [patch for patch in PATCHES if patch.name == "qemu_faults.patch"]
    explained = set(re.findall(r"^\+ \*   ([a-z0-9=]+)", patch.read_text(), re.MULTILINE))
    every = Fault(Kind.ANY_LIE, command=Io.READ, nsid=1, cdw10=1, spared=1, every=1, count=1, seed=1, at=1)
    keys = {word.split("=")[0] + "=" for word in str(every).split(",")[1:]}
    for said in {kind.value for kind in Kind} | keys:
        assert any(word.startswith(said) for word in explained), said


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a value: the status"):
        Fault(Kind.STATUS)
    with pytest.raises(ValueError, match="needs a value: the byte"):
        Fault(Kind.PUT)
    with pytest.raises(ValueError, match="has no value"):
        Fault(Kind.TWICE, 2)


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[tuple[Host, list[dict[str, object]]]]:
    """host1, with a QMP server in the place of QEMU that has played three faults; and what it was asked."""
    host = Host("host1", State(str(tmp_path), {}))
    host.directory.mkdir()
    asked: list[dict[str, object]] = []

    def serve() -> None:
        while True:
            connection, _ = server.accept()
            with connection, connection.makefile("rw") as stream:
                stream.write('{"QMP": {}}\n')
                stream.flush()
                for line in stream:
                    request = json.loads(line)
                    if request["execute"] == "quit":
                        return
                    if request["execute"].startswith("qom"):
                        asked.append(request)
                    stream.write(json.dumps({"return": 3 if request["execute"] == "qom-get" else {}}) + "\n")
                    stream.flush()

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(host.directory / QMP_SOCKET))
        server.listen()
        thread = threading.Thread(target=serve)
        thread.start()
        yield host, asked
        with socket.socket(socket.AF_UNIX) as last:
            last.connect(str(host.directory / QMP_SOCKET))
            last.sendall(b'{"execute": "quit"}\n')
            thread.join()


def test_a_fault_ends_with_its_block(emulator: tuple[Host, list[dict[str, object]]]) -> None:
    host, asked = emulator
    with pytest.raises(ZeroDivisionError), host.fault("nvme0", Fault(Kind.VANISH, queue=IO)):
        assert host.faults_played("nvme0") == 3
        raise ZeroDivisionError
    said = [request["arguments"] for request in asked]
    path = "/machine/peripheral/nvme0"
    assert said == [
        {"path": path, "property": "fault", "value": "vanish,queue=io"},
        {"path": path, "property": "faults"},
        {"path": path, "property": "fault", "value": ""},
    ]
