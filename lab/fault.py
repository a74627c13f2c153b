# SPDX-License-Identifier: GPL-3.0-or-later
"""What an emulated controller does wrong on demand: the text of the property that qemu_faults.patch gives it.

with host.fault("nvme0", Fault(Kind.STATUS, 0x4281, command=Io.READ)):
    ...  # each read fails of an unrecovered read error
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum

ADMIN, IO = "admin", "io"
# A status is completed as NVMe has it, without the phase tag: code, type, and these.
DO_NOT_RETRY = 0x4000
RETRY_DELAYS_MS = (100, 500, 2000)


def retry_delay(number: int) -> int:
    """The bits of a status that ask for delay 1, 2 or 3 of RETRY_DELAYS_MS before the command is tried again."""
    return number << 11


class Admin(IntEnum):
    DELETE_SQ = 0x00
    CREATE_SQ = 0x01
    GET_LOG_PAGE = 0x02
    DELETE_CQ = 0x04
    CREATE_CQ = 0x05
    IDENTIFY = 0x06
    SET_FEATURES = 0x09
    FORMAT_NVM = 0x80


class Io(IntEnum):
    FLUSH = 0x00
    WRITE = 0x01
    READ = 0x02
    WRITE_ZEROES = 0x08
    DEALLOCATE = 0x09


class Kind(Enum):
    """What befalls a command; `Fault.value` says more of the first four."""

    STATUS = "status"  # not executed, but completed with this status
    STALL = "stall"  # executed when the fault is over, or after so many milliseconds
    GARBLE = "garble"  # so many bytes, or all, of an admin command's data are random
    PUT = "put"  # one byte of an admin command's data, `Fault.at`, has this value
    VANISH = "vanish"  # not executed, and never completed
    WRONG_ID = "lie=cid"  # completed with an ID that no command has
    STRAY = "lie=stray"  # a completion with such an ID comes in addition
    TWICE = "lie=twice"  # completed twice
    WRONG_PHASE = "lie=phase"
    WRONG_SQ_HEAD = "lie=sqhead"
    ANY_LIE = "lie=any"  # one of these five, at random


TAKES_VALUE = (Kind.STATUS, Kind.STALL, Kind.GARBLE, Kind.PUT)
NEEDS_VALUE = {Kind.STATUS: "the status", Kind.PUT: "the byte"}


@dataclass(frozen=True)
class Fault:
    """Which commands, and what befalls them. What is not given does not restrict."""

    kind: Kind
    value: int | None = None
    command: Admin | Io | None = None
    # ADMIN, IO or a queue's ID; that of `command` unless it is given.
    queue: str | int | None = None
    nsid: int | None = None
    # The low half of Command Dword 10: a queue's ID, or what Identify is asked for.
    cdw10: int | None = None
    # The first so many are spared, and of the others ...
    spared: int | None = None
    # ... one in so many is not, ...
    every: int | None = None
    # ... until there were so many.
    count: int | None = None
    # Of what is random.
    seed: int | None = None
    # Which byte of the data Kind.PUT changes, the first unless given.
    at: int | None = None

    def __post_init__(self) -> None:
        if self.kind in NEEDS_VALUE and self.value is None:
            raise ValueError(f"a fault of {self.kind} needs a value: {NEEDS_VALUE[self.kind]}")
        if self.value is not None and self.kind not in TAKES_VALUE:
            raise ValueError(f"a fault of {self.kind} has no value: leave {self.value} out")

    def __str__(self) -> str:
        given = {
            "queue": self.default_queue if self.queue is None else self.queue,
            "opcode": None if self.command is None else int(self.command),
            "nsid": self.nsid,
            "cdw10": self.cdw10,
            "spared": self.spared,
            "every": self.every,
            "count": self.count,
            "seed": self.seed,
            "at": self.at,
        }
        words = [self.kind.value if self.value is None else f"{self.kind.value}={self.value:#x}"]
        words += [f"{key}={value}" for key, value in given.items() if value is not None]
        return ",".join(words)

    @property
    def default_queue(self) -> str | None:
        """Where such commands are given."""
        if self.command is None:
            return None
        return ADMIN if isinstance(self.command, Admin) else IO
