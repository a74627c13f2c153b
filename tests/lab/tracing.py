# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel of a host did, in its order: tracepoints, and probes on its functions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath

from lab import Host

TRACING = PurePosixPath("/sys/kernel/tracing")
INSTANCE = TRACING / "instances/lightiov"
GROUP = "lightiov_probes"
# "  liov-123  [000] .....  45.678901: name: text", where the text of a probe begins with "(function+0x0/0x10) ".
LINE = re.compile(r" *(?P<task>.+)-\d+ +\[\d+\] \S+ +[\d.]+: (?P<name>\w+): (?:\(\S+\) )?(?P<text>.*)")


@dataclass(frozen=True)
class Event:
    name: str
    fields: dict[str, str]

    def number(self, field: str) -> int:
        return int(self.fields[field], 0)


@dataclass
class Trace:
    host: Host

    def events(self, task: str) -> list[Event]:
        """Those in the context of programs of this name, oldest first."""
        lines = self.host.run(f"cat {INSTANCE}/trace").stdout.splitlines()
        matches = [match for line in lines if (match := LINE.fullmatch(line)) and match["task"] == task]
        return [Event(match["name"], dict(re.findall(r"(\w+)=(\S+)", match["text"]))) for match in matches]


@contextmanager
def traced(host: Host, tracepoints: tuple[str, ...], probes: dict[str, str]) -> Iterator[Trace]:
    """Record tracepoints ("system/event") and calls of functions, {name: "function argument=..."}."""
    stop(host, probes)
    for name, function in probes.items():
        host.run(f"echo 'p:{GROUP}/{name} {function}' >> {TRACING}/kprobe_events")
    host.run(f"mkdir {INSTANCE}")
    for event in (*tracepoints, *(f"{GROUP}/{name}" for name in probes)):
        host.run(f"echo 1 > {INSTANCE}/events/{event}/enable")
    yield Trace(host)
    stop(host, probes)


def stop(host: Host, probes: dict[str, str]) -> None:
    """Also what an interrupted test left."""
    host.run(f"[ ! -e {INSTANCE} ] || rmdir {INSTANCE}")
    for name in probes:
        host.run(f"[ ! -e {TRACING}/events/{GROUP}/{name} ] || echo '-:{GROUP}/{name}' >> {TRACING}/kprobe_events")
