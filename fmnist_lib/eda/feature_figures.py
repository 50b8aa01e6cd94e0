"""Figures of the named features: distributions by class, and correlations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.common.formatting import percent
from fmnist_lib.common.labels import CLASS_NAMES
from fmnist_lib.common.plotting import DIVERGING, Picture, new_figure, picture
from fmnist_lib.eda.discriminative import REDUNDANT
from fmnist_lib.features.named import FEATURES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

_GREY = "#52606d"


def distributions_picture(
    features: pd.DataFrame, labels: np.ndarray, chosen: Sequence[str], ratios: pd.Series
) -> Picture:
    """Draw violin plots of the chosen features, one violin per class.

    Parameters
    ----------
    features : DataFrame of shape (n, n_features)
        A sample of a few thousand rows is enough.
    labels : ndarray of shape (n,)
    chosen : sequence of str
        Columns to draw, best first.
    ratios : Series
        Share of each feature's variance that the class accounts for.
    """
    import seaborn as sns

    present = np.unique(labels)
    names = np.asarray(CLASS_NAMES)[labels]
    order = [CLASS_NAMES[label] for label in present]
    palette = sns.color_palette("tab10", len(CLASS_NAMES))
    colours = {CLASS_NAMES[label]: palette[label] for label in present}
    n_rows = -(-len(chosen) // 3)
    figure = new_figure(12, 3.6 * n_rows)
    grid = figure.subplots(n_rows, 3, squeeze=False, sharey=True)
    for axes, feature in zip(grid.ravel(), chosen, strict=False):
        sns.violinplot(
            x=features[feature], y=names, hue=names, order=order, hue_order=order, palette=colours,
            density_norm="width", inner="quart", cut=0, linewidth=0.7, legend=False, ax=axes,
        )  # fmt: skip
        axes.set(xlabel="", ylabel="")
        axes.set_title(
            f"{feature}: class accounts for {percent(ratios[feature], 0)}",
            fontsize=10,
            loc="left",
            pad=8,
        )
        axes.grid(axis="x", color="#e4e7eb", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
    for axes in grid.ravel()[len(chosen) :]:
        axes.set_visible(False)
    best = chosen[0]
    caption = (
        f"Dashed lines: median and quartiles. {best} ({FEATURES.get(best, 'a feature')}) separates "
        f"the classes best: the class accounts for {percent(ratios[best], 0)} of its variance. "
        "No single feature separates all ten."
    )
    title = f"Most discriminative features: {best} first"
    return picture(figure, "feature-distributions", title, caption)


def correlations_picture(features: pd.DataFrame) -> Picture:
    """Draw a heat map of the correlations, similar features side by side."""
    import seaborn as sns

    varying = features.loc[:, features.min() < features.max()].astype("float64")
    correlation = varying.corr()
    order = _order(correlation)
    correlation = correlation.iloc[order, order]
    figure = new_figure(10, 9.2)
    axes = figure.subplots()
    scale = axes.inset_axes((0.72, 0.55, 0.025, 0.38))
    hidden = np.triu(np.ones(correlation.shape, dtype=bool), k=0)
    sns.heatmap(
        correlation, mask=hidden, cmap=DIVERGING, vmin=-1, vmax=1, square=True, ax=axes,
        linewidths=0.6, linecolor="white", annot=(100 * correlation).round().astype(int), fmt="d",
        annot_kws={"fontsize": 7}, cbar_ax=scale, cbar_kws={"label": "Pearson correlation"},
    )  # fmt: skip
    axes.set(xlabel="", ylabel="")
    axes.set_xticks(axes.get_xticks()[:-1], [*correlation.columns[:-1]], rotation=55, ha="right")
    axes.set_yticks(axes.get_yticks()[1:], [*correlation.columns[1:]])
    axes.tick_params(length=0, colors=_GREY)
    title, caption = _strongest(correlation)
    caption = f"Numbers are correlations times 100. {caption}"
    return picture(figure, "feature-correlations", title, caption)


def _order(correlation: pd.DataFrame) -> np.ndarray:
    """Return the order that puts strongly correlated features side by side."""
    from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
    from scipy.spatial.distance import squareform

    distance = squareform(1 - correlation.abs().to_numpy().clip(0, 1), checks=False)
    return np.asarray(leaves_list(optimal_leaf_ordering(linkage(distance, "average"), distance)))


def _strongest(correlation: pd.DataFrame) -> tuple[str, str]:
    """Return a title and a caption: the strongest pair of each sign, and the redundant pairs."""
    values = correlation.to_numpy()
    rows, columns = np.tril_indices(len(values), k=-1)
    pairs = values[rows, columns]
    names = correlation.columns
    highest, lowest, strongest = (
        int(one) for one in (pairs.argmax(), pairs.argmin(), np.abs(pairs).argmax())
    )
    redundant = int((np.abs(pairs) > REDUNDANT).sum())
    title = f"{names[rows[strongest]]} and {names[columns[strongest]]} correlate most"
    return title, (
        f"Strongest positive: {names[rows[highest]]} and {names[columns[highest]]} "
        f"({pairs[highest]:+.2f}); strongest negative: {names[rows[lowest]]} and "
        f"{names[columns[lowest]]} ({pairs[lowest]:+.2f}). {redundant} of {len(pairs)} pairs "
        f"are nearly redundant (absolute correlation above {REDUNDANT:.2f})."
    )
