"""Verdicts over time, and the images that look least like the reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fmnist_lib.plotting import ALERT, PRIMARY, SECONDARY, new_figure, picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fmnist_lib.monitor.signal import Signal
    from fmnist_lib.plotting import Picture

COLOURS = {
    "insufficient_data": SECONDARY,
    "ok": PRIMARY,
    "watch": "#d9a400",
    "retrain": ALERT,
}
_MARKERS = {"insufficient_data": "x", "ok": "o", "watch": "s", "retrain": "D"}
_LABELLED_DAYS = 12
#: Letters that fit over an image of the gallery.
_CAPTION_LETTERS = 18


def history_chart(signals: Sequence[Signal]) -> Picture:
    """Accuracy of the champion batch by batch, coloured by verdict.

    Parameters
    ----------
    signals : sequence of Signal
        The oldest first, this run's last.
    """
    figure = new_figure(10.5, 3.6)
    axes = figure.subplots()
    _reference(axes, signals)
    for verdict, colour in COLOURS.items():
        rows = [row for row, one in enumerate(signals) if one.verdict == verdict]
        known = [row for row in rows if signals[row].accuracy is not None]
        _points(axes, signals, known, verdict, colour)
        # Without an accuracy the verdict alone is shown, at the foot of the chart.
        for row in set(rows) - set(known):
            axes.axvline(row, ymax=0.06, color=colour, lw=4)
    _dates(axes, signals)
    axes.set_ylabel("accuracy")
    axes.grid(axis="y", alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, ncols=6, loc="lower left", bbox_to_anchor=(0, 1))
    return picture(
        figure,
        "monitor-history",
        "Verdicts over time",
        "Each mark is a batch: estimated accuracy with its interval, or the realised one (ringed) "
        "where labels were known. The step line is the champion's accuracy on held-out images.",
    )


def gallery(images: np.ndarray, captions: Sequence[str], title: str, caption: str) -> Picture:
    """Images side by side, each with a word above it.

    Parameters
    ----------
    images : ndarray of shape (n, 28, 28), uint8
    captions : sequence of str
        Shown as they are, however they look like formulas; the middle of a long one is left out.
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
    return picture(figure, "monitor-unlike", title, caption)


def shortened(caption: str) -> str:
    """Return a caption that fits over an image: its beginning and its end."""
    text = "".join(letter if letter.isprintable() else "?" for letter in caption)
    if len(text) <= _CAPTION_LETTERS:
        return text
    kept = _CAPTION_LETTERS - 1
    return f"{text[: kept // 2]}…{text[-(kept - kept // 2) :]}"


def _reference(axes: Any, signals: Sequence[Signal]) -> None:
    levels = [one.reference_accuracy.value if one.reference_accuracy else np.nan for one in signals]
    axes.step(
        range(len(levels)), levels, where="mid", color=SECONDARY, lw=1.5, label="held-out images"
    )


def _points(
    axes: Any, signals: Sequence[Signal], rows: list[int], verdict: str, colour: str
) -> None:
    estimates = [one for row in rows if (one := signals[row].accuracy)]
    value = np.array([one.value for one in estimates])
    spread = [
        value - [one.low for one in estimates],
        [one.high for one in estimates] - value,
    ]
    if rows:
        axes.errorbar(
            rows,
            value,
            yerr=np.clip(spread, 0, None),
            fmt=_MARKERS[verdict],
            color=colour,
            capsize=3,
            label=verdict.replace("_", " "),
        )
    ringed = [row for row in rows if signals[row].realised_accuracy]
    heights = [one.value for row in ringed if (one := signals[row].accuracy)]
    axes.scatter(ringed, heights, s=130, facecolors="none", edgecolors=colour)


def _dates(axes: Any, signals: Sequence[Signal]) -> None:
    every = max(1, -(-len(signals) // _LABELLED_DAYS))
    places = range(0, len(signals), every)
    labels = [signals[row].created[5:16].replace("T", " ") for row in places]
    axes.set_xticks(list(places), labels, rotation=30, ha="right", fontsize=8)
    axes.set_xlim(-0.7, len(signals) - 0.3)
