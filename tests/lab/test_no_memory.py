# SPDX-License-Identifier: GPL-3.0-or-later
"""Each allocation of an operation fails in its turn, and the operation is undone or survives without it."""

from __future__ import annotations

import json

import pytest
from passthrough import MDEVS, PCI, Controller

from lab import Host

pytestmark = pytest.mark.debug

# Runs on the host. Writing n to fail-nth makes the n-th allocation from then on fail, once, in this task only.
SWEEP = """
import json, sys

def attempt(path, text, nth):
    "Writes text to path; tells whether an allocation was made to fail, and what the kernel answered."
    with open(path, "wb", buffering=0) as target, open("/proc/thread-self/fail-nth", "r+b", buffering=0) as fail:
        fail.write(b"%d" % nth)
        try:
            target.write(text)
            error = 0
        except OSError as refused:
            error = refused.errno
        left = int(fail.read(20).strip(b"\\0\\n") or 0)
        fail.write(b"0")
    return left == 0, error

do, undo = json.loads(sys.argv[1])
errors = []
for nth in range(1, 2000):
    injected, error = attempt(do[0], do[1].encode(), nth)
    if undo and not error:
        attempt(undo[0], undo[1].encode(), 0)
    if not injected:
        break
    errors.append(error)
print(json.dumps({"last": error, "errors": errors}))
"""
ENOMEM = 12


@pytest.fixture
def sweep(host: Host):
    """Runs an operation again and again, with the next allocation failing each time, until none is left to fail."""
    for kind in ("failslab", "fail_page_alloc"):
        # Also allocations that may sleep; and no backtrace for each.
        host.run(
            f"cd /sys/kernel/debug/{kind} && echo N > ignore-gfp-wait && echo 0 > verbose && "
            "if [ -e min-order ]; then echo 0 > min-order; fi"
        )
    host.run("cat > /run/sweep.py", stdin=SWEEP)

    def run(do: tuple[str, str], undo: tuple[str, str] | None = None) -> list[int]:
        argument = json.dumps([do, undo]).replace("'", "'\\''")
        found = json.loads(host.run(f"python3 /run/sweep.py '{argument}'", timeout=3600).stdout)
        assert found["last"] == 0, "the operation fails even when no allocation does"
        return found["errors"]

    return run


def test_creating_an_mdev(controller: Controller, sweep) -> None:
    mdev = controller.create()
    mdev.remove()
    errors = sweep(
        (f"{controller.sysfs}/mdev_supported_types/lightiov-passthrough/create", mdev.uuid),
        (f"{MDEVS}/{mdev.uuid}/remove", "1"),
    )
    assert ENOMEM in errors
    assert controller.namespaces()[1] == "-"


@pytest.mark.parametrize(("attribute", "value", "nothing"), [("queue_pairs", "4", "0"), ("namespaces", "1,2", "")])
def test_giving_an_mdev_what_it_is_to_have(
    controller: Controller, sweep, attribute: str, value: str, nothing: str
) -> None:
    mdev = controller.mdev("3", 1)
    assert ENOMEM in sweep((f"{mdev.sysfs}/{attribute}", value), (f"{mdev.sysfs}/{attribute}", nothing or "\n"))


def test_taking_over_a_controller(controller: Controller, sweep) -> None:
    controller.unbind()
    errors = sweep(
        (f"{PCI}/drivers/lightiov/bind", controller.address), (f"{PCI}/drivers/lightiov/unbind", controller.address)
    )
    assert ENOMEM in errors
    controller.bind("lightiov")
    controller.mdev("1", 2).liov("verify", "--count 1024 --yes-destroy-data")


def test_resetting_a_controller(controller: Controller, sweep) -> None:
    mdev = controller.mdev("1", 2)
    sweep((f"{controller.sysfs}/lightiov/reset_controller", "1"))
    mdev.liov("verify", "--count 1024 --yes-destroy-data")
