# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who LightIOV's controllers are, kept on the host for when no driver has them and can say."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host, write_atomically

RECORD = "/etc/lightiov/controllers.json"


@dataclass(frozen=True)
class Identity:
    serial: str
    model: str
    firmware: str


def identities(host: Host) -> dict[str, Identity]:
    """By PCI address."""
    try:
        content = json.loads(host.path(RECORD).read_text(encoding="utf-8"))
        return {str(address): Identity(**identity) for address, identity in content.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, AttributeError, TypeError):
        raise LightiovError(
            f"{RECORD} is not a record of controllers: remove the file, lightiov.nvme.controller writes it anew"
        ) from None


def record(host: Host, known: Mapping[str, Identity]) -> None:
    if known:
        content = {address: asdict(identity) for address, identity in sorted(known.items())}
        write_atomically(host.path(RECORD), json.dumps(content, indent=2) + "\n")
    else:
        path = host.path(RECORD)
        path.unlink(missing_ok=True)
        # Others may keep files there.
        with contextlib.suppress(OSError):
            path.parent.rmdir()
