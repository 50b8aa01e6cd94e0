"""Limits on the requests of a scoring server: size, time, concurrency and content type."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from fmnist_lib.common.errors import DataError
from fmnist_lib.data.formats.parquet_files import check_table
from fmnist_lib.features.chunks import available_threads
from fmnist_lib.serving.content_type import CSV, PARQUET, ContentTypeError, content_type
from fmnist_lib.serving.csv_body import with_names
from fmnist_lib.serving.json_body import check_json
from fmnist_lib.serving.pyfunc import MAX_IMAGES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

#: From the end of a request's header to the end of its body.
BODY_SECONDS = 30
#: Complete requests that are predicted or wait for a core.
MAX_WAITING = 64
#: Bodies in memory, all together, as a multiple of the largest.
_MEMORY_FACTOR = 16
#: A request that is too large is read up to this factor, so that the client gets the response.
_DRAIN_FACTOR = 10
_REPLACED = {b"content-type", b"content-length", b"transfer-encoding", b"content-encoding"}


class RequestLimits:
    """Middleware that rejects requests that are too large, slow or many, or of another type.

    At most one request per core is parsed and predicted at a time: a body of 16 MB becomes
    several hundred as Python objects.

    Parameters
    ----------
    app : ASGI application
    max_bytes : int
        Largest body.
    body_seconds : float
        For a body to arrive.
    """

    def __init__(self, app: Any, max_bytes: int, body_seconds: float = BODY_SECONDS) -> None:
        self._app = app
        self._max_bytes, self._body_seconds = max_bytes, body_seconds
        self._cores = asyncio.Semaphore(available_threads())
        self._waiting = self._bytes_held = 0

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Forward a complete request, or reject it."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        body = _Body()
        try:
            await self._receive(body, receive)
            messages = await self._respond(scope, body.content, receive)
        except _RejectedError as error:
            messages = _rejection(error)
        finally:
            self._bytes_held -= body.held
        # Not while a core is taken: the client may read slowly.
        for message in messages:
            await send(message)

    async def _receive(self, body: _Body, receive: Receive) -> None:
        """Read a body; the bytes of all bodies together are limited."""
        try:
            async with asyncio.timeout(self._body_seconds):
                while body.more and body.length <= _DRAIN_FACTOR * self._max_bytes:
                    message, held = await receive(), body.held
                    if message["type"] == "http.disconnect":
                        raise _RejectedError(400, "expected a whole body, the client disconnected")
                    is_room = self._bytes_held <= _MEMORY_FACTOR * self._max_bytes
                    body.add(message, self._max_bytes if is_room else 0)
                    self._bytes_held += body.held - held
        except TimeoutError:
            raise _RejectedError(
                408, f"expected the whole body within {self._body_seconds:g} seconds"
            ) from None
        if body.length > self._max_bytes:
            limit = self._max_bytes / 1e6
            raise _RejectedError(
                413, f"expected at most {limit:g} MB, got {body.length / 1e6:.0f} MB"
            )
        if not body.is_complete:
            raise _RejectedError(503, "the server holds too many large requests, send it again")

    async def _respond(
        self, scope: dict[str, Any], content: bytes, receive: Receive
    ) -> list[Message]:
        """Return the messages of the response, once a core is free."""
        if self._waiting >= MAX_WAITING:
            raise _RejectedError(503, f"{MAX_WAITING} requests are waiting, send it again")
        messages: list[Message] = []

        async def collect(message: Message) -> None:
            messages.append(message)

        self._waiting += 1
        try:
            async with self._cores:
                scope, content = await asyncio.to_thread(_normalised, scope, content)
                await self._app(scope, _replay(content, receive), collect)
        except ContentTypeError as error:
            raise _RejectedError(415, str(error)) from None
        except DataError as error:
            raise _RejectedError(400, str(error).rstrip(".")) from None
        finally:
            self._waiting -= 1
        return messages


class _Body:
    """The body of a request while it is received.

    Attributes
    ----------
    length : int
        Bytes sent, also those that were not kept.
    held : int
        Bytes kept: all, or none.
    more : bool
        It has not ended.
    """

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.length = self.held = 0
        self.more = True

    def add(self, message: Message, max_bytes: int) -> None:
        """Keep the next part, unless the body is longer than `max_bytes`: then keep nothing."""
        part, was_complete = message.get("body", b""), self.is_complete
        self.length += len(part)
        self.more = message.get("more_body", False)
        if was_complete and self.length <= max_bytes:
            self._parts.append(part)
            self.held += len(part)
        else:
            self._parts.clear()
            self.held = 0

    @property
    def is_complete(self) -> bool:
        """True if everything that was sent is kept."""
        return self.held == self.length

    @property
    def content(self) -> bytes:
        """The bytes."""
        return b"".join(self._parts)


class _RejectedError(Exception):
    """A request gets no prediction but a status."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def _normalised(scope: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
    """Return a request in the form that MLflow's server accepts."""
    media_type = content_type(scope["headers"])
    if media_type == CSV:
        body = with_names(body)
    elif media_type == PARQUET:
        check_table(body, "request", MAX_IMAGES)
    else:
        check_json(body)
    headers = [(name, value) for name, value in scope["headers"] if name not in _REPLACED]
    headers += [
        (b"content-type", media_type.encode()),
        (b"content-length", str(len(body)).encode()),
    ]
    return scope | {"headers": headers}, body


def _replay(body: bytes, receive: Receive) -> Receive:
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return messages.pop() if messages else await receive()

    return receive_again


def _rejection(error: _RejectedError) -> list[Message]:
    content = json.dumps({"error_code": "BAD_REQUEST", "message": f"request: {error}."}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(content)).encode()),
        (b"connection", b"close"),
    ]
    if error.status == 503:  # noqa: PLR2004 (service unavailable)
        headers.append((b"retry-after", b"1"))
    return [
        {"type": "http.response.start", "status": error.status, "headers": headers},
        {"type": "http.response.body", "body": content},
    ]
