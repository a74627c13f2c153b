# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the report of what the playbook bench.yml has measured; run by `make bench` and `make bench-docs`."""

from __future__ import annotations

import argparse
from pathlib import Path

from ansible_collections.lightiov.nvme.plugins.module_utils._bench import plots, report
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.goals import goals
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._host import write_atomically

from lab.paths import COLLECTION

DOCS = COLLECTION / "docs"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, nargs="?", help="directory of the measurements; none: those in the docs")
    parser.add_argument("--docs", action="store_true", help="write into the documentation, to be committed")
    options = parser.parse_args()
    target = DOCS if options.docs or not options.results else options.results
    try:
        summary = report.summary_of(options.results) if options.results else report.load(DOCS / report.SUMMARY)
        if summary:
            report.write(target, summary)
            plots.draw(target, summary)
        else:
            write_atomically(target / report.REPORT, report.render(None))
    except LightiovError as error:
        raise SystemExit(str(error)) from error
    for one in goals(summary):
        print(f"{one.number:2} {one.verdict:19} {one.text}")
    print(f"Report: {target / report.REPORT}")


if __name__ == "__main__":
    main()
