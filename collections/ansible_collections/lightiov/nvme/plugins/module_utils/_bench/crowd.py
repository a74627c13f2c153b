# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hundreds of clients on one controller, each with queue pairs and a disk of its own: what one of them costs.

A client is `liov` on the host, since a host has no memory for so many VMs. To the controller and to the host module it
is what a VM is.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils._bench import drive, estimate, watch
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.contenders.base import Place, Share
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.contenders.lightiov import MDEVS, create, mdev
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.drive import Drive, parts
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.order import SCHEMA
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host, wait_until
from ansible_collections.lightiov.nvme.plugins.module_utils._sysfs import DRIVER, STOCK_DRIVER, controllers

# Of those that are opened one by one, so many.
OPENED = 10
# So little that opening is not mostly pinning, which goes by the memory and not by the number of clients.
OPENED_MEMORY = "16M"
READS = ("--mode", "randread", "--queue-depth", "1", "--seconds", "86400", "--json")
# Until all have started; a program more takes an emulated CPU some tenths of a second.
START_SECONDS = 600
END_SECONDS = 300
# Whoever counts would have a turn among hundreds who read.
HIGHEST = -20
MEASURES = ("create_us", "open_us", "close_us", "delete_us", "kib", "iops", "mean_us", "p99_us", "fairness", "cpu_us")
# Those of one client, which should be the same however many there are.
COSTS = MEASURES[:5]


@dataclass(frozen=True)
class Order:
    """What to measure."""

    serial: str
    nsid: int
    size: int
    clients: int
    seconds: float


def crowd(host: Host, order: Order) -> dict[str, Any]:
    host.path(drive.RUN).mkdir(parents=True, exist_ok=True)
    with drive.alone(host):
        began = time.monotonic()
        taken = drive.take(host, order.serial, order.nsid, order.size, lambda spare: parts(spare, order.clients))
        result: dict[str, Any] = {
            "schema": SCHEMA,
            "boot_id": watch.boot_id(host),
            "began": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        }
        try:
            taken.bind(DRIVER)
            result.update(_measured(host, taken, order))
        finally:
            # Its mdevs go with the driver.
            taken.bind(STOCK_DRIVER)
        drive.give_back(host)
        return {**result, "seconds": time.monotonic() - began}


def _measured(host: Host, taken: Drive, order: Order) -> dict[str, Any]:
    [controller] = [one for one in controllers(host) if one.address == taken.address]
    most = controller.queue_pairs_free or 0
    if order.clients > most:
        return {"unavailable": f"Controller {taken.serial} has {most} queue pairs, not {order.clients}."}
    place = Place(host, taken, vcpus=1, qemu=(0, 0))
    shares = [Share(number, *part) for number, part in enumerate(parts(taken, order.clients))]
    mdevs = [mdev(share) for share in shares]
    before = available_kib(host)
    created = [timed(partial(create, place, share, 1)) for share in shares]
    used = before - available_kib(host)
    step = max(1, len(mdevs) // OPENED)
    opened, closed = zip(*(open_and_close(host, one) for one in mdevs[::step]))
    found = at_work(host, taken, mdevs, order.seconds)
    deleted = [timed(partial(host.write_attribute, f"{MDEVS}/{one}/remove", "1")) for one in mdevs]
    return {
        "steal": found.pop("steal"),
        "crowd": {
            "create_us": statistics.median(created) * 1e6,
            "open_us": statistics.median(opened) * 1e6,
            "close_us": statistics.median(closed) * 1e6,
            "delete_us": statistics.median(deleted) * 1e6,
            "kib": used / order.clients,
            **found,
        },
    }


def timed(do: Callable[[], object]) -> float:
    began = time.perf_counter()
    do()
    return time.perf_counter() - began


def available_kib(host: Host) -> int:
    found = re.search(r"^MemAvailable: +(\d+) kB", host.read("/proc/meminfo") or "", re.MULTILINE)
    return int(found[1]) if found else 0


def ready(host: Host, one: str) -> bool:
    return host.read(f"{MDEVS}/{one}/state") == "ready"


def liov(host: Host) -> str:
    program = host.runner.find("liov")
    if not program:
        raise LightiovError("liov is not installed: role native of lightiov.nvme installs it")
    return program


@contextlib.contextmanager
def before_others() -> Iterator[int]:
    """This process before all others: with hundreds of readers on few CPUs it would take minutes to start the next.

    What is yielded is the usual nice value, for those it starts.
    """
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    os.setpriority(os.PRIO_PROCESS, 0, HIGHEST)
    try:
        yield usual
    finally:
        os.setpriority(os.PRIO_PROCESS, 0, usual)


@contextlib.contextmanager
def readers(host: Host, mdevs: Sequence[str], nice: int) -> Iterator[list[subprocess.Popen[str]]]:
    """A `liov` each that reads 4 KiB after the other, until it is asked for what it has measured."""
    program = liov(host)
    started: list[subprocess.Popen[str]] = []
    try:
        for one in mdevs:
            command = [program, "bench", one, *READS]
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            started.append(process)
            os.setpriority(os.PRIO_PROCESS, process.pid, nice)
        yield started
    finally:
        for process in started:
            process.kill()
            process.wait()
            for stream in (process.stdout, process.stderr):
                if stream:
                    stream.close()


def await_all(host: Host, mdevs: Sequence[str], started: Sequence[subprocess.Popen[str]]) -> None:
    """Until all of them have their queues."""

    def there() -> bool:
        ended = next((one for one in started if one.poll() is not None), None)
        if ended:
            said = ended.communicate()[1].strip()
            raise LightiovError(f"liov ended with {ended.returncode}, and said: {said or 'nothing'}")
        return all(ready(host, one) for one in mdevs)

    if not wait_until(there, START_SECONDS, interval=0.5):
        raise LightiovError(f"Not all of {len(mdevs)} clients have their queues within {START_SECONDS} s")


def open_and_close(host: Host, one: str) -> tuple[float, float]:
    """Seconds until a client has its queues and has read a block, and until it has given all back."""
    said = json.loads(host.runner.run([liov(host), "setup", one, "--memory", OPENED_MEMORY, "--queues", "1", "--json"]))
    return said["open_ms"] / 1e3, said["close_ms"] / 1e3


def at_work(host: Host, taken: Drive, mdevs: Sequence[str], seconds: float) -> dict[str, float]:
    """All at once, each with one random read of 4 KiB after the other."""
    began = time.monotonic()
    with before_others() as usual, readers(host, mdevs, usual) as started:
        await_all(host, mdevs, started)
        # For as long as it took them to come, so that what is counted is mostly of all together.
        seconds = max(seconds, time.monotonic() - began)
        before = watch.look(host, taken, None)
        time.sleep(seconds)
        after = watch.look(host, taken, None)
        for one in started:
            one.send_signal(signal.SIGTERM)
        said = [one.communicate(timeout=END_SECONDS) for one in started]
    found = clients([json.loads(out) for out, _errors in said])
    cost = watch.per_io(before, after, found["iops"])
    return {**found, "cpu_us": cost["outside_us"], "steal": watch.steal(before, after)}


def clients(results: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Of what each has measured."""
    return estimate.together(
        [
            {"iops": one["iops"], "mean_us": one["latency_us"]["mean"], "p99_us": one["latency_us"]["p99"]}
            for one in results
        ]
    )
