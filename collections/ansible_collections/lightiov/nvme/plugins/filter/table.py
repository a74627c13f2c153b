# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter lightiov.nvme.table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import zip_longest

DOCUMENTATION = r"""
name: table
short_description: Lay out rows as a table of text
version_added: 0.2.0
author:
  - LightIOV contributors (@lightiov)
description:
  - Makes a line of each row, with each column as wide as its widest cell. Columns are two blanks apart.
  - A row that is shorter than others ends early.
options:
  _input:
    description: Rows of cells, the heading first.
    type: list
    elements: list
    required: true
"""

EXAMPLES = r"""
- name: Show who trusts whom
  ansible.builtin.debug:
    msg: "{{ [['VM', 'TENANT'], ['vm1', 'blue'], ['vm2', 'green']] | lightiov.nvme.table }}"
"""

RETURN = r"""
_value:
  description: Lines of text.
  type: list
  elements: str
"""


def table(rows: Sequence[Sequence[object]]) -> list[str]:
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip_longest(*texts, fillvalue="")]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in texts]


class FilterModule:
    def filters(self) -> dict[str, Callable[..., list[str]]]:
        return {"table": table}
