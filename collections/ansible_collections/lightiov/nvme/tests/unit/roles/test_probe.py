# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What preflight finds out about kernel headers."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

PROBE = Path(__file__).resolve().parents[3] / "roles/preflight/files/probe.py"
RUNNING, NEXT, OLD = "6.12.57+deb13-amd64", "6.12.107+deb13-amd64", "6.9.7-amd64"


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("probe", PROBE)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module.platform, "release", lambda: RUNNING)
    return module


def add_kernel(root: Path, release: str, headers: bool) -> None:
    (root / "lib/modules" / release / "kernel").mkdir(parents=True)
    if headers:
        (root / "lib/modules" / release / "build").mkdir()
        (root / "lib/modules" / release / "build" / "Makefile").touch()


def test_headers_of_the_running_kernel_and_of_the_next(probe: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/debian_version").touch()
    add_kernel(tmp_path, OLD, headers=False)
    add_kernel(tmp_path, RUNNING, headers=True)
    assert probe.missing_headers(tmp_path) == []
    add_kernel(tmp_path, NEXT, headers=False)
    assert probe.missing_headers(tmp_path) == [f"linux-headers-{NEXT}"]


def test_elsewhere_they_have_another_name(probe: ModuleType, tmp_path: Path) -> None:
    add_kernel(tmp_path, RUNNING, headers=False)
    assert probe.missing_headers(tmp_path) == [f"kernel-devel-{RUNNING}"]


@pytest.mark.parametrize(
    ("packages", "missing"),
    [
        ({f"linux-image-{RUNNING}", "linux-image-amd64"}, ["linux-headers-amd64"]),
        ({"linux-image-amd64", "linux-headers-amd64"}, []),
        ({"linux-image-cloud-amd64", "linux-image-amd64", "linux-headers-amd64"}, ["linux-headers-cloud-amd64"]),
        ({"linux-image-generic-hwe-22.04"}, ["linux-headers-generic-hwe-22.04"]),
        ({f"linux-image-{RUNNING}", f"linux-image-unsigned-{NEXT}", "linux-image-amd64-dbg"}, []),
        (set(), []),
    ],
)
def test_headers_follow_the_kernel(probe: ModuleType, packages: set[str], missing: list[str]) -> None:
    assert probe.missing_metapackages(packages) == missing
