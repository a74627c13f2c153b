# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.lightiov.nvme.plugins.filter import vms

FILTERS = vms.FilterModule().filters()


def test_each_has_its_documentation() -> None:
    assert FILTERS.keys() <= {file.stem for file in Path(vms.__file__).parent.glob("*.yml")}


@pytest.mark.parametrize("name", sorted(FILTERS))
def test_error_is_one_of_templates(name: str) -> None:
    options = ["/images"] if name == "vm_domains" else []
    with pytest.raises(AnsibleFilterError, match=r"^VM vm1 has no tenant: "):
        FILTERS[name]([{"name": "vm1"}], *options)
