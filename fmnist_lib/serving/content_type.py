"""Normalise content types to the spelling that MLflow's server accepts."""

from __future__ import annotations

import codecs
from email.message import Message
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

CSV = "text/csv"
PARQUET = "application/vnd.apache.parquet"
SUPPORTED = ("application/json", CSV, PARQUET)
_UTF8 = {"utf-8", "utf-8-sig", "ascii"}
_EXPECTED = f"expected the header Content-Type: {', '.join(SUPPORTED[:-1])} or {SUPPORTED[-1]}"


class ContentTypeError(ValueError):
    """A request has a content type or encoding that the server does not accept."""


def content_type(headers: Sequence[tuple[bytes, bytes]]) -> str:
    """Return the media type of a request, one of `SUPPORTED`.

    Case, blanks, quotes and parameters other than ``charset`` make no difference.

    Parameters
    ----------
    headers : sequence of (name, value)
        Names in lower case, as ASGI has them.

    Raises
    ------
    ContentTypeError
        There is none, there are several, it is another one, or the body is not UTF-8 or is
        compressed.

    Examples
    --------
    >>> content_type([(b"content-type", b'Application/JSON; charset="UTF-8";')])
    'application/json'
    """
    encodings = _values(headers, b"content-encoding") - {"identity"}
    if encodings:
        raise ContentTypeError(
            f"expected an uncompressed body, got Content-Encoding: {', '.join(encodings)}"
        )
    found = {_media_type(value) for value in _values(headers, b"content-type")}
    if len(found) > 1:
        raise ContentTypeError(f"{_EXPECTED}, got several: {', '.join(sorted(found))}")
    if not found:
        raise ContentTypeError(f"{_EXPECTED}, got none")
    return found.pop()


def _values(headers: Sequence[tuple[bytes, bytes]], wanted: bytes) -> set[str]:
    """Return the values of a header; proxies join repeated ones by commas."""
    values = [value.decode("latin-1") for name, value in headers if name.lower() == wanted]
    return {part.strip().lower() for value in values for part in value.split(",")} - {""}


def _media_type(value: str) -> str:
    media_type, _, parameters = value.partition(";")
    if media_type.strip() not in SUPPORTED:
        raise ContentTypeError(f"{_EXPECTED}, got {value}")
    message = Message()
    # Some clients put blanks around "=", though the standard does not allow them.
    message["content-type"] = f"text/plain; {'='.join(p.strip() for p in parameters.split('='))}"
    charset = str(message.get_param("charset", "")).strip() or "utf-8"
    if not _is_utf8(charset):
        raise ContentTypeError(f"expected UTF-8, got charset={charset}. Encode the body as UTF-8")
    return media_type.strip()


def _is_utf8(charset: str) -> bool:
    try:
        return codecs.lookup(charset).name in _UTF8
    except (LookupError, ValueError):
        return False
