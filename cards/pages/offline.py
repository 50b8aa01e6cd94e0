"""Make pages of cards small and independent of the network."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Every card embeds Metaflow's script of one megabyte and its style.
_PART = re.compile(r"<(?P<kind>script|style)>(?P<content>.*?)</(?P=kind)>", re.DOTALL)
_MIN_SHARED_CHARACTERS = 10_000
#: Metaflow's style asks a public server for a font that the cards do not use.
_FONT_IMPORT = re.compile(r'@import\s*"https?://[^"]*";?')
#: Nothing is loaded from elsewhere; Vega compiles its expressions with `eval`.
_POLICY = (
    "default-src 'none'; script-src 'self' file: 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' file: 'unsafe-inline'; img-src data:; font-src data:; frame-src 'self'"
)
_META = f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'


def offline_pages(pages: Mapping[str, str]) -> tuple[dict[str, str], dict[str, bytes]]:
    """Move scripts and styles that several pages share into files, and forbid the network.

    Parameters
    ----------
    pages : mapping of str to str
        HTML by name.

    Returns
    -------
    tuple of dict of str to str and dict of str to bytes
        The pages, and the shared files by name, for the same directory.
    """
    local = {name: _FONT_IMPORT.sub("", page) for name, page in pages.items()}
    found = Counter(
        part for page in local.values() for part in {match[0] for match in _PART.finditer(page)}
    )
    shared: dict[str, bytes] = {}

    def replaced(match: re.Match[str]) -> str:
        content = match["content"]
        if len(content) < _MIN_SHARED_CHARACTERS or found[match[0]] == 1:
            return match[0]
        script = match["kind"] == "script"
        digest = hashlib.sha256(content.encode()).hexdigest()[:12]
        name = f"{match['kind']}-{digest}.{'js' if script else 'css'}"
        shared[name] = content.encode()
        return (
            f'<script src="{name}"></script>'
            if script
            else f'<link rel="stylesheet" href="{name}">'
        )

    written = {name: _with_policy(_PART.sub(replaced, page)) for name, page in local.items()}
    return written, shared


def _with_policy(page: str) -> str:
    """Return a page that loads nothing from elsewhere; our own pages say so already."""
    if "Content-Security-Policy" in page:
        return page
    return re.sub(r"<head\b[^>]*>", lambda head: head[0] + _META, page, count=1)
