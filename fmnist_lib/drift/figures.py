"""Figures of a drift report: distributions, KS statistics and examples of simulated shifts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fmnist_lib.common.labels import N_CLASSES
from fmnist_lib.common.montage import montage
from fmnist_lib.common.plotting import ALERT, PRIMARY, SECONDARY, SEQUENTIAL, new_figure, picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fmnist_lib.common.plotting import Picture
    from fmnist_lib.drift.detection import DetectionRate
    from fmnist_lib.drift.two_sample.result import TwoSampleResult

_SHOWN_COLUMNS = 6


def drift_pictures(
    reference: np.ndarray,
    current: np.ndarray,
    ks: TwoSampleResult,
    detection: Sequence[DetectionRate],
) -> tuple[Picture, ...]:
    """Return all figures of a drift report."""
    return (
        distributions(reference, current, ks),
        signatures(ks.columns, detection),
        shift_examples(detection),
    )


def distributions(reference: np.ndarray, current: np.ndarray, ks: TwoSampleResult) -> Picture:
    """Cumulative distributions of the columns with the largest KS statistics."""
    figure = new_figure(10.5, 5.8)
    axes = figure.subplots(2, _SHOWN_COLUMNS // 2, sharey=True)
    for one, column in zip(axes.flat, ks.by_effect, strict=False):
        before, now = np.sort(reference[:, column]), np.sort(current[:, column])
        one.step(
            before,
            _cumulative_shares(before),
            where="post",
            color=SECONDARY,
            lw=3,
            label="reference",
        )
        one.step(now, _cumulative_shares(now), where="post", color=PRIMARY, lw=1.6, label="current")
        _mark_gap(one, before, now)
        one.set_title(
            f"{ks.columns[column]}, KS {ks.statistic[column]:.3f}",
            fontsize=10,
            color=ALERT if ks.rejected[column] else "black",
        )
        one.grid(alpha=0.25)
        one.spines[["top", "right"]].set_visible(False)
    largest = ks.by_effect[0]
    for row in axes:
        row[0].set_ylabel("share of images up to this value")
    axes[0, 0].legend(frameon=False, loc="lower right")
    return picture(
        figure,
        "drift-distributions",
        f"Columns with the largest shift: {ks.columns[largest]}, KS {ks.statistic[largest]:.3f}",
        f"Cumulative distributions of {len(reference)} reference and {len(current)} current "
        "images. The KS statistic is the largest vertical distance, marked by the orange line; "
        "significantly different columns have an orange title.",
    )


def signatures(columns: Sequence[str], detection: Sequence[DetectionRate]) -> Picture:
    """Median KS statistic of every column under every shift."""
    values = np.stack([rate.statistic for rate in detection])
    figure = new_figure(11, 2.2 + 0.32 * len(detection))
    axes = figure.subplots()
    image = axes.imshow(values, cmap=SEQUENTIAL, vmin=0, aspect="auto")
    axes.set_xticks(range(len(columns)), columns, rotation=60, ha="right", fontsize=8)
    axes.set_yticks(range(len(detection)), [_label(rate) for rate in detection], fontsize=9)
    axes.spines[:].set_visible(False)
    axes.axvline(N_CLASSES - 0.5, color="black", lw=0.8)
    figure.colorbar(image, ax=axes, label="KS statistic", pad=0.01)
    shift, column = (int(place) for place in np.unravel_index(values.argmax(), values.shape))
    shifted = _label(detection[shift])
    return picture(
        figure,
        "drift-signatures",
        f"KS statistics by shift and column: {shifted} changes {columns[column]} most",
        "Median KS statistic over the repeated batches. The model's outputs are left of the "
        "line, named image features right of it.",
    )


def shift_examples(detection: Sequence[DetectionRate]) -> Picture:
    """The first images of every shifted batch."""
    n_columns = max(len(rate.examples) for rate in detection)
    shape = detection[0].examples.shape[1:]
    tiles = np.zeros((len(detection), n_columns, *shape), dtype=np.uint8)
    for row, rate in zip(tiles, detection, strict=True):
        row[: len(rate.examples)] = rate.examples
    names = [_label(rate) for rate in detection]
    figure = montage(tiles.reshape(-1, *shape), n_columns, inches=0.75, rows=names)
    return picture(
        figure,
        "drift-shifts",
        "Examples of simulated shifts",
        "The same images under every shift. Missing classes only change which images occur.",
    )


def _cumulative_shares(values: np.ndarray) -> np.ndarray:
    return np.arange(1, len(values) + 1) / len(values)


def _mark_gap(axes: Any, before: np.ndarray, now: np.ndarray) -> None:
    """Draw a vertical line at the largest distance of the two cumulative distributions."""
    values = np.concatenate([before, now])
    lower = np.searchsorted(before, values, side="right") / len(before)
    upper = np.searchsorted(now, values, side="right") / len(now)
    widest = np.abs(lower - upper).argmax()
    axes.plot([values[widest]] * 2, [lower[widest], upper[widest]], color=ALERT, lw=3, zorder=3)


def _label(rate: DetectionRate) -> str:
    return rate.description if rate.is_shift else rate.name
