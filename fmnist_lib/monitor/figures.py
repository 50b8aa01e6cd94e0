"""Figures of the monitor: a gallery of images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.common.plotting import new_figure, picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fmnist_lib.common.plotting import Picture

#: Characters that fit above an image of the gallery.
_CAPTION_CHARS = 18


def gallery(
    name: str, images: np.ndarray, captions: Sequence[str], title: str, caption: str
) -> Picture:
    """Grid of images with captions.

    Parameters
    ----------
    name : str
        Of the picture.
    images : ndarray of shape (n, 28, 28), uint8
    captions : sequence of str
        Shown literally, not parsed as formulas; long ones are shortened in the middle.
    title, caption : str
    """
    columns = min(len(images), 8)
    rows = -(-len(images) // columns)
    figure = new_figure(1.3 * columns, 1.6 * rows)
    for axes, number in zip(
        np.ravel(figure.subplots(rows, columns, squeeze=False)), range(rows * columns), strict=True
    ):
        axes.axis("off")
        if number < len(images):
            axes.imshow(images[number], cmap="gray_r", vmin=0, vmax=255)
            axes.set_title(shortened(captions[number]), fontsize=8, parse_math=False)
    return picture(figure, name, title, caption)


def shortened(caption: str) -> str:
    """Return the caption, with the middle of a long one replaced by an ellipsis."""
    text = "".join(char if char.isprintable() else "?" for char in caption)
    if len(text) <= _CAPTION_CHARS:
        return text
    kept = _CAPTION_CHARS - 1
    return f"{text[: kept // 2]}…{text[-(kept - kept // 2) :]}"
