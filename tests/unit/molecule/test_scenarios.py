# SPDX-License-Identifier: GPL-3.0-or-later
"""Molecule takes a scenario without tests for one whose tests passed: what is done before each looks for them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from lab.paths import PROJECT

SCENARIOS = sorted(path.parent.name for path in (PROJECT / "molecule").glob("*/molecule.yml"))


def create(molecule: Path, scenario: str) -> subprocess.CompletedProcess[str]:
    """With a lab that is up."""
    lab = molecule.parent / "lab/lab"
    lab.parent.mkdir()
    lab.write_text("#!/bin/sh\n")
    lab.chmod(0o755)
    environment = {"MOLECULE_PROJECT_DIRECTORY": molecule.parent, "MOLECULE_SCENARIO_DIRECTORY": molecule / scenario}
    return subprocess.run(
        ["ansible-playbook", molecule / "shared/create.yml"],
        cwd=PROJECT, env=os.environ | environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture
def molecule(tmp_path: Path) -> Path:
    return shutil.copytree(PROJECT / "molecule", tmp_path / "molecule")


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario_has_its_tests(molecule: Path, scenario: str) -> None:
    run = create(molecule, scenario)
    assert run.returncode == 0, run.stdout


def test_scenario_without_its_own_tests_is_refused(molecule: Path) -> None:
    for test in (molecule / "reboot/tests").glob("test_*.py"):
        test.unlink()
    run = create(molecule, "reboot")
    assert run.returncode != 0
    assert f"There are no tests in {molecule}/reboot/tests: write them" in run.stdout


def test_scenario_that_verifies_nothing_is_refused(molecule: Path) -> None:
    (molecule / "default/molecule.yml").write_text("scenario: {test_sequence: [create, converge]}\n")
    run = create(molecule, "default")
    assert run.returncode != 0
    assert "verifies nothing" in run.stdout
