# SPDX-License-Identifier: GPL-3.0-or-later
"""Role verify on a file as the disk of a VM."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playing import play

# To write, fio is needed: there may be none.
CHECK = """
- hosts: all
  gather_facts: false
  check_mode: true
  tasks:
    - ansible.builtin.include_role: {name: lightiov.nvme.verify, tasks_from: guest}
      vars:
        __lightiov_guest_disks: "{{ disks }}"
    - ansible.builtin.debug:
        msg: "{{ __lightiov_found.data.finding }}"
"""
BLANK = bytes(4 << 20)


def test_check_mode_reads_disks_that_may_be_written(tmp_path: Path) -> None:
    with tempfile.NamedTemporaryFile(dir="/var/tmp") as disk:  # not every tmpfs takes reads past the page cache
        disk.write(BLANK)
        disk.flush()
        last = play(
            tmp_path,
            CHECK,
            ansible_python_interpreter=sys.executable,
            lightiov_vm={"name": "vm1", "tenant": "blue"},
            lightiov_verify_write=True,
            disks=[{"name": "data", "path": disk.name, "queue_pairs": 1, "read_only": False}],
        )[-1]
        assert last["msg"] == "4 MiB read"
        assert Path(disk.name).read_bytes() == BLANK
