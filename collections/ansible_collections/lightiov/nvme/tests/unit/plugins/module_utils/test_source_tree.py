# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils import _source_tree as source_tree
from hypothesis import given
from hypothesis import strategies as st

# Directories and files have different names, so that no path is both.
paths = st.builds("/".join, st.sampled_from([["a"], ["b"], ["x", "a"], ["x", "y", "a"], ["y", "b"]]))
trees = st.dictionaries(paths, st.binary(max_size=8), max_size=4)


def write(directory: Path, tree: dict[str, bytes]) -> Path:
    for relative, content in tree.items():
        path = directory / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return directory


@given(trees, trees)
def test_digests_are_equal_exactly_if_the_trees_are(one: dict[str, bytes], other: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as a, tempfile.TemporaryDirectory() as b:
        digests = [
            source_tree.digest(source_tree.files(write(Path(directory), tree)))
            for directory, tree in ((a, one), (b, other))
        ]
    assert (digests[0] == digests[1]) == (one == other)


def test_build_products_and_what_is_excluded_do_not_count(tmp_path: Path) -> None:
    sources = {"host/a.c": b"1", "abi/a.h": b"2"}
    others = {"host/a.o": b"", "host/.a.o.cmd": b"", "Module.symvers": b"", "tools/liov.c": b"", "host/a.ko": b""}
    write(tmp_path, {**sources, **others})
    assert sorted(source_tree.files(tmp_path, exclude=["tools"])) == sorted(sources)


def test_the_named_file_becomes_dkms_conf(tmp_path: Path) -> None:
    write(tmp_path, {"dkms.conf": b"no", "dkms/host.conf": b"yes"})
    tree = source_tree.files(tmp_path, conf="dkms/host.conf")
    assert tree["dkms.conf"].read_bytes() == b"yes"


def test_copy_replaces_the_whole_directory(tmp_path: Path) -> None:
    source = write(tmp_path / "source", {"a/b.sh": b"1", "c": b"2"})
    (source / "a" / "b.sh").chmod(0o755)
    target = write(tmp_path / "usr" / "target", {"old": b"3"})
    source_tree.copy(source_tree.files(source), target)
    assert sorted(source_tree.files(target)) == ["a/b.sh", "c"]
    assert (target / "a" / "b.sh").stat().st_mode & 0o777 == 0o755
    assert target.stat().st_mode & 0o777 == 0o755


def test_a_failed_copy_leaves_the_old_directory(tmp_path: Path) -> None:
    target = write(tmp_path / "target", {"old": b"3"})
    with pytest.raises(FileNotFoundError):
        source_tree.copy({"a": tmp_path / "gone"}, target)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["old", "target"]
