# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules can be read by the Python that the tests run with, down to the oldest one that a host may have."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

PLUGINS = Path(__file__).resolve().parents[4] / "plugins"
# Of those that are actions, only the documentation is a module.
ACTIONS = {path.stem for path in (PLUGINS / "action").glob("*.py")}
MODULES = sorted({path.stem for path in (PLUGINS / "modules").glob("*.py")} - ACTIONS)


@pytest.mark.parametrize("name", MODULES)
def test_it_can_be_imported(name: str) -> None:
    assert importlib.import_module(f"ansible_collections.lightiov.nvme.plugins.modules.{name}").main
