"""Error messages for an invalid configuration, one line per key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fmnist_lib.common.credentials import mask_addresses
from fmnist_lib.common.formatting import shorten

if TYPE_CHECKING:
    from pydantic import ValidationError

#: Of a value that is shown.
_MAX_LETTERS = 300


def describe_problems(error: ValidationError, content: dict[str, Any]) -> list[str]:
    """Return one line per wrong key: its dotted name, what was expected, what was found.

    Parameters
    ----------
    error : pydantic.ValidationError
    content : dict
        The validated content.
    """
    return [_describe(problem, content) for problem in error.errors() if _is_cause(problem)]


def _is_cause(problem: Any) -> bool:
    """Return False for a list that is too short only because all its entries are wrong."""
    return problem["type"] != "too_short" or not problem["input"]


def _describe(problem: Any, content: dict[str, Any]) -> str:
    """Return the line for one pydantic error: key, expected, got."""
    key = _key(problem["loc"], content)
    kind, message = problem["type"], problem["msg"]
    if kind == "extra_forbidden":
        return (
            f"{key}: unknown key. Run `python -m fmnist_lib config train`, or `config monitor`, "
            "for a list of keys."
        )
    if kind in ("missing", "union_tag_not_found"):
        key += "" if kind == "missing" else ".engine"
        return f"{key}: expected a value, got nothing."
    if kind == "union_tag_invalid":
        found = problem["ctx"]["tag"]
        return f"{key}.engine: expected one of {problem['ctx']['expected_tags']}, got '{found}'."
    if kind == "value_error":
        return f"{key}: {problem['ctx']['error']}."
    if kind == "too_short":
        message = "at least one entry"
    expected = message.removeprefix("Input should be ").removeprefix("a valid ")
    found = shorten(mask_addresses(repr(problem["input"])), _MAX_LETTERS)
    return f"{key}: expected {expected}, got {found}."


def _key(location: tuple[int | str, ...], content: Any) -> str:
    """Return the dotted key as the user wrote it, without pydantic's union tags."""
    parts: list[str] = []
    value = content
    for part in location:
        if isinstance(part, int):
            parts[-1] += f"[{part}]"
            value = value[part] if isinstance(value, list) and part < len(value) else None
        elif isinstance(value, dict) and part not in value and value.get("engine") == part:
            continue
        else:
            parts.append(part)
            value = value.get(part) if isinstance(value, dict) else None
    return ".".join(parts) or "settings"
