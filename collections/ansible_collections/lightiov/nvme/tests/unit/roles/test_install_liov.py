# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Revisions of liov that follow each other, in either direction."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[3] / "roles/native/files/install_liov.sh"
MAKEFILE = """
install:
\tinstall -D -m 0755 liov $(DESTDIR)$(PREFIX)/sbin/liov
\tinstall -D -m 0644 liov.8 $(DESTDIR)$(PREFIX)/share/man/man8/liov.8
"""


def add_revision(root: Path, name: str) -> Path:
    tools = root / name / "tools"
    tools.mkdir(parents=True)
    for file, text in (("Makefile", MAKEFILE), ("liov", name), ("liov.8", name)):
        (tools / file).write_text(text, encoding="utf-8")
    return root / name


def install(root: Path, source: Path, *options: str) -> list[str]:
    environment = {"PATH": os.defpath, "DESTDIR": str(root)}
    done = subprocess.run(["sh", SCRIPT, source, *options], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_an_older_revision_is_installed_like_a_newer_one(tmp_path: Path) -> None:
    liov = tmp_path / "usr/local/sbin/liov"
    older, newer = add_revision(tmp_path, "older"), add_revision(tmp_path, "newer")
    for source in (older, newer, older):
        assert install(tmp_path, source)
        assert liov.read_text(encoding="utf-8") == source.name
        assert (tmp_path / "usr/local/share/man/man8/liov.8").read_text(encoding="utf-8") == source.name
        assert install(tmp_path, source) == []
    assert liov.stat().st_mode & 0o777 == 0o755


def test_one_that_was_put_there_by_hand_gives_way(tmp_path: Path) -> None:
    liov = tmp_path / "usr/local/sbin/liov"
    liov.parent.mkdir(parents=True)
    liov.write_text("by hand", encoding="utf-8")
    install(tmp_path, add_revision(tmp_path, "ours"))
    assert liov.read_text(encoding="utf-8") == "ours"


def test_check_mode_changes_nothing(tmp_path: Path) -> None:
    source = add_revision(tmp_path, "ours")
    before = sorted(tmp_path.rglob("*"))
    assert len(install(tmp_path, source, "check")) == 3
    assert sorted(tmp_path.rglob("*")) == before


def test_a_build_that_fails_leaves_the_former_one(tmp_path: Path) -> None:
    install(tmp_path, add_revision(tmp_path, "former"))
    broken = add_revision(tmp_path, "broken")
    (broken / "tools/liov.8").unlink()
    try:
        install(tmp_path, broken)
    except subprocess.CalledProcessError:
        pass
    else:
        raise AssertionError("a build without its man page succeeded")
    assert (tmp_path / "usr/local/sbin/liov").read_text(encoding="utf-8") == "former"
    assert not list(tmp_path.glob("broken.liov*"))
