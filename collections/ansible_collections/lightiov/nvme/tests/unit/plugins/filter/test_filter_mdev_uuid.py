# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.lightiov.nvme.plugins.filter.mdev_uuid import FilterModule

mdev_uuid = FilterModule().filters()["mdev_uuid"]


def test_same_names_give_the_same_uuid_for_ever() -> None:
    # A value once given out must never change: mdevs are found by it.
    assert mdev_uuid("LIOV1A", "vm1", "data") == "90d09a27-a8dc-55d3-a1ee-60a688611c97"


def test_error_is_one_of_templates() -> None:
    with pytest.raises(AnsibleFilterError, match="slash"):
        mdev_uuid("LIOV1A", "vm/1", "data")
