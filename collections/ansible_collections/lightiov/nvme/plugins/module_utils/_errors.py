# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator can put right, in one sentence."""

from __future__ import annotations

import errno

REMEDIES = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EROFS: "mount its file system for writing",
}


class LightiovError(Exception):
    """One sentence that names the object, the cause and the remedy."""


def sentence(error: LightiovError | OSError) -> str:
    """What to tell the operator, also of an error that is the system's own."""
    if isinstance(error, LightiovError):
        return str(error)
    name = error.filename or "A file or command of this task"
    if isinstance(error, PermissionError):
        return f"{name} is not accessible to this user: run the task as root with become"
    remedy = REMEDIES.get(error.errno or 0, "see the kernel log, and whether the file is what it should be")
    return f"{name} cannot be used, because the system says {error.strerror or error}: {remedy}"
