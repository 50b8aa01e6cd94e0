"""Small builders that every card shares. Results in, Metaflow card components out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metaflow.cards import Image, Markdown, Table

from cards.escape import code, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from metaflow.cards import MetaflowCardComponent

    from fmnist_lib.common.plotting import Picture
    from fmnist_lib.data.version import DataVersion


def header(title: str, version: DataVersion) -> list[MetaflowCardComponent]:
    """Build a card's title, and a warning if the data are not the official ones."""
    components = [Markdown(f"# {text(title)}")]
    if not version.is_official:
        components.append(
            Markdown(
                f"> **{text(version.description)}** (fingerprint {code(version.fingerprint[:12])})"
            )
        )
    return components


def pictures(items: Iterable[Picture]) -> list[MetaflowCardComponent]:
    """Build each picture under its title, with its caption as the label."""
    components: list[MetaflowCardComponent] = []
    for item in items:
        components += [Markdown(f"### {text(item.title)}"), Image(item.png, label=item.caption)]
    return components


def table(headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> MetaflowCardComponent:
    """Build a table of plain text cells, which cards show verbatim."""
    return Table([[str(cell) for cell in row] for row in rows], headers=list(headers))
