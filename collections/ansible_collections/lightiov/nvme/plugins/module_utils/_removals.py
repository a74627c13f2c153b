# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is merely missing from a list may be missing by mistake."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError


def check_removals(names: Sequence[str], clause: str, keep: str, remove: bool, most: int | None) -> None:
    """Raise LightiovError unless all of these may go in one run.

    `clause` says of what kind they are and what becomes of them, `keep` what else to do about them. `remove` is the
    operator's consent, for `most` at once.
    """
    listed, clause = ", ".join(names), f"{clause}, {len(names)} of them"
    if names and not remove:
        raise LightiovError(f"{clause}: {listed}; {keep}, or add remove to lightiov_allow (option remove)")
    if most is not None and len(names) > most:
        raise LightiovError(
            f"{clause}, which is more than the {most} that one run may remove: {listed}; {keep}, or raise "
            "lightiov_removals_max (option removals_max)"
        )
