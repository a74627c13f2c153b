# SPDX-License-Identifier: GPL-3.0-or-later
"""The default that a role documents is the one that it has."""

from __future__ import annotations

import pytest
import yaml

from lab.paths import COLLECTION

ROLES = COLLECTION / "roles"


@pytest.mark.parametrize("role", sorted(path.name for path in ROLES.iterdir()))
def test_defaults_are_those_of_the_specification(role: str) -> None:
    specifications = yaml.safe_load((ROLES / role / "meta/argument_specs.yml").read_text())["argument_specs"]
    documented = {
        name: option["default"]
        for specification in specifications.values()
        for name, option in specification.get("options", {}).items()
        if "default" in option
    }
    file = ROLES / role / "defaults/main.yml"
    actual = yaml.safe_load(file.read_text()) if file.exists() else {}
    assert actual.keys() == documented.keys()
    # One that is a template is documented by what it usually comes to.
    plain = {name: value for name, value in actual.items() if "{{" not in str(value)}
    assert plain == {name: documented[name] for name in plain}
