# SPDX-License-Identifier: GPL-3.0-or-later
"""Loopback TCP ports."""

from __future__ import annotations

import socket

LOOPBACK = "127.0.0.1"


def pick(preferred: int | None = None) -> int:
    """A free port; the preferred one if it is free, so that a host keeps its port from one start to the next."""
    for port in (preferred, 0):
        if port is None:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("no free loopback port")


def greets(port: int, greeting: bytes, timeout: float = 5) -> bool:
    """Does the service behind the port begin with this greeting? (QEMU accepts even while nobody listens inside.)"""
    try:
        with socket.create_connection((LOOPBACK, port), timeout) as connection:
            connection.settimeout(timeout)
            return connection.recv(len(greeting)) == greeting
    except OSError:
        return False
