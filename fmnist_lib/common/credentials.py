"""Addresses of servers and databases as they may be shown: without user, password and query.

A password may hold any character, also ``/``, ``#`` and ``?``, which end the host part of a proper
address. So an address is cut at its last ``@``, not parsed.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote

_HIDDEN = "***"
#: Shorter parts occur in any text.
_SHORTEST = 3
_IN_TEXT = re.compile(r"://[^\s'\"]*@|\?[^\s'\"]*=[^\s'\"]*")


def without_credentials(uri: str) -> str:
    """Return an address without user name, password, query and fragment, which may be secret.

    Examples
    --------
    >>> without_credentials("postgresql://user:pass/word@host/db?sslpassword=secret")
    'postgresql://host/db'
    >>> without_credentials("sqlite:////home/a@b/mlflow.db")
    'sqlite:////home/a@b/mlflow.db'
    """
    if uri.lower().startswith("sqlite:"):
        return uri
    scheme, separator, rest = uri.partition("://")
    if not separator:
        scheme, rest = "", uri
    place = re.split(r"[?#]", rest.rpartition("@")[2], maxsplit=1)[0]
    return f"{scheme}{separator}{place}"


def has_credentials(uri: str) -> bool:
    """Return whether an address has a part that must not be shown."""
    return without_credentials(uri) != uri


def mask(text: str, uri: str) -> str:
    """Return a text, such as a library's error, without the secret parts of an address."""
    text = text.replace(uri, without_credentials(uri))
    for part in sorted(_secrets(uri), key=len, reverse=True):
        text = text.replace(part, _HIDDEN)
    return text


def mask_addresses(text: str) -> str:
    """Return a text without user, password and query of any address in it.

    Examples
    --------
    >>> mask_addresses("got 'http://user:secret@host'")
    "got 'http://***@host'"
    """
    return _IN_TEXT.sub(
        lambda found: f"://{_HIDDEN}@" if found[0].startswith(":") else f"?{_HIDDEN}", text
    )


def _secrets(uri: str) -> set[str]:
    """Return the passwords, tokens and query values of an address, as written and decoded."""
    if not has_credentials(uri):
        return set()
    before, at, after = uri.rpartition("@")
    user_info = before.partition("://")[2] or before
    user, _, password = user_info.partition(":")
    # A user name without a password is a token.
    found = {user_info, password or user} if at else set()
    query = (after if at else uri).partition("?")[2]
    found |= {query} | {value for _, value in parse_qsl(query)}
    return {one for part in found for one in (part, unquote(part)) if len(one) >= _SHORTEST}
