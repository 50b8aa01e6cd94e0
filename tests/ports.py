"""Ports for the servers that tests start."""

from __future__ import annotations

import socket


def free_port():
    """Return a port of this machine on which nothing listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
