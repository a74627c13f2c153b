# SPDX-License-Identifier: GPL-3.0-or-later
"""What a role changes is shown: no task is `changed` with an empty diff, but for tools that tell no difference."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lab.paths import COLLECTION, PROJECT

ROLES = COLLECTION / "roles"
# Of which no task is changed unless it says so.
CALM = {
    f"ansible.builtin.{name}"
    for name in (
        "assert", "debug", "fail", "import_role", "import_tasks", "include_role", "include_tasks", "include_vars",
        "meta", "set_fact", "wait_for_connection",
    )
}  # fmt: skip
# What they do is a state that nobody reads before and after, or many files at once: README.md of the collection lists
# them.
SILENT_MODULES = {
    "ansible.builtin.reboot",
    "ansible.builtin.unarchive",  # of a tar archive
    "community.general.modprobe",
    # They write what they measure, and its report, where Ansible runs.
    "lightiov.nvme.bench",
    "lightiov.nvme.bench_report",
}
# The same; the package that is built is named by the item.
SILENT_PROGRAMS = {"build_guest_package.sh", "dpkg", "modprobe", "udevadm", "update-grub", "update-initramfs"}


@dataclass(frozen=True)
class Task:
    file: Path
    content: dict[str, Any]
    following: dict[str, Any]

    @property
    def module(self) -> str:
        return next(key for key in self.content if "." in key)

    @property
    def arguments(self) -> dict[str, Any]:
        return self.content[self.module] or {}

    @property
    def may_change(self) -> bool:
        if self.module == "ansible.builtin.debug":  # which shows what it is about
            return False
        calm = self.module in CALM or self.module.endswith("_info")
        return self.content.get("changed_when", not calm) is not False

    @property
    def programs(self) -> set[str]:
        commands = self.arguments.get("argv") or shlex.split(self.arguments.get("cmd", ""))
        if commands[:1] == ["{{"]:
            return {command.split()[0] for command in self.content["loop"]}
        return set(commands[:1])

    @property
    def is_silent(self) -> bool:
        if self.module == "ansible.builtin.file":
            return self.arguments["state"] == "absent" and "loop" in self.content
        return self.module in SILENT_MODULES or bool(self.programs and self.programs <= SILENT_PROGRAMS)

    @property
    def is_shown_next(self) -> bool:
        register = self.content.get("register")
        return (
            self.following.get("ansible.builtin.debug") == {"msg": f"{{{{ {register}.stdout_lines }}}}"}
            and self.following["when"] == f"ansible_diff_mode and {register} is changed"
        )


def tasks(file: Path, contents: list[dict[str, Any]]) -> Iterator[Task]:
    for content, following in zip(contents, [*contents[1:], {}]):
        parts = [part for part in ("block", "rescue", "always") if part in content]
        for part in parts:
            yield from tasks(file, content[part])
        if not parts:
            yield Task(file, content, following)


def all_tasks() -> list[Task]:
    files = sorted([*ROLES.glob("*/tasks/*.yml"), *ROLES.glob("*/handlers/*.yml")])
    return [task for file in files for task in tasks(file, yaml.safe_load(file.read_text()))]


def with_diff(modules: set[str]) -> set[str]:
    """As their documentation has it."""
    listing = subprocess.run(
        ["ansible-doc", "--json", *sorted(modules)], cwd=PROJECT, check=True, capture_output=True, text=True
    )
    documented = {name: one["doc"]["attributes"]["diff_mode"] for name, one in json.loads(listing.stdout).items()}
    # N/A: it is that of the package manager, and all that Ansible calls have one.
    return {name for name, diff in documented.items() if diff["support"] in ("full", "partial", "N/A")}


def test_no_task_is_changed_with_an_empty_diff() -> None:
    changing = [task for task in all_tasks() if task.may_change]
    assert len(changing) > 30
    showing = with_diff({task.module for task in changing}) - SILENT_MODULES
    unshown = [
        f"{task.file.relative_to(ROLES)}: {task.content['name']}"
        for task in changing
        if not (task.module in showing and task.content.get("diff") is not False)
        if not task.is_silent and not task.is_shown_next
    ]
    assert unshown == []


def test_what_is_only_planned_shows_no_diff() -> None:
    """What acts on the plan does, and would a second time."""
    planning = [task for task in all_tasks() if task.content.get("check_mode") is True]
    assert len(planning) > 5
    assert [task.content["name"] for task in planning if task.content.get("diff") is not False] == []
