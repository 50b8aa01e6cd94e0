"""The parts that every card is made of, in one order: answer, figures, evidence, details.

HTML comes from the autoescaped templates in ``components.html`` alone, and the look from
``style.css``.
"""

from __future__ import annotations

import base64
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup
from metaflow.cards import Markdown, ValueBox

from cards.escape import code, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from metaflow.cards import MetaflowCardComponent

    from fmnist_lib.common.plotting import Picture
    from fmnist_lib.data.version import DataVersion

_HERE = Path(__file__).parent
#: A number with its unit, its interval or its total: such columns are aligned right.
_NUMBER = re.compile(
    r"[<>+-]?\s*\d[\d.,:]*( ?(%|s|ms|MB|points))?( ?(to|of|\[|\()[\s\d.,%\])+-]*)?"
)


@cache
def _templates() -> Any:
    loader = FileSystemLoader(_HERE)
    return Environment(autoescape=True, loader=loader).get_template("components.html").module


def _html(content: str) -> Markdown:
    """Return HTML that Markdown keeps as it is: an empty line would end the block."""
    return Markdown(content.replace("\r", "").replace("\n", "&#10;"))


def header(
    answer: str, version: DataVersion, note: str = "", boxes: Iterable[ValueBox] = ()
) -> list[MetaflowCardComponent]:
    """Build the top of a card: the answer, what it rests on, and the main figures.

    Parameters
    ----------
    answer : str
        One sentence without Markdown.
    version : DataVersion
        Data other than the official ones are announced.
    note : str
        Markdown, one paragraph.
    boxes : iterable of ValueBox
        Three to five; see `box`.
    """
    style = " ".join((_HERE / "style.css").read_text(encoding="utf-8").split())
    components: list[MetaflowCardComponent] = [
        Markdown(f"# {text(answer)}"),
        Markdown(f"<style>{style}</style>"),
    ]
    if not version.is_official:
        fingerprint = code(version.fingerprint[:12])
        warning = f"> **{text(version.description)}** (fingerprint {fingerprint})"
        components.append(Markdown(warning))
    if note:
        components.append(Markdown(note))
    return [*components, *boxes]


def box(
    title: str, value: str, note: str = "", change: str = "", *, good: bool | None = None
) -> ValueBox:
    """Build one of the main figures.

    Parameters
    ----------
    title, value, note : str
    change : str
        Difference from the champion or the last run.
    good : bool or None
        Colour of the change.
    """
    theme = {True: "success", False: "danger", None: "default"}[good]
    return ValueBox(title[:200], value, note[:300] or None, theme, change[:200] or None)


def table(headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> Markdown:
    """Build a table of plain text cells; columns of numbers are aligned right."""
    return _html(_table(headers, rows))


def details(summary: str, *parts: str | Markup) -> Markdown:
    """Build a folded section of tables; see `folded_table`."""
    return _html(_templates().details(summary, Markup("").join(parts)))


def folded_table(headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> Markup:
    """Return the HTML of a table for `details`."""
    return Markup(_table(headers, rows))  # noqa: S704 (from the autoescaped template)


def _table(headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    cells = [[str(cell) for cell in row] for row in rows]
    columns = zip(*cells, strict=True) if cells else ([] for _ in headers)
    right = [any(column) and all(_is_number(cell) for cell in column) for column in columns]
    return str(_templates().table(headers, cells, right))


def _is_number(cell: str) -> bool:
    return not cell or bool(_NUMBER.fullmatch(cell))


def pictures(items: Iterable[Picture], level: int = 2) -> list[MetaflowCardComponent]:
    """Build each picture under its title, with its caption below and as text alternative."""
    components: list[MetaflowCardComponent] = []
    for item in items:
        data = base64.b64encode(item.png).decode()
        components += [
            Markdown(f"{'#' * level} {text(item.title)}"),
            _html(str(_templates().picture(item, data))),
        ]
    return components
