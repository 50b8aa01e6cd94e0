"""Connections of slow, silent or too many clients are closed.

uvicorn limits the time between requests, not the time that a client takes to send a header or to
read a response, so a few thousand open sockets would stop a server.
"""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio

#: From the first byte, or the opened connection, to the end of a request's header.
HEADER_SECONDS = 10
#: Without progress while a response is sent.
WRITE_SECONDS = 20
MAX_CONNECTIONS = 4000
#: Files that the server needs besides its connections.
_OTHER_FILES = 100


class BoundedConnection(H11Protocol):
    """HTTP connection with deadlines for the header of a request and for reading its response."""

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self._header_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Start to wait for a header; refuse a connection too many."""
        super().connection_made(transport)
        if len(self.connections) > most_connections():
            transport.abort()
        self._await_header()

    def data_received(self, data: bytes) -> None:
        """Take bytes; the deadline holds until the header is complete."""
        super().data_received(data)
        self._await_header()

    def pause_writing(self) -> None:
        """Start to wait for the client to read."""
        super().pause_writing()
        self._write_timer = self._write_timer or self._abort_after(WRITE_SECONDS)

    def resume_writing(self) -> None:
        """Stop to wait: the client reads."""
        super().resume_writing()
        self._cancel("_write_timer")

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadlines."""
        self._cancel("_header_timer")
        self._cancel("_write_timer")
        super().connection_lost(exc)

    def _await_header(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._cancel("_header_timer")
        elif self._header_timer is None:
            self._header_timer = self._abort_after(HEADER_SECONDS)

    def _cancel(self, name: str) -> None:
        timer = getattr(self, name)
        if timer is not None:
            timer.cancel()
        setattr(self, name, None)

    def _abort_after(self, seconds: float) -> asyncio.TimerHandle:
        return self.loop.call_later(seconds, self.transport.abort)


def most_connections() -> int:
    """Return how many connections are kept open."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return min(MAX_CONNECTIONS, max(files - _OTHER_FILES, 1))


def allow_many_files() -> None:
    """Raise this process's limit of open files, 1,024 by default, as far as it may."""
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + _OTHER_FILES
    allowed = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
    if files != resource.RLIM_INFINITY and files < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, most))
