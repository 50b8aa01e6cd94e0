"""Figures of the data audit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fmnist_lib.common.labels import CLASS_NAMES
from fmnist_lib.common.plotting import ALERT, new_figure, picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fmnist_lib.common.plotting import Picture
    from fmnist_lib.data.audit_result import ExamplePair

_PAIRS_PER_ROW = 4


def near_duplicates(examples: Sequence[ExamplePair]) -> tuple[Picture, ...]:
    """Draw the pairs side by side; return no picture if there are none."""
    if not examples:
        return ()
    differing = sum(pair.labels[0] != pair.labels[1] for pair in examples)
    columns = min(_PAIRS_PER_ROW, len(examples))
    rows = -(-len(examples) // columns)
    figure = new_figure(2.7 * columns, 2.1 * rows)
    grids = figure.subfigures(rows, columns, squeeze=False, wspace=0.02)
    for grid, pair in zip(grids.flat, examples, strict=False):
        differ = pair.labels[0] != pair.labels[1]
        for axes, number in zip(grid.subplots(1, 2), (0, 1), strict=True):
            axes.imshow(pair.images[number], cmap="gray_r", vmin=0, vmax=255)
            axes.set(xticks=[], yticks=[])
            axes.set_title(
                CLASS_NAMES[pair.labels[number]], fontsize=9, color=ALERT if differ else "black"
            )
            axes.set_xlabel(pair.splits[number], fontsize=8)
        grid.supxlabel(f"distance {pair.distance:.1f}", fontsize=8, color="#52606d")
    return (
        picture(
            figure,
            "near-duplicates",
            f"Near-duplicates: the labels differ in {differing} of {len(examples)} pairs shown",
            "Pairs of nearly identical images, those with different labels (orange) first: one of "
            "the two may be label noise. Under each image its split; below, the "
            "root-mean-square difference of the pixels (0-255).",
        ),
    )
