"""The parts that every card is made of, in one order: answer, figures, evidence, details.

HTML comes from the autoescaped templates in ``cards/templates`` alone, and the look from its
``style.css``.
"""

from __future__ import annotations

import base64
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from metaflow.cards import Markdown, ValueBox

from cards.parts.escape import code, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from metaflow.cards import MetaflowCardComponent

    from fmnist_lib.common.data_version import DataVersion
    from fmnist_lib.common.plotting import Picture

_TEMPLATES = Path(__file__).parents[1] / "templates"
#: A number with its unit, its interval or its total: such columns are aligned right.
_NUMBER = re.compile(
    r"[<>+-]?\s*\d[\d.,:]*( ?(%|s|ms|MB|points))?( ?(to|of|\[|\()[\s\d.,%\])+-]*)?"
)


_THEMES = {True: "success", False: "danger", None: "default"}


@cache
def _environment() -> Environment:
    environment = Environment(
        autoescape=True, loader=FileSystemLoader(_TEMPLATES), undefined=StrictUndefined
    )
    environment.filters["base64"] = lambda content: base64.b64encode(content).decode()
    return environment


def _templates() -> Any:
    return _environment().get_template("components.html").module


def _style() -> str:
    return " ".join((_TEMPLATES / "style.css").read_text(encoding="utf-8").split())


def render_page(template: str, **values: Any) -> str:
    """Render one of our own pages, with the look of the cards.

    Parameters
    ----------
    template : str
        A file of ``cards/templates`` that extends ``page.html``.
    **values
        Title, note and boxes (see `page_box`), and the template's own; each is escaped.
    """
    style = Markup(_style())  # noqa: S704 (our own)
    return _environment().get_template(template).render(style=style, **values)


def page_box(
    title: str, value: str, note: str, change: str = "", *, good: bool | None = None
) -> dict[str, str]:
    """Return a main figure of a page of our own; see `box`."""
    theme = _THEMES[good]
    return {"title": title, "value": value, "note": note, "change": change, "theme": theme}


def _html(content: str) -> Markdown:
    return Markdown(_one_block(content))


def _one_block(content: str) -> str:
    """Return HTML that Markdown keeps as it is: an empty line would end the block."""
    # Markup would escape the entity.
    return str(content).replace("\r", "").replace("\n", "&#10;")


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
    components: list[MetaflowCardComponent] = [
        Markdown(f"# {text(answer)}"),
        Markdown(f"<style>{_style()}</style>"),
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
    note, change = (one.replace(" %", "\N{NO-BREAK SPACE}%") for one in (note[:300], change[:200]))
    return ValueBox(title[:200], value, note or None, _THEMES[good], change or None)


def frame(title: str, page: str) -> Markdown:
    """Build a frame with another HTML page, whose scripts are isolated from the card."""
    # As srcdoc, because browsers refuse a data: URL of a megabyte.
    return _html(_templates().frame(title, page))


def table(headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> Markdown:
    """Build a table of plain text cells; columns of numbers are aligned right."""
    return Markdown(table_source(headers, rows))


def table_source(headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return what a table is updated with; see `table`."""
    return _one_block(_table(headers, rows))


def details(summary: str, headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> Markdown:
    """Build a folded table; see `table`."""
    content = Markup(_table(headers, rows))  # noqa: S704 (from the autoescaped template)
    return _html(_templates().details(summary, content))


def _table(headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    cells = [[str(cell) for cell in row] for row in rows]
    columns = zip(*cells, strict=True) if cells else ([] for _ in headers)
    right = [any(column) and all(_is_number(cell) for cell in column) for column in columns]
    return str(_templates().table(headers, cells, right))


def _is_number(cell: str) -> bool:
    return not cell or bool(_NUMBER.fullmatch(cell))


def pictures(items: Iterable[Picture]) -> list[MetaflowCardComponent]:
    """Build each picture under its title, with its caption below and as text alternative."""
    components: list[MetaflowCardComponent] = []
    for item in items:
        components += [
            Markdown(f"## {text(item.title)}"),
            _html(str(_templates().picture(item))),
        ]
    return components
