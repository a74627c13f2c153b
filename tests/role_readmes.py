#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the table of variables into each role's README, from the role's argument specification.

With --check nothing is written, and a README that is not current is an error.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROLES = Path(__file__).resolve().parents[1] / "collections/ansible_collections/lightiov/nvme/roles"
BEGIN = "<!-- From here to the end: `make docs` writes it, from meta/argument_specs.yml. -->\n"
MARKUP = re.compile(r"\b[CIBVOPM]\(([^)#]*)(?:#\w+)?\)")


def main(arguments: list[str]) -> int:
    stale = [path for path in sorted(ROLES.glob("*/README.md")) if path.read_text() != current(path)]
    if arguments == ["--check"]:
        for path in stale:
            print(f"{path} is not what its role's argument specification says: run `make docs`", file=sys.stderr)
        return 1 if stale else 0
    for path in stale:
        path.write_text(current(path))
    return 0


def current(readme: Path) -> str:
    """What the README of a role should be."""
    meta = readme.parent / "meta"
    specifications = yaml.safe_load((meta / "argument_specs.yml").read_text())["argument_specs"]
    dependencies = yaml.safe_load((meta / "main.yml").read_text())["dependencies"]
    names = [dependency["role"].rpartition(".")[2] for dependency in dependencies]
    parts = [
        readme.read_text().partition(BEGIN)[0].rstrip("\n"),
        BEGIN.rstrip("\n"),
        *(table(entry, specification.get("options", {})) for entry, specification in specifications.items()),
        *(f"And the variables of [{name}](../{name}/README.md)." for name in names),
    ]
    return "\n\n".join(parts) + "\n"


def table(entry: str, options: Mapping[str, Any]) -> str:
    heading = "## Variables" if entry == "main" else f"## Variables with `tasks_from: {entry}`"
    if not options:
        return f"{heading}\n\nNone of its own."
    return "\n".join(
        [heading, "", "| variable | type | default | meaning |", "| --- | --- | --- | --- |", *rows(options)]
    )


def rows(options: Mapping[str, Any], inside: str = "") -> Iterator[str]:
    for name, option in options.items():
        cells = [f"`{inside}{name}`", kind(option), default(option), meaning(option)]
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
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
