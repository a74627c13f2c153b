# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: the connection, and its errors as sentences."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._plan import Plan

api: Any
try:
    import libvirt

    api = libvirt
except ImportError:
    api = None


@contextmanager
def errors(failed: str, remedy: str) -> Iterator[None]:
    """Say what failed and what helps, whatever libvirt raises."""
    try:
        yield
    except api.libvirtError as error:
        raise LightiovError(f"{failed}: {remedy} ({message(error)})") from error


def answers(uri: str) -> Any:
    """For questions that libvirt answers unless something is wrong with it."""
    return errors(f"libvirt at {uri} does not answer as it should", "check that it is installed and runs")


def connect(uri: str, result: Plan) -> Any:
    """A virConnect; None in check mode where libvirt is not there yet."""
    if api is None:
        result.refuse(
            f"libvirt at {uri} cannot be used, because its Python binding is missing: install python3-libvirt",
            until="packages",
        )
        return None
    # Errors come as exceptions; libvirt would print them as well.
    api.registerErrorHandler(lambda _context, _error: None, None)
    try:
        return api.open(uri)
    except api.libvirtError as error:
        result.refuse(
            f"libvirt at {uri} cannot be reached: check that it is installed and runs, "
            f"or correct lightiov_libvirt_uri ({message(error)})",
            until="packages",
        )
        return None


def message(error: Any) -> str:
    """What libvirt says, on one line."""
    return " ".join(str(error.get_error_message()).split())


def is_gone(error: Any) -> bool:
    """Whether the domain has vanished since it was listed."""
    return bool(error.get_error_code() == api.VIR_ERR_NO_DOMAIN)
