"""Figures of the data audit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.common.labels import CLASS_NAMES, N_CLASSES
from fmnist_lib.common.plotting import ALERT, PRIMARY, SECONDARY, new_figure, picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fmnist_lib.common.plotting import Picture
    from fmnist_lib.data.audit_result import ExamplePair, SplitAudit

_PAIRS_PER_ROW = 4
#: From this ratio of the rarest to the most frequent class on, their difference is not named.
_NEARLY_EVEN = 0.9


def class_balance(splits: Sequence[SplitAudit]) -> Picture:
    """Draw every class's share of every split, with a line at an even share."""
    figure = new_figure(9, 3.6)
    axes = figure.add_subplot()
    height = 0.8 / len(splits)
    colours = (PRIMARY, "#7da7d9", SECONDARY)
    rows = np.arange(N_CLASSES)
    for number, split in enumerate(splits):
        shares = 100 * np.array(split.class_counts) / split.images
        label = f"{split.name} ({split.images:,})"
        axes.barh(rows + number * height, shares, height, color=colours[number], label=label)
    axes.axvline(100 / N_CLASSES, color="black", linewidth=0.8, linestyle=":")
    axes.set_yticks(rows + height * (len(splits) - 1) / 2, CLASS_NAMES)
    axes.invert_yaxis()
    axes.set_xlabel("share of the split's images, %  (dotted: an even share)")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper right", ncols=len(splits), frameon=False)
    return picture(
        figure,
        "class-balance",
        f"Class balance: {_evenness(splits)}",
        "Bars of equal length: accuracy is a fair summary. Bars of different lengths: read the "
        "metrics per class too.",
    )


def _evenness(splits: Sequence[SplitAudit]) -> str:
    if all(len(set(split.class_counts)) == 1 for split in splits):
        return "every class has the same number of images"
    counts = np.sum([split.class_counts for split in splits], axis=0)
    if counts.min() > _NEARLY_EVEN * counts.max():
        return "every class has nearly the same number of images"
    rare, common = CLASS_NAMES[int(np.argmin(counts))], CLASS_NAMES[int(np.argmax(counts))]
    return f"most images are of {common}, fewest of {rare}"


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
