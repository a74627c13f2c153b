# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which namespaces LightIOV has made: a controller does not keep who made one, and chooses its identity itself."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host, write_atomically

RECORD = "/etc/lightiov/namespaces.json"
# None is a number, or has the dot that is in every identity.
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True)
class Made:
    """A namespace by the name that the operator gives it, `size` in bytes.

    Without `identity` it is about to be made: `others` are the keys of the namespaces that were there before.
    `image` is what it is still to be filled from, empty once it is.
    """

    size: int
    identity: str = ""
    image: str = ""
    others: tuple[str, ...] = ()

    @property
    def pending(self) -> bool:
        return not self.identity


# By serial number of the controller, and by name.
Record = Mapping[str, Mapping[str, Made]]


def recorded(host: Host) -> Record:
    try:
        content = json.loads(host.path(RECORD).read_text(encoding="utf-8"))
        return {
            str(serial): {str(name): _made(one) for name, one in found.items()} for serial, found in content.items()
        }
    except FileNotFoundError:
        return {}
    except (ValueError, AttributeError, KeyError, TypeError):
        raise LightiovError(
            f"{RECORD} is not a record of namespaces, so nobody knows which of them LightIOV has made: correct the "
            "file, or remove it and name the namespaces by their identities (namespace in lightiov_namespaces)"
        ) from None


def _made(content: Mapping[str, object]) -> Made:
    made = Made(**content)  # type: ignore[arg-type]
    return replace(made, others=tuple(made.others))


def write(host: Host, record: Record) -> None:
    path = host.path(RECORD)
    content = {
        serial: {name: asdict(one) for name, one in sorted(found.items())}
        for serial, found in sorted(record.items())
        if found
    }
    if content:
        write_atomically(path, json.dumps(content, indent=2) + "\n")
    else:
        path.unlink(missing_ok=True)


def note(host: Host, serial: str, name: str, made: Made | None) -> None:
    """Have the record say this of a namespace, or nothing."""
    record = recorded(host)
    found = {other: one for other, one in record.get(serial, {}).items() if other != name}
    write(host, {**record, serial: {**found, **({name: made} if made else {})}})
