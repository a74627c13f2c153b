# SPDX-License-Identifier: GPL-3.0-or-later
"""Recipes, and the hashes that name what was made from them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import images
from lab.recipe import Recipe


@pytest.fixture
def recipes(tmp_path: Path) -> Path:
    for part in ("common", "host"):
        etc = tmp_path / part / "root/etc"
        etc.mkdir(parents=True)
        (etc / "name").write_text(part)
        (tmp_path / part / "packages").write_text(f"# of {part}\n\nudev\nfor-{part}\n")
    script = tmp_path / "host/root/etc/script"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    return tmp_path


def key(root: Path, authorized: str = "ssh-ed25519 A", flavour: str = "stock") -> Path:
    return images.of_recipes(flavour, [Recipe.load("host", authorized, root)]).root


def test_a_recipe_adds_to_the_common_one(recipes: Path) -> None:
    recipe = Recipe.load("host", "ssh-ed25519 A", recipes)
    assert recipe.packages == ("for-common", "for-host", "udev")
    assert recipe.masked == ()
    assert recipe.files["etc/name"].content == b"host"
    assert recipe.files["etc/script"].executable
    assert recipe.files["root/.ssh/authorized_keys"].content == b"ssh-ed25519 A"


def test_the_digest_is_stable(recipes: Path) -> None:
    assert key(recipes) == key(recipes)


@pytest.mark.parametrize(
    "path", ["host/packages", "common/packages", "host/root/etc/name", "host/masked", "host/modules"]
)
def test_the_digest_changes_with_what_goes_in(recipes: Path, path: str) -> None:
    before = key(recipes)
    with (recipes / path).open("a") as file:
        file.write("more\n")
    assert key(recipes) != before


def test_the_digest_changes_with_mode_key_and_flavour(recipes: Path) -> None:
    before = key(recipes)
    assert key(recipes, authorized="ssh-ed25519 B") != before
    assert key(recipes, flavour="debug") != before
    (recipes / "host/root/etc/script").chmod(0o644)
    assert key(recipes) != before


@pytest.mark.parametrize("name", ["host", "guest"])
def test_the_recipes_of_the_lab_load(name: str) -> None:
    recipe = Recipe.load(name, "ssh-ed25519 A")
    assert "linux-image-amd64" in recipe.packages
    assert recipe.masked
    assert all(path.split("/")[0] in ("system", "system-generators") for path in recipe.masked)
    assert f"etc/systemd/system/{recipe.enabled[0]}" in recipe.files
