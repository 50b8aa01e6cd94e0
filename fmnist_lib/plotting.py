"""Figures without global state: a Matplotlib figure in, a picture with a caption out."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: One colour for "what we look at", one for "what we compare with", one for alarms.
PRIMARY, SECONDARY, ALERT = "#2563a8", "#9aa5b1", "#c2410c"
#: Colour maps: magnitudes from white, and signed values around a white zero.
SEQUENTIAL, DIVERGING = "Blues", "RdBu_r"


@dataclass(frozen=True)
class Picture:
    """A rendered figure.

    Attributes
    ----------
    name : str
        Short file-name-safe identifier, unique within a report.
    title : str
        What the figure shows.
    caption : str
        What a reader should take from it.
    png : bytes
        The PNG file.
    """

    name: str
    title: str
    caption: str
    png: bytes


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of the given size in inches, independent of pyplot."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def picture(figure: Figure, name: str, title: str, caption: str, dpi: int = 100) -> Picture:
    """Render a figure to PNG."""
    from matplotlib.text import Text

    # A dollar sign in a file's name is no formula, and half of one stops Matplotlib.
    for label in figure.findobj(Text):
        label.set_parse_math(False)
    buffer = io.BytesIO()
    # No creation date or software version in the file: the same figure gives the same bytes.
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return Picture(name=name, title=title, caption=caption, png=buffer.getvalue())
