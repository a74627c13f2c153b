# SPDX-License-Identifier: GPL-3.0-or-later
"""Just enough of the QEMU Machine Protocol: one command per connection."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import TextIO


class QmpError(Exception):
    pass


def execute(path: Path, command: str, arguments: dict[str, object], timeout: float = 30) -> object:
    directory = os.open(path.parent, os.O_PATH)
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(timeout)
            # A socket's address holds 107 characters; the directory's own name may be longer.
            connection.connect(f"/proc/self/fd/{directory}/{path.name}")
            with connection.makefile("rw") as stream:
                json.loads(stream.readline())  # the greeting
                exchange(stream, "qmp_capabilities", {})
                return exchange(stream, command, arguments)
    finally:
        os.close(directory)


def exchange(stream: TextIO, command: str, arguments: dict[str, object]) -> object:
    stream.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
    stream.flush()
    for line in stream:
        answer = json.loads(line)
        if "error" in answer:
            raise QmpError(f"{command}: {answer['error']['desc']}")
        if "return" in answer:
            return answer["return"]
        # Everything else is an event.
    raise QmpError(f"{command}: QEMU closed the connection")
