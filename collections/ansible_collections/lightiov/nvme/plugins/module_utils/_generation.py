# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How often a host's placements have changed, so that a plan made before another was applied is refused; and which
they are, for who has lost their file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils._alone import alone
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host, write_atomically

RECORD = "/etc/lightiov/generation"


@dataclass(frozen=True)
class Generation:
    number: int = 0
    # Of the placements that made it this one.
    digest: str = ""
    # These placements; None: who has accepted them kept no list.
    vms: list[dict[str, Any]] | None = field(default=None, repr=False)


def generation(host: Host) -> Generation:
    try:
        content = json.loads(host.path(RECORD).read_text(encoding="utf-8"))
        return Generation(int(content["number"]), str(content["digest"]), content.get("vms"))
    except FileNotFoundError:
        return Generation()
    except (AttributeError, ValueError, TypeError, KeyError):
        raise LightiovError(
            f"{RECORD} is not a record of a generation: remove the file, and plan again with lightiov.nvme.plan"
        ) from None


def accept(
    host: Host, name: str, expected: int, digest: str, *, vms: list[dict[str, Any]] | None = None, act: bool = True
) -> tuple[Generation, Generation]:
    """Go on to the next generation with these placements; one operator at a time, and only from the expected one.

    The same placements again are the same generation, whatever number they expect.
    """
    if not act:
        return _step(host, name, expected, digest, vms)
    with alone(host):
        before, after = _step(host, name, expected, digest, vms)
        if after != before:
            write_atomically(host.path(RECORD), json.dumps(asdict(after)) + "\n")
    return before, after


def _step(
    host: Host, name: str, expected: int, digest: str, vms: list[dict[str, Any]] | None
) -> tuple[Generation, Generation]:
    now = generation(host)
    if digest == now.digest:
        return now, now if vms is None else replace(now, vms=vms)
    if expected != now.number:
        raise LightiovError(
            f"The placements of host {name} were planned from its generation {expected}, and it is at {now.number}, "
            "because others have been applied since: take their files from version control, and plan again with "
            "lightiov.nvme.plan"
        )
    return now, Generation(now.number + 1, digest, vms)


@contextmanager
def applying(host: Host, number: int | None, act: bool = True) -> Iterator[None]:
    """Change the host while nobody else does, from the look at it that the plan is of to the last step; as its
    accepted placements say, not once others have replaced them. A list by hand has no number.

    Accepting and applying are several calls, and a plan that comes between has not seen what the later ones make.
    """
    if not act:
        yield
        return
    with alone(host):
        if number is not None and (now := generation(host).number) != number:
            raise LightiovError(
                f"The placements of generation {number} of this host are not applied any further, because others have "
                f"been accepted since, as its generation {now}: take their files from version control, and plan again "
                "with lightiov.nvme.plan"
            )
        yield
