"""MLflow's scoring server with limits on requests, as an open port needs.

`mlflow models serve` starts the same server without them. It reads a request of any size, answers
one without a content type with status 500, accepts one spelling of each content type, treats the
first line of every CSV as a header, and has no extension point; hence this module.
"""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from fmnist_lib.common.errors import DataError
from fmnist_lib.serving.content_type import CSV, ContentTypeError, content_type
from fmnist_lib.serving.csv_body import with_names
from fmnist_lib.serving.mlflow_model import signature
from fmnist_lib.serving.pyfunc import ServedModel

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from fmnist_lib.model_files.stored_model import LoadedModel

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

#: A request that is too large is read up to this factor, so that the client gets the response.
_DRAIN_FACTOR = 10
_REPLACED = {b"content-type", b"content-length", b"transfer-encoding", b"content-encoding"}


def make_app(model: LoadedModel, max_request_mb: float, level: float | None = None) -> Any:
    """Return the ASGI application.

    ``POST /invocations`` takes what MLflow's servers take, such as ``{"inputs": [image, ...]}``
    as ``application/json``, CSV and Parquet; ``GET /ping``, ``/health`` and ``/version`` are
    MLflow's as well.

    Parameters
    ----------
    model : LoadedModel
    max_request_mb : float
        Larger requests get status 413.
    level : float in (0, 1), optional
        See `fmnist_lib.serving.pyfunc.ServedModel`.

    Raises
    ------
    ModelError
        A level is given, and the model has no calibration of prediction sets.
    """
    from mlflow.models import Model
    from mlflow.pyfunc import scoring_server

    metadata = Model(signature=signature())
    served = SimpleNamespace(metadata=metadata, predict=ServedModel(model, level).predict)
    app = scoring_server.init(served)
    app.add_middleware(RequestLimits, max_bytes=int(max_request_mb * 1e6))
    return app


class RequestLimits:
    """Middleware that rejects requests that are too large or of another content type.

    Parameters
    ----------
    app : ASGI application
    max_bytes : int
    """

    def __init__(self, app: Any, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Forward a complete request, or reject it."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        body, length = await self._read(receive)
        if body is None:
            limit = self._max_bytes / 1e6
            await _reject(send, 413, f"expected at most {limit:g} MB, got {length / 1e6:.0f} MB")
            return
        try:
            scope, body = _normalised(scope, body)
        except ContentTypeError as error:
            await _reject(send, 415, str(error))
        except DataError as error:
            await _reject(send, 400, str(error).rstrip("."))
        else:
            await self._app(scope, _replay(body, receive), send)

    async def _read(self, receive: Receive) -> tuple[bytes | None, int]:
        """Return the body, or None when it is too large, and how much was sent."""
        parts: list[bytes] = []
        length, more = 0, True
        while more and length <= _DRAIN_FACTOR * self._max_bytes:
            message = await receive()
            part = message.get("body", b"")
            length += len(part)
            if length <= self._max_bytes:
                parts.append(part)
            else:
                parts.clear()
            more = message.get("more_body", False)
        return (b"".join(parts) if length <= self._max_bytes else None), length


def _normalised(scope: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
    """Return a request in the form that MLflow's server accepts."""
    media_type = content_type(scope["headers"])
    body = with_names(body) if media_type == CSV else body
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


async def _reject(send: Send, status: int, reason: str) -> None:
    content = json.dumps({"error_code": "BAD_REQUEST", "message": f"request: {reason}."}).encode()
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
