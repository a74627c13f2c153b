#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the table of variables into each role's README, and that of all roles and playbooks into docs/variables.md,
from the roles' argument specifications.

With --check nothing is written, and a page that is not current is an error.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from lab.paths import COLLECTION

ROLES = COLLECTION / "roles"
ALL = COLLECTION / "docs/variables.md"
BEGIN = "<!-- From here to the end: `make docs` writes it, from meta/argument_specs.yml. -->\n"
# What no role takes.
OF_PLAYBOOKS: dict[str, dict[str, Any]] = {
    "lightiov_task_timeout": {
        "type": "int",
        "default": 1800,
        "description": "How many seconds a task of a playbook may take that has no limit of its own.",
    },
    "lightiov_ssh_args": {
        "type": "str",
        "description": (
            "Not set but used: the playbooks give it to each VM, for C(ansible_ssh_common_args). It leads to the VM "
            "through its hypervisor."
        ),
    },
    "lightiov_generation": {
        "type": "int",
        "description": (
            "Not set by people: the plan writes it into each file of placements. It is the generation of the host that "
            "the file was planned from, and a host refuses a file of another."
        ),
    },
}
MARKUP = re.compile(r"\b[CIBVOPM]\(([^)#]*)(?:#\w+)?\)")


def main(arguments: list[str]) -> int:
    pages = {ALL: variables(), **{path: of_role(path.parent) for path in sorted(ROLES.glob("*/README.md"))}}
    current = {path: page(path, parts) for path, parts in pages.items()}
    stale = [path for path, text in current.items() if path.read_text() != text]
    if arguments == ["--check"]:
        for path in stale:
            print(f"{path} is not what the roles' argument specifications say: run `make docs`", file=sys.stderr)
        return 1 if stale else 0
    for path in stale:
        path.write_text(current[path])
    return 0


def page(path: Path, parts: list[str]) -> str:
    """With what people wrote before the mark."""
    return "\n\n".join([path.read_text().partition(BEGIN)[0].rstrip("\n"), BEGIN.rstrip("\n"), *parts]) + "\n"


def specified(role: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((role / "meta/argument_specs.yml").read_text())["argument_specs"]
    return found


def of_role(role: Path) -> list[str]:
    dependencies = yaml.safe_load((role / "meta/main.yml").read_text())["dependencies"]
    names = [dependency["role"].rpartition(".")[2] for dependency in dependencies]
    return [
        *(table(entry, specification.get("options", {})) for entry, specification in specified(role).items()),
        *(f"And the variables of [{name}](../{name}/README.md)." for name in names),
    ]


def variables() -> list[str]:
    """Each variable once, as the role has it that says most of it."""
    said: dict[str, list[Mapping[str, Any]]] = {}
    taken_by: dict[str, dict[str, None]] = {}
    for role in sorted(ROLES.iterdir()):
        for specification in specified(role).values():
            for name, option in specification.get("options", {}).items():
                said.setdefault(name, []).append(option)
                taken_by.setdefault(name, {})[f"[{role.name}](../roles/{role.name}/README.md)"] = None
    for name, option in OF_PLAYBOOKS.items():
        said.setdefault(name, []).append(option)
        taken_by.setdefault(name, {})["playbooks"] = None
    listed = []
    for name in sorted(said):
        fullest = max(said[name], key=lambda one: ("options" in one, "default" in one, len(meaning(one))))
        for number, (*cells, last) in enumerate(rows({name: fullest})):
            listed.append([*cells, "" if number else ", ".join(taken_by[name]), last])
    return [lines(["variable", "type", "default", "roles", "meaning"], listed)]


def table(entry: str, options: Mapping[str, Any]) -> str:
    heading = "## Variables" if entry == "main" else f"## Variables with `tasks_from: {entry}`"
    if not options:
        return f"{heading}\n\nNone of its own."
    return f"{heading}\n\n{lines(['variable', 'type', 'default', 'meaning'], rows(options))}"


def lines(head: list[str], listed: Iterable[list[str]]) -> str:
    escaped = ([cell.replace("|", r"\|") for cell in cells] for cells in listed)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *escaped))


def rows(options: Mapping[str, Any], inside: str = "") -> Iterator[list[str]]:
    for name, option in options.items():
        yield [f"`{inside}{name}`", kind(option), default(option), meaning(option)]
        yield from rows(option.get("options", {}), f"{inside}{name}.")


def kind(option: Mapping[str, Any]) -> str:
    return f"list of {option['elements']}" if "elements" in option else option["type"]


def default(option: Mapping[str, Any]) -> str:
    if option.get("required"):
        return "(required)"
    if "default" not in option:
        return ""
    value = option["default"]
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def meaning(option: Mapping[str, Any]) -> str:
    description = option["description"]
    paragraphs = [description] if isinstance(description, str) else description
    choices = [f"V({choice})" for choice in option.get("choices", [])]
    if any(choice not in " ".join(paragraphs) for choice in choices):
        paragraphs = [*paragraphs, f"One of {', '.join(choices)}."]
    return MARKUP.sub(r"`\1`", "<br>".join(paragraphs))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
