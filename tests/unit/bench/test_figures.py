# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of figures in the documentation has the numbers of the summary beside it, which is of the present schema."""

from __future__ import annotations

import sys

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils._bench import report

from bench import figures


def test_page_comes_from_its_summary() -> None:
    summary = report.load(figures.DOCS / report.SUMMARY)
    page = (figures.DOCS / report.REPORT).read_text(encoding="utf-8")
    assert page == report.render(summary), "run `python -m bench.figures` in the environment of `make bench`"
    # A summary has its pictures beside it, and none is there without.
    pictures = {path.name for path in (figures.DOCS / report.FOLDER).glob("*.png")}
    assert pictures == ({f"{name}.png" for name in report.plots_of(summary)} if summary else set())


def test_results_that_are_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setattr(sys, "argv", ["figures", str(tmp_path)])
    with pytest.raises(SystemExit, match="no measurements"):
        figures.main()
