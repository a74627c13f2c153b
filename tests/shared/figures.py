# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests have measured is printed at the end, also where they ran in another process.

For a conftest.py: `from figures import figures, pytest_terminal_summary`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from _pytest.terminal import TerminalReporter

PROPERTY = "figures"


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Takes lines to print."""
    return lambda lines: request.node.user_properties.append((PROPERTY, lines))


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    for report in itertools.chain.from_iterable(terminalreporter.stats.values()):
        # Set-up and tear-down of a test have reports of their own.
        if not isinstance(report, pytest.TestReport) or report.when != "call":
            continue
        if lines := [text for name, text in report.user_properties if name == PROPERTY]:
            terminalreporter.section(report.nodeid)
            terminalreporter.write_line("\n".join(lines))
