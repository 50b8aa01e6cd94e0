"""Parse the two formats of a configuration: TOML, and the JSON of a bundle's ``config.json``."""

from __future__ import annotations

import json
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fmnist_lib.common.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Larger files on a command line are assumed to be data.
_MAX_BYTES = 1_000_000


def parse_text(text: str, source: str) -> dict[str, Any]:
    """Return the content of a TOML or JSON text; text that begins with a brace is JSON.

    From the output of ``python -m fmnist_lib config train`` without a file, the resolved
    settings are returned.

    Parameters
    ----------
    text : str
    source : str
        Name of the file, for messages.

    Raises
    ------
    ConfigError
        The text is neither TOML nor JSON.
    """
    # Some editors on Windows write a byte order mark.
    text = text.removeprefix("\ufeff")
    if not text.lstrip().startswith("{"):
        return _toml(text, source)
    content = _json(text, source)
    return content["resolved"] if content.keys() == {"schema", "resolved"} else content


def named_file(text: str, arguments: Sequence[str]) -> str | None:
    """Return the command line argument that names the file with this text."""
    for word in arguments:
        # An argument may be a whole configuration, too long for a file name.
        with suppress(OSError, ValueError):
            path = Path(word).expanduser()
            small = path.is_file() and path.stat().st_size <= _MAX_BYTES
            if small and path.read_text(encoding="utf-8", errors="replace") == text:
                return word
    return None


def _toml(text: str, source: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    # ValueError: also a number of more than 4,300 digits. RecursionError: nested a thousand times.
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{source}: expected a TOML or JSON file, got: {error}.") from None


def _json(text: str, source: str) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(
            text, object_pairs_hook=_unique_keys, parse_constant=_refuse_constant
        )
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"{source}: expected a JSON object, as it begins with a brace, got: {error}."
        ) from None
    return content


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Reject repeated keys, as TOML does; json would silently keep the last."""
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {repeated!r} twice")
    return content


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name}, which is no JSON number")
