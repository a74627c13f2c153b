# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How modules that measure on a host answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.drive import Refusal
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError, sentence


def answer(module: AnsibleModule, measure: Callable[[], dict[str, Any]]) -> None:
    """Measure, unless in check mode, and exit with what was found or why not."""
    if module.check_mode:
        module.exit_json(changed=False)
    try:
        # Nothing that stays is changed.
        module.exit_json(changed=False, visit=measure())
    except (LightiovError, OSError) as error:
        module.fail_json(msg=sentence(error), refused=isinstance(error, Refusal))
