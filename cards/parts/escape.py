"""Escape untrusted text in Markdown: it is shown verbatim, never as Markdown or HTML.

Metaflow's cards render HTML in Markdown, scripts included, show entities such as ``&lt;``
verbatim, and drop a character with a backslash before it. Only inline code is shown verbatim.
Table cells and labels of pictures are plain text already, and must not be escaped.
"""

from __future__ import annotations

import re

#: Inline code can't hold a backtick: cards drop it. This one looks the same.
_LOOKALIKE = "\N{MODIFIER LETTER GRAVE ACCENT}"
#: Characters that Markdown reads as markup, or as the start of a tag or link.
_MARKUP = re.compile(
    r"<(?!\s)|[*`\\~@]|\](?=[(\[:])|(?<![^\W_])_|_(?![^\W_])|://|www\.|^\s*(?:[#>+=|-]|\d+[.)](?=\s))"
)


def code(value: object) -> str:
    """Return a value as inline code, on one line: for paths, names and addresses."""
    words = _one_line(value).replace("`", _LOOKALIKE)
    return f"`{words or ' '}`"


def text(value: object) -> str:
    """Return a sentence as Markdown that shows its characters verbatim.

    Passages in backticks stay inline code; words that Markdown would read as markup become it.
    """
    passages = _one_line(value).split("`")
    if len(passages) % 2 == 0 or not all(passages[1::2]):
        return _plain(_one_line(value))
    pieces = [
        code(passage) if position % 2 else _plain(passage)
        for position, passage in enumerate(passages)
        if passage
    ]
    # Two adjacent backticks would open a different code span.
    return "".join(pieces).replace("``", "` `")


def paragraphs(value: object) -> str:
    """Return a message of several lines as Markdown, each line a paragraph."""
    return "\n\n".join(text(line) for line in str(value).splitlines() if line.strip())


def _one_line(value: object) -> str:
    return re.sub(r"\s+", " ", str(value))


def _plain(passage: str) -> str:
    """Turn the words from the first markup to the last into inline code."""
    found = list(_MARKUP.finditer(passage))
    if not found:
        return passage
    start = passage.rfind(" ", 0, found[0].end()) + 1
    end = passage.find(" ", found[-1].end())
    end = len(passage) if end == -1 else end
    return f"{passage[:start]}{code(passage[start:end])}{passage[end:]}"
