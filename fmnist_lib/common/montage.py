"""Many images on one pair of axes, which takes a tenth of the time of a pair for each."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.common.plotting import blank, new_figure, picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from fmnist_lib.common.plotting import Picture

#: Blank pixels right of an image and below it.
_GAP = 4
#: Inches per image, and images per row, of a gallery.
_GALLERY_INCHES, _GALLERY_COLUMNS = 1.3, 8
#: Inches of a letter beside a row, and of the names above the columns.
_LETTER_INCHES, _NAMES_INCHES = 0.067, 0.3
_POINTS_PER_INCH = 72
_LINE_HEIGHT = 1.3


def montage(
    images: NDArray[np.uint8],
    n_columns: int,
    titles: Sequence[str] = (),
    *,
    inches: float,
    size: float = 8,
    left: bool = False,
    colours: Sequence[str] = (),
    columns: Sequence[str] = (),
    rows: Sequence[str] = (),
) -> Figure:
    """Draw images in rows, with a title above each or with names of the rows or columns.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, height, width)
        0 is drawn white.
    n_columns : int
    titles : sequence of str
        One per image, of one or more lines; empty for no titles.
    inches : float
        Width of an image with the gap beside it.
    size : float, default=8
        Of the titles, in points.
    left : bool, default=False
        Let titles begin at the image's left edge instead of centring them.
    colours : sequence of str
        Of the titles; black if empty.
    columns, rows : sequence of str
        Names above the columns, and left of the rows.
    """
    height, width = images.shape[1:]
    cell_width = width + _GAP
    above = _title_pixels(titles, size, cell_width / inches)
    cell_height = above + height + _GAP
    n_rows = -(-len(images) // n_columns)
    figure = new_figure(
        inches * n_columns + _LETTER_INCHES * max(map(len, rows), default=0),
        inches * n_rows * cell_height / cell_width + (_NAMES_INCHES if columns else 0),
    )
    axes = figure.subplots()
    blank(axes)
    # The layout reserves too little room for the names if the images are centred.
    axes.set_anchor("NW")
    axes.imshow(_sheet(images, n_columns, above), cmap="gray_r", vmin=0, vmax=255)
    axes.tick_params(length=0)
    if columns:
        axes.xaxis.tick_top()
        axes.set_xticks(cell_width * np.arange(len(columns)) + width / 2, columns, fontsize=12)
    if rows:
        axes.set_yticks(cell_height * np.arange(len(rows)) + above + height / 2, rows, fontsize=9)
    for number, title in enumerate(titles):
        row, column = divmod(number, n_columns)
        axes.text(
            column * cell_width + (0 if left else width / 2),
            row * cell_height + above - 1.5,
            title,
            ha="left" if left else "center",
            va="bottom",
            fontsize=size,
            color=colours[number] if colours else "black",
            linespacing=1.1,
            in_layout=False,
        )
    return figure


def gallery(
    name: str, images: NDArray[np.uint8], titles: Sequence[str], title: str, caption: str
) -> Picture:
    """Draw images in rows of eight, each under its title.

    Parameters
    ----------
    name, title, caption : str
        See `fmnist_lib.common.plotting.Picture`.
    images : ndarray of uint8, shape (n, height, width)
    titles : sequence of str
        Shown literally, not parsed as formulas.
    """
    n_columns = min(len(images), _GALLERY_COLUMNS)
    figure = montage(images, n_columns, titles, inches=_GALLERY_INCHES)
    return picture(figure, name, title, caption)


def _title_pixels(titles: Sequence[str], size: float, pixels_per_inch: float) -> int:
    """Return the height of the highest title in pixels of the images."""
    lines = max((title.count("\n") + 1 for title in titles if title), default=0)
    return math.ceil(lines * size * _LINE_HEIGHT / _POINTS_PER_INCH * pixels_per_inch)


def _sheet(images: NDArray[np.uint8], n_columns: int, above: int) -> NDArray[np.uint8]:
    """Return the images in rows on one blank image, with so many pixels above each."""
    height, width = images.shape[1:]
    n_rows = -(-len(images) // n_columns)
    full = np.zeros((n_rows * n_columns, height, width), dtype=np.uint8)
    full[: len(images)] = images
    grid = full.reshape(n_rows, n_columns, height, width)
    sheet = np.zeros((n_rows, above + height + _GAP, n_columns, width + _GAP), dtype=np.uint8)
    sheet[:, above : above + height, :, :width] = grid.transpose(0, 2, 1, 3)
    return sheet.reshape(n_rows * sheet.shape[1], -1)
