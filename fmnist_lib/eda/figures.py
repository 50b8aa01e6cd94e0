"""Figures of the images: class counts, samples, class means and the embedding."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from fmnist_lib.common.formatting import percent
from fmnist_lib.common.labels import CLASS_NAMES, IMAGE_SHAPE, N_CLASSES
from fmnist_lib.common.montage import montage
from fmnist_lib.common.plotting import PRIMARY, SECONDARY, Picture, blank, new_figure, picture

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.container import BarContainer

    from fmnist_lib.eda.embedding import Embedding

_CHUNK = 4096


def class_counts_picture(counts: pd.DataFrame) -> Picture:
    """Draw bars of the images per class in train and test."""
    import seaborn as sns

    figure = new_figure(8, 5.2)
    axes = figure.subplots()
    shares = 100 * counts / counts.sum()
    rows = shares.reset_index().melt("class", var_name="split", value_name="share")
    palette = {"train": PRIMARY, "test": SECONDARY}
    sns.barplot(rows, y="class", x="share", hue="split", palette=palette, ax=axes, saturation=1)
    for bars, split in zip(axes.containers, counts.columns, strict=True):
        texts = [f"{count:,}" for count in counts[split]]
        axes.bar_label(cast("BarContainer", bars), texts, fontsize=8, padding=3)
    axes.set(ylabel="", xlabel="share of the split (%), with the number of images")
    axes.margins(x=0.1)
    axes.tick_params(axis="y", length=0)
    axes.legend(title=None, frameon=False, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1))
    axes.spines[["top", "right"]].set_visible(False)
    return picture(figure, "class-counts", *_balance(counts))


def _balance(counts: pd.DataFrame) -> tuple[str, str]:
    """Return title and caption."""
    sentences = []
    for split in counts.columns:
        low, high = int(counts[split].min()), int(counts[split].max())
        total = int(counts[split].sum())
        if low == high:
            sentences.append(
                f"{split.capitalize()}: {total:,} images, exactly {low:,} in every class."
            )
            continue
        rare, common = counts[split].idxmin(), counts[split].idxmax()
        sentences.append(
            f"{split.capitalize()}: {total:,} images, from {low:,} ({rare}) to {high:,} ({common}) "
            "in a class."
        )
    even = all(counts[split].min() > 0.8 * counts[split].max() for split in counts.columns)
    title, advice = (
        (
            "The classes are balanced",
            "Predicting one class scores one in ten, and accuracy is a fair measure.",
        )
        if even
        else (
            "The classes are imbalanced",
            "Read the recall per class beside the overall accuracy.",
        )
    )
    return title, " ".join([*sentences, advice])


def average_images_picture(images: np.ndarray, labels: np.ndarray) -> Picture:
    """Draw the pixel-wise mean and variance of every class."""
    mean, variance = _moments(images, labels)
    figure = new_figure(12, 2.75)
    grid = figure.subplots(2, N_CLASSES, gridspec_kw={"hspace": 0.02, "wspace": 0.02})
    highest = max(float(variance.max()), 1.0)
    for label, (upper, lower) in enumerate(grid.T):
        upper.imshow(mean[label], cmap="gray_r", vmin=0, vmax=255)
        shown = lower.imshow(variance[label], cmap="magma", vmin=0, vmax=highest)
        upper.set_title(CLASS_NAMES[label], fontsize=10)
    blank(*grid.flat)
    grid[0, 0].set_ylabel("mean")
    grid[1, 0].set_ylabel("variance")
    bar = figure.colorbar(shown, ax=grid, pad=0.01, shrink=0.85)
    bar.set_label("variance (squared grey levels)", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    overall = variance.mean(axis=(1, 2))
    present = np.flatnonzero(np.bincount(labels, minlength=N_CLASSES))
    most = CLASS_NAMES[present[overall[present].argmax()]]
    least = CLASS_NAMES[present[overall[present].argmin()]]
    caption = (
        f"A sharp mean image means that the class varies little. {most} varies most from image "
        f"to image, {least} least. Bright areas of the lower row are where garments of one class "
        "differ: sleeves, collars, handles, heels."
    )
    return picture(
        figure, "average-images", f"Mean and variance per class: {most} varies most", caption
    )


def _moments(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and variance per class, each of shape (10, 28, 28); 0 for absent classes."""
    sums = np.zeros((2, N_CLASSES, images[0].size))
    for start in range(0, len(images), _CHUNK):
        pixels = images[start : start + _CHUNK].reshape(-1, images[0].size).astype(np.float32)
        member = np.eye(N_CLASSES, dtype=np.float32)[labels[start : start + _CHUNK]].T
        sums[0] += member @ pixels
        sums[1] += member @ (pixels * pixels)
    counts = np.maximum(np.bincount(labels, minlength=N_CLASSES), 1)[:, None]
    mean = sums[0] / counts
    variance = np.maximum(sums[1] / counts - mean**2, 0)
    return mean.reshape(-1, *IMAGE_SHAPE), variance.reshape(-1, *IMAGE_SHAPE)


