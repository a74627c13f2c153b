# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._record import RECORD
from ansible_collections.lightiov.nvme.plugins.modules import controller_info
from fake_host import FakeHost


class FakeModule:
    def __init__(self, **_options: Any) -> None:
        """It has no arguments."""

    def exit_json(self, **result: Any) -> None:
        raise SystemExit(str(result))

    def fail_json(self, msg: str) -> None:
        raise SystemExit(msg)


def test_an_error_is_a_sentence(host: Host, fake: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.write(RECORD, "no record")
    monkeypatch.setattr(controller_info, "AnsibleModule", FakeModule)
    monkeypatch.setattr(controller_info, "Host", lambda: host)
    with pytest.raises(SystemExit, match=f"{RECORD} is not a record of controllers: remove the file"):
        controller_info.main()
