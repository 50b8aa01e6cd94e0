"""Render Matplotlib figures to PNG with a title and caption, without pyplot's global state."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Colours of the data of interest, of comparisons, and of alarms: told apart by every kind of
#: colour vision, and visible on a white and on a dark page.
PRIMARY, SECONDARY, ALERT = "#2f78c4", "#8b96a3", "#d1571a"
#: Colour maps of magnitudes (white at 0) and of signed values (white at 0).
SEQUENTIAL, DIVERGING = "Blues", "RdBu_r"


@dataclass(frozen=True)
class Picture:
    """A rendered figure.

    Attributes
    ----------
    name : str
        Short identifier, safe as a file name and unique within a report.
    title : str
        What the figure shows.
    caption : str
        How to read the figure.
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


def blank(*axes: Axes) -> None:
    """Remove the ticks and the frames, as around an image."""
    for one in axes:
        one.set(xticks=[], yticks=[])
        one.spines[:].set_visible(False)


def picture(
    figure: Figure, name: str, title: str, caption: str, *, dpi: int = 100, palette: bool = False
) -> Picture:
    """Render a figure to PNG.

    Parameters
    ----------
    figure : Figure
    name, title, caption : str
        See `Picture`.
    dpi : int
    palette : bool
        Store 256 colours at most: a third of the bytes for a figure of many small images.
    """
    from matplotlib.text import Text

    # Dollar signs in file names are not formulas; an unbalanced one raises in Matplotlib.
    for label in figure.findobj(Text):
        label.set_parse_math(False)
    buffer = io.BytesIO()
    # Omit the software version, so that the same figure gives the same bytes.
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    png = _with_palette(buffer) if palette else buffer.getvalue()
    return Picture(name=name, title=title, caption=caption, png=png)


def _with_palette(buffer: io.BytesIO) -> bytes:
    from PIL import Image

    with Image.open(buffer) as image:
        few = image.convert("RGB").quantize(
            256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
        )
    smaller = io.BytesIO()
    few.save(smaller, "PNG", optimize=True)
    return smaller.getvalue()
