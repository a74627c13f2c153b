# SPDX-License-Identifier: GPL-3.0-or-later
"""What a template puts into a command line is one word of it, whatever the value."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from lab.paths import COLLECTION, PROJECT

PLACES = [COLLECTION / "roles", COLLECTION / "playbooks", PROJECT / "molecule"]
RUNNERS = {f"ansible.builtin.{name}" for name in ("command", "expect", "raw", "script", "shell")}
TEMPLATE = re.compile(r"{{(.*?)}}|{%.*?%}", re.DOTALL)
# What ends in a filter that leaves one word or several, none of which the shell takes for anything else; and text that
# the task itself has. A filter is of the last operand alone.
SAFE = re.compile(
    r"(?!.*(~| \+ |\belse\b))"
    r"(.*\| quote|.*\| map\('quote'\) \| join\(' '\)"
    r"|[^|]*\| int( if .*)?"
    r"|'\w+'( if .*)?)",
    re.DOTALL,
)


def commands(content: Any) -> Iterator[tuple[dict[str, Any], str]]:
    """Tasks with the command lines that are split into words, also in blocks and handlers."""
    if isinstance(content, list):
        for one in content:
            yield from commands(one)
    elif isinstance(content, dict):
        for module in RUNNERS & content.keys():
            arguments = content[module]
            line = arguments if isinstance(arguments, str) else arguments.get("cmd", arguments.get("command", ""))
            # A list of words needs no quoting; one of a loop's own lines has none.
            if line != "{{ item }}":
                yield content, line
            elif not isinstance(content["loop"], list):
                yield content, content["loop"]
            else:
                yield from ((content, item) for item in content["loop"])
        for value in content.values():
            yield from commands(value)


def unquoted(line: str) -> list[str]:
    return [match[0] for match in TEMPLATE.finditer(line) if not SAFE.fullmatch((match[1] or "").strip())]


def test_arguments_of_commands_are_quoted() -> None:
    found = [
        (file, task["name"], line)
        for place in PLACES
        for file in sorted(place.rglob("*.yml"))
        for task, line in commands(yaml.safe_load(file.read_text()))
    ]
    assert len([line for _file, _name, line in found if "{{" in line]) > 5
    faults = [f"{file.relative_to(PROJECT)}: {name}: {one}" for file, name, line in found for one in unquoted(line)]
    assert faults == []


@pytest.mark.parametrize(
    ("line", "faults"),
    [
        ("probe.py {{ uri | quote }} {{ names | map('quote') | join(' ') }}", []),
        ("check.py {{ item.queue_pairs | int }} {{ mib | int if write | bool and not item.read_only }}", []),
        ("hold.sh {{ 'check' if ansible_check_mode }}", []),
        ("hold.sh {{ state }}", ["{{ state }}"]),
        ("hold.sh {{ state | quote ~ other }}", ["{{ state | quote ~ other }}"]),
        ("hold.sh {{ names | join(' ') }}", ["{{ names | join(' ') }}"]),
        ("hold.sh {{ other ~ state | quote }}", ["{{ other ~ state | quote }}"]),
        ("hold.sh {{ 'check' if ansible_check_mode else other }}", ["{{ 'check' if ansible_check_mode else other }}"]),
        ("hold.sh {{ 'check' ~ other }}", ["{{ 'check' ~ other }}"]),
        ("hold.sh {% if other %}x{% endif %}", ["{% if other %}", "{% endif %}"]),
    ],
)
def test_what_is_taken_for_quoted(line: str, faults: list[str]) -> None:
    assert unquoted(line) == faults
