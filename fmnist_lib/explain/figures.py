"""SHAP maps: per class, over single images, for mistakes, and deletion and insertion curves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fmnist_lib.common.labels import CLASS_NAMES, N_CLASSES
from fmnist_lib.common.plotting import (
    ALERT,
    DIVERGING,
    PRIMARY,
    SECONDARY,
    SEQUENTIAL,
    blank,
    new_figure,
    picture,
)
from fmnist_lib.explain.attribution import values_of_class

if TYPE_CHECKING:
    from fmnist_lib.common.plotting import Picture
    from fmnist_lib.explain.faithfulness import Curves
    from fmnist_lib.explain.result import Explanation

_MAX_IMAGES_PER_CLASS = 3
_MAX_MISTAKES = 6
#: Colour scales end at this percentile, so that outliers do not compress the scale.
_LIMIT_PERCENTILE = 99.5


def explanation_pictures(explanation: Explanation) -> tuple[Picture, ...]:
    """Return all figures of an explanation; that of mistakes only if there are any."""
    figures = [class_maps(explanation), image_maps(explanation)]
    if explanation.n_mistakes:
        figures.append(mistake_maps(explanation))
    return (*figures, faithfulness_curves(explanation))


def class_maps(explanation: Explanation) -> Picture:
    """Mean absolute and mean signed SHAP values of every class as 28 x 28 maps."""
    figure = new_figure(11.5, 4.3)
    axes = figure.subplots(3, N_CLASSES)
    predicted = values_of_class(explanation.shap_values, explanation.predictions)
    groups = [explanation.predictions == label for label in range(N_CLASSES)]
    signed = [predicted[group].mean(axis=0) if group.any() else None for group in groups]
    largest = _limit(explanation.importance)
    limit = _limit([one for one in signed if one is not None])
    for label in range(N_CLASSES):
        axes[0, label].set_title(CLASS_NAMES[label], fontsize=10)
        group = groups[label]
        if group.any():
            axes[0, label].imshow(explanation.images[group].mean(axis=0), cmap="gray_r")
        magnitude = axes[1, label].imshow(
            explanation.importance[label], cmap=SEQUENTIAL, vmin=0, vmax=largest
        )
        _signed_map(axes[2, label], signed[label], limit)
    blank(*axes.flat)
    for row, text in zip(
        axes[:, 0],
        ("mean image\nif predicted", "mean |SHAP|\nof the class", "mean SHAP\nif predicted"),
        strict=True,
    ):
        row.set_ylabel(text, fontsize=9)
    figure.colorbar(magnitude, ax=axes[1, :], label="|log-odds|", pad=0.01)
    _colorbar(figure, axes[2, :], limit, "log-odds", "vertical")
    return picture(
        figure,
        "shap-classes",
        "SHAP attributions per class",
        f"Mean over {len(explanation.images)} explained images. Middle row: dark pixels have the "
        "largest effect on the class output. Bottom row: if the class is predicted, red pixels "
        "support it and blue ones oppose it.",
    )


def image_maps(explanation: Explanation) -> Picture:
    """Single images beside their map for the predicted class, two classes per row."""
    shown = _first_of_each_class(explanation.labels, _MAX_IMAGES_PER_CLASS)
    width = max(len(rows) for rows in shown)
    figure = new_figure(1.5 + 3 * width, 7.2)
    # Image and map side by side; an empty column between the two classes of a row.
    ratios = [1.0] * (2 * width) + [0.35] + [1.0] * (2 * width)
    axes = figure.subplots(N_CLASSES // 2, len(ratios), gridspec_kw={"width_ratios": ratios})
    values = values_of_class(explanation.shap_values, explanation.predictions)
    for label, rows in enumerate(shown):
        first = (label % 2) * (2 * width + 1)
        for place, row in enumerate(rows):
            pair = axes[label // 2, first + 2 * place : first + 2 * place + 2]
            pair[0].imshow(explanation.images[row], cmap="gray_r")
            # A scale per image: effects of a confident prediction are spread and small.
            scaled = values[row] / _limit(values[row])
            _overlay(pair[1], explanation.images[row], scaled, 1)
            _title_prediction(pair, explanation, int(row))
    blank(*axes.flat)
    _hide_unused(axes)
    unit = "log-odds, relative to the largest in the image"
    _colorbar(figure, axes, 1, unit, "horizontal")
    return picture(
        figure,
        "shap-images",
        "SHAP attributions of single images",
        "Left the image with its true class, right the map of the predicted class with its "
        "probability: red pixels support the prediction, blue ones oppose it. Every map has a "
        "colour scale of its own. Mistakes have an orange title.",
        palette=True,
    )


def mistake_maps(explanation: Explanation) -> Picture:
    """Misclassified images with maps of the predicted and of the true class."""
    wrong = np.flatnonzero(explanation.labels != explanation.predictions)
    confidence = explanation.probabilities[wrong, explanation.predictions[wrong]]
    wrong = wrong[np.argsort(-confidence, kind="stable")][:_MAX_MISTAKES]
    n_rows = -(-len(wrong) // 2)
    # Three panels per mistake; an empty column between the two mistakes of a row.
    ratios = [1, 1, 1] if len(wrong) == 1 else [1, 1, 1, 0.25, 1, 1, 1]
    figure = new_figure(1.45 * sum(ratios), 0.9 + 2.0 * n_rows)
    axes = figure.subplots(n_rows, len(ratios), squeeze=False, gridspec_kw={"width_ratios": ratios})
    values = explanation.shap_values[wrong]
    predicted = values_of_class(values, explanation.predictions[wrong])
    truth = values_of_class(values, explanation.labels[wrong])
    limit = _limit([predicted, truth])
    for place, row in enumerate(wrong):
        panel = axes[place // 2, (place % 2) * 4 : (place % 2) * 4 + 3]
        panel[0].imshow(explanation.images[row], cmap="gray_r")
        _overlay(panel[1], explanation.images[row], predicted[place], limit)
        _overlay(panel[2], explanation.images[row], truth[place], limit)
        _title_mistake(panel, explanation, int(row))
    blank(*axes.flat)
    _hide_unused(axes)
    _colorbar(figure, axes, limit, "log-odds", "horizontal")
    return picture(
        figure,
        "shap-mistakes",
        "SHAP attributions of mistakes",
        "The most confident mistakes among the explained images. Middle: pixels that support (red) "
        "or oppose (blue) the predicted class. Right: the same for the true class.",
    )


def faithfulness_curves(explanation: Explanation) -> Picture:
    """Probability of the predicted class against the share of pixels hidden, and shown."""
    test = explanation.scores.faithfulness
    figure = new_figure(11.5, 4.0)
    axes = figure.subplots(1, 2, sharey=True)
    for one, curves, start, word in (
        (axes[0], test.deletion, test.original, "hidden"),
        (axes[1], test.insertion, test.hidden, "shown"),
    ):
        _curves(one, curves, start, test.fractions)
        one.set(xlabel=f"pixels {word} (%)", ylim=(0, 1))
        one.grid(alpha=0.25)
        one.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("probability of the predicted class")
    axes[0].legend(frameon=False)
    return picture(
        figure,
        "faithfulness",
        "Deletion and insertion: "
        + (
            "the pixels ranked first matter most"
            if test.deletion.passed and test.insertion.passed
            else "the pixels ranked first do not always matter most"
        ),
        f"Mean over {len(test.original)} images, with 95 % intervals. If the maps are right, the "
        "orange curve falls fastest on the left and rises fastest on the right.",
    )


def _curves(axes: Any, curves: Curves, start: np.ndarray, fractions: tuple[float, ...]) -> None:
    shares = [0.0, *(100 * fraction for fraction in fractions)]
    for text, remaining, colour, marker in (
        ("random pixels", curves.random, SECONDARY, "o"),
        ("the same map, displaced", curves.displaced, "#4b5563", "s"),
        ("the map of another image", curves.exchanged, PRIMARY, "^"),
        ("pixels ranked first by the map", curves.ranked, ALERT, "D"),
    ):
        by_image = np.column_stack([start, remaining])
        mean = by_image.mean(axis=0)
        margin = 1.96 * by_image.std(axis=0, ddof=1) / np.sqrt(len(by_image))
        axes.fill_between(shares, mean - margin, mean + margin, color=colour, alpha=0.15, lw=0)
        axes.plot(shares, mean, color=colour, marker=marker, ms=5, label=text)


def _overlay(axes: Any, image: np.ndarray, values: np.ndarray, limit: float) -> None:
    """Draw the map over a pale image; pixels without effect are transparent."""
    axes.imshow(image, cmap="gray_r", vmin=0, vmax=700)
    opacity = np.clip(np.abs(values) / limit, 0, 1) ** 0.5
    axes.imshow(values, cmap=DIVERGING, vmin=-limit, vmax=limit, alpha=opacity)


def _signed_map(axes: Any, values: np.ndarray | None, limit: float) -> None:
    if values is None:
        axes.text(0.5, 0.5, "none\npredicted", ha="center", va="center", fontsize=8)
        return
    axes.imshow(values, cmap=DIVERGING, vmin=-limit, vmax=limit)


def _title_prediction(pair: Any, explanation: Explanation, row: int) -> None:
    label, predicted = explanation.labels[row], explanation.predictions[row]
    colour = "black" if label == predicted else ALERT
    pair[0].set_title(CLASS_NAMES[label], fontsize=8)
    probability = explanation.probabilities[row, predicted]
    pair[1].set_title(f"{CLASS_NAMES[predicted]}\n{probability:.2f}", fontsize=8, color=colour)


def _title_mistake(panel: Any, explanation: Explanation, row: int) -> None:
    label, predicted = explanation.labels[row], explanation.predictions[row]
    by_class = explanation.probabilities[row]
    panel[0].set_title(f"image:\n{CLASS_NAMES[label]}", fontsize=9)
    panel[1].set_title(
        f"predicted:\n{CLASS_NAMES[predicted]} {by_class[predicted]:.2f}", fontsize=9, color=ALERT
    )
    panel[2].set_title(f"true:\n{CLASS_NAMES[label]} {by_class[label]:.2f}", fontsize=9)


def _first_of_each_class(labels: np.ndarray, most: int) -> list[np.ndarray]:
    """Rows to show per class; correct predictions come first, so the last row is kept too."""
    groups = [np.flatnonzero(labels == label) for label in range(N_CLASSES)]
    return [rows if len(rows) <= most else np.append(rows[: most - 1], rows[-1]) for rows in groups]


def _limit(values: Any) -> float:
    return max(float(np.percentile(np.abs(np.asarray(values)), _LIMIT_PERCENTILE)), 1e-9)


def _hide_unused(axes: np.ndarray) -> None:
    for one in axes.flat:
        if not one.images:
            one.axis("off")


def _colorbar(figure: Any, axes: np.ndarray, limit: float, unit: str, orientation: str) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.ticker import MaxNLocator

    scale = ScalarMappable(Normalize(-limit, limit), cmap=DIVERGING)
    is_vertical = orientation == "vertical"
    layout = {"pad": 0.01} if is_vertical else {"pad": 0.02, "shrink": 0.7, "aspect": 45}
    figure.colorbar(
        scale,
        ax=axes,
        orientation=orientation,
        ticks=MaxNLocator(4),
        label=unit if is_vertical else f"effect of a pixel on the {unit}",
        **layout,
    )
