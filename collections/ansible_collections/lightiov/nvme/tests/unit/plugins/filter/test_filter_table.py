# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.lightiov.nvme.plugins.filter.table import FilterModule

table = FilterModule().filters()["table"]


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert table([["VM", "NAMESPACE", "QUEUES"], ["vm1", 12, ""], ["a-long-name", "-", 2]]) == [
        "VM           NAMESPACE  QUEUES",
        "vm1          12",
        "a-long-name  -          2",
    ]


def test_short_row_ends_early() -> None:
    assert table([["a", "b"], ["longer"], []]) == ["a       b", "longer", ""]


def test_no_rows_are_no_lines() -> None:
    assert table([]) == []
