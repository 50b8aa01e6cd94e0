"""Figures of the monitor: verdicts over time, and a gallery of outliers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fmnist_lib.common.plotting import ALERT, PRIMARY, SECONDARY, new_figure, picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fmnist_lib.common.plotting import Picture
    from fmnist_lib.monitor.signal import Signal

COLOURS = {
    "insufficient_data": SECONDARY,
    "ok": PRIMARY,
    "watch": "#d9a400",
    "retrain": ALERT,
}
_MARKERS = {"insufficient_data": "x", "ok": "o", "watch": "s", "retrain": "D"}
_LABELLED_DAYS = 12
#: Characters that fit above an image of the gallery.
_CAPTION_CHARS = 18


def history_chart(signals: Sequence[Signal]) -> Picture:
    """Chart of the champion's accuracy per batch, coloured by verdict.

    Parameters
    ----------
    signals : sequence of Signal
        Oldest first, this run last.
    """
    figure = new_figure(10.5, 3.6)
    axes = figure.subplots()
    _draw_reference(axes, signals)
    for verdict, colour in COLOURS.items():
        rows = [row for row, one in enumerate(signals) if one.verdict == verdict]
        with_accuracy = [row for row in rows if signals[row].accuracy is not None]
        _draw_points(axes, signals, with_accuracy, verdict, colour)
        # Without an accuracy only the verdict is shown, as a tick at the bottom.
        for row in set(rows) - set(with_accuracy):
            axes.axvline(row, ymax=0.06, color=colour, lw=4)
    _set_dates(axes, signals)
    axes.set_ylabel("accuracy")
    axes.grid(axis="y", alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, ncols=6, loc="lower left", bbox_to_anchor=(0, 1))
    calm = sum(signal.verdict == "ok" for signal in signals)
    return picture(
        figure,
        "monitor-history",
        f"Verdicts over time: {calm} of {len(signals)} ok",
        "Each mark is a batch: estimated accuracy with its interval, or the realised one (ringed) "
        "where labels were known. The step line is the champion's accuracy on held-out images.",
    )


def gallery(images: np.ndarray, captions: Sequence[str], title: str, caption: str) -> Picture:
    """Grid of images with captions.

    Parameters
    ----------
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
    return picture(figure, "monitor-unlike", title, caption)


def shortened(caption: str) -> str:
    """Return the caption, with the middle of a long one replaced by an ellipsis."""
    text = "".join(char if char.isprintable() else "?" for char in caption)
    if len(text) <= _CAPTION_CHARS:
        return text
    kept = _CAPTION_CHARS - 1
    return f"{text[: kept // 2]}…{text[-(kept - kept // 2) :]}"


def _draw_reference(axes: Any, signals: Sequence[Signal]) -> None:
    levels = [one.reference_accuracy.value if one.reference_accuracy else np.nan for one in signals]
    axes.step(
        range(len(levels)), levels, where="mid", color=SECONDARY, lw=1.5, label="held-out images"
    )


def _draw_points(
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


def _set_dates(axes: Any, signals: Sequence[Signal]) -> None:
    every = max(1, -(-len(signals) // _LABELLED_DAYS))
    ticks = range(0, len(signals), every)
    labels = [signals[row].created[5:16].replace("T", " ") for row in ticks]
    axes.set_xticks(list(ticks), labels, rotation=30, ha="right", fontsize=8)
    axes.set_xlim(-0.7, len(signals) - 0.3)
