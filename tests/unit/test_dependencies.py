# SPDX-License-Identifier: GPL-3.0-or-later
"""Other collections come with this one, or with the checkout, where something of theirs is used."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import yaml

from lab.paths import COLLECTION, PROJECT

OTHERS = re.compile(r"\b(ansible\.(?!builtin\b)\w+|community\.\w+)\.\w+")

DEPENDENCIES: dict[str, str] = yaml.safe_load((COLLECTION / "galaxy.yml").read_text())["dependencies"]
REQUIREMENTS: dict[str, str] = {
    one["name"]: one["version"] for one in yaml.safe_load((PROJECT / "requirements.yml").read_text())["collections"]
}


def used(files: Iterable[Path]) -> set[str]:
    return {name for file in files for name in OTHERS.findall(file.read_text())}


def test_galaxy_brings_what_roles_and_playbooks_use() -> None:
    assert used(file for part in ("roles", "playbooks") for file in (COLLECTION / part).rglob("*.yml")) == set(
        DEPENDENCIES
    )


def test_checkout_asks_for_what_operators_are_shown_as_well() -> None:
    shown = used([*COLLECTION.glob("docs/*.md"), *PROJECT.glob("inventories/**/*.yml")])
    assert shown | set(DEPENDENCIES) == set(REQUIREMENTS)
    assert DEPENDENCIES.items() <= REQUIREMENTS.items()
