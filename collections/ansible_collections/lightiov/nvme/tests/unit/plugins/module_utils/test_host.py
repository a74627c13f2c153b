# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.lightiov.nvme.plugins.module_utils._host import write_atomically


def write_often(path: Path, text: str) -> int:
    """In a process of its own, whose number is returned."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            for _time in range(200):
                write_atomically(path, text)
            status = 0
        finally:
            os._exit(status)
    return child


def test_files_of_several_writers_are_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    texts = {"a" * 10, "b" * 100_000}
    write_atomically(path, "a" * 10)
    writers = [write_often(path, text) for text in sorted(texts)]
    while writers:
        assert path.read_text() in texts
        ended, status = os.waitpid(writers[-1], os.WNOHANG)
        if ended:
            assert status == 0
            writers.pop()
    assert list(tmp_path.iterdir()) == [path]
