# SPDX-License-Identifier: GPL-3.0-or-later
"""Each role has a tag of its name, which runs it and what it cannot do without."""

from __future__ import annotations

import re
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from lab.paths import COLLECTION, PROJECT

ROLES = COLLECTION / "roles"
# By tag the roles that it runs.
TAGS = {
    "deploy.yml": {
        # A host that is new is prepared before it is planned.
        "partition": {"partition", "preflight", "vm", "native", "controller"},
        "preflight": {"preflight", "vm"},  # which plans the VMs
        "native": {"native"},
        "image": {"native", "image"},  # its copies have the driver, from the same source
        "controller": {"controller", "native"},  # which keeps the stock driver off
        "namespace": {"namespace"},
        "mdev": {"mdev", "partition"},  # which refuses placements that are stale
        "vm": {"vm", "partition"},
        "guest": {"native", "guest"},  # the driver is built from what role native copies
        "verify": {"verify", "guest"},  # waits for the VMs
    },
    "verify.yml": {"verify": {"verify", "guest"}},
    "teardown.yml": {
        "vm": {"vm"},
        "mdev": {"mdev"},
        "controller": {"controller", "native"},
        "native": {"native"},
    },
    "bench.yml": {
        "preflight": {"preflight"},
        "native": {"native"},
        "bench": {"native", "bench"},  # VMs get the driver, from the same source
    },
}
# What every run does: variables, and what is said at its end.
ALWAYS = {"devices", "report"}
TASK = re.compile(r"lightiov\.nvme\.(\w+) : (?!Validating arguments).*TAGS: \[(.*)\]")


@pytest.mark.parametrize("playbook", TAGS)
def test_each_tag_runs_its_role(tmp_path: Path, playbook: str) -> None:
    inventory = tmp_path / "hosts.yml"
    inventory.write_text("{lightiov_hosts: {hosts: {hv1: {}}}, lightiov_guests: {}}\n")
    listing = subprocess.run(
        ["ansible-playbook", "--inventory", inventory, PROJECT / "playbooks" / playbook, "--list-tasks"],
        cwd=PROJECT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    found = defaultdict(set)
    for role, tags in TASK.findall(listing):
        for tag in {*tags.split(", ")} - {"always"} if role not in ALWAYS else ():
            found[tag].add(role)
    assert found == TAGS[playbook]


def test_every_role_has_a_tag() -> None:
    tags = {tag for playbook in TAGS.values() for tag, roles in playbook.items() if tag in roles}
    assert tags | ALWAYS == {path.name for path in ROLES.iterdir()}
