# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages with variables have those that the roles' argument specifications have, and all that is used."""

from __future__ import annotations

import re
import subprocess
import sys

from ansible_collections.lightiov.nvme.plugins.module_utils._partition.intent import (
    KINDS,
    MAX_WEIGHT,
    NUMA,
    PLANNED_KEYS,
)
from ansible_collections.lightiov.nvme.plugins.module_utils._vms import VM_KEYS

from lab.paths import COLLECTION, PROJECT
from tests.role_readmes import OF_PLAYBOOKS

TEXTS = (".yml", ".j2")


def rows(page: str) -> list[str]:
    return re.findall(r"^\| `([\w.]+)` \|", page, re.MULTILINE)


def test_readmes_are_current() -> None:
    subprocess.run([sys.executable, PROJECT / "tests/role_readmes.py", "--check"], check=True)


def test_all_variables_that_are_used_are_on_one_page_and_once() -> None:
    page = (COLLECTION / "docs/variables.md").read_text()
    parts = [COLLECTION / "playbooks", COLLECTION / "roles"]
    files = [file for part in parts for file in part.rglob("*") if file.suffix in TEXTS]
    used = {name for file in files for name in re.findall(r"(?<![\w/.-])lightiov_\w+\b(?![.-])", file.read_text())}
    assert len(used) > 50
    modules = {"lightiov_host", "lightiov_guest"}
    groups = {"lightiov_hosts", "lightiov_guests"}
    listed = rows(page)
    assert used - modules - groups - set(listed) == set()
    assert len(set(listed)) == len(listed)


def test_default_of_what_only_playbooks_take_is_theirs() -> None:
    texts = [file.read_text() for file in (COLLECTION / "playbooks").glob("*.yml")]
    defaults = {found for text in texts for found in re.findall(r"lightiov_task_timeout \| default\((\d+)\)", text)}
    assert {str(OF_PLAYBOOKS["lightiov_task_timeout"]["default"])} == defaults


def test_keys_of_a_wish_are_those_that_the_plan_takes() -> None:
    page = (COLLECTION / "docs/planning.md").read_text().partition("### Keys of a wish\n")[2].partition("\n#")[0]
    listed = rows(page)
    assert {name for name in listed if "." not in name} == PLANNED_KEYS
    assert {name for name in listed if "." in name} == {
        *("queue_pairs.wanted", "queue_pairs.least"),
        *("apart.from", "apart.over"),
    }
    every = {
        name.split(".")[1]
        for name in rows((COLLECTION / "docs/variables.md").read_text())
        if name.startswith("lightiov_vms.")
    }
    assert every == VM_KEYS
    [least] = re.findall(r"`weight` .*, 1 to (\d+) \|", page)
    assert int(least) == MAX_WEIGHT
    for key, choices in (("kind", KINDS), ("numa", NUMA)):
        [(default, meaning)] = re.findall(rf"^\| `{key}` \| str \| `(\w+)` \| (.*) \|$", page, re.MULTILINE)
        assert default == choices[0]
        assert set(re.findall(r"`(\w+)`", meaning)) == set(choices)