def samples_picture(
    images: np.ndarray, labels: np.ndarray, per_class: int, rng: np.random.Generator
) -> Picture:
    """Draw random images, one column per class."""
    tiles = np.zeros((per_class, N_CLASSES, *IMAGE_SHAPE), dtype=np.uint8)
    for label in range(N_CLASSES):
        drawn = rng.permutation(np.flatnonzero(labels == label))[:per_class]
        tiles[: len(drawn), label] = images[drawn]
    figure = montage(tiles.reshape(-1, *IMAGE_SHAPE), N_CLASSES, inches=1.1, columns=CLASS_NAMES)
    caption = (
        "A random sample. Shirts, T-shirts, pullovers and coats share one outline: at 28 x 28 "
        "pixels many are hard to tell apart for a person, too."
    )
    return picture(figure, "samples", "Random images per class", caption)


def embedding_picture(embedding: Embedding) -> Picture:
    """Draw the embedding, coloured by class."""
    import seaborn as sns

    figure = new_figure(9.5, 7)
    axes = figure.subplots()
    palette = sns.color_palette("tab10", N_CLASSES)
    for label in np.unique(embedding.labels):
        points = embedding.points[embedding.labels == label]
        axes.scatter(
            points[:, 0],
            points[:, 1],
            s=9,
            alpha=0.7,
            linewidths=0,
            color=palette[label],
            label=CLASS_NAMES[label],
        )
        _name_cluster(axes, points, CLASS_NAMES[label])
    blank(axes)
    axes.set_aspect("equal")
    axes.legend(
        loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, markerscale=3, fontsize=10
    )
    return picture(figure, "embedding", _embedding_title(embedding), _embedding_caption(embedding))


def _name_cluster(axes: Axes, points: np.ndarray, name: str) -> None:
    """Label a class at its densest point: the mean may fall between two clusters."""
    from matplotlib.patheffects import withStroke

    distance = np.linalg.norm(points[:, None] - points[None], axis=2)
    near = np.partition(distance, min(30, len(points) - 1), axis=1)[:, min(30, len(points) - 1)]
    x, y = points[near.argmin()]
    outline = [withStroke(linewidth=3, foreground="white")]
    axes.annotate(
        name, (x, y), ha="center", va="center", fontsize=11, weight="bold", color="#1f2933"
    ).set(path_effects=outline, zorder=5)


def _embedding_title(embedding: Embedding) -> str:
    if embedding.mixed_pair is None:
        return "t-SNE embedding"
    first, second = (CLASS_NAMES[label] for label in embedding.mixed_pair)
    return f"t-SNE embedding: {first} and {second} overlap most"


def _embedding_caption(embedding: Embedding) -> str:
    if np.ptp(embedding.points) == 0:
        return "All sampled images are identical: there is nothing to embed."
    mixed = ""
    if embedding.mixed_pair is not None:
        first, second = (CLASS_NAMES[label] for label in embedding.mixed_pair)
        mixed = f" {first} and {second} overlap most: expect a model to confuse them."
    return (
        f"{embedding.method}; similar images are close to each other, distances between clusters "
        f"mean nothing. Of an image's ten nearest neighbours, {percent(embedding.agreement, 0)} "
        f"have its class.{mixed}"
    )
