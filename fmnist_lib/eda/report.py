"""Run the exploratory data analysis: tables, figures and the Sweetviz report."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.common.errors import DataError
from fmnist_lib.common.labels import CLASS_NAMES, N_CLASSES
from fmnist_lib.common.sampling import stratified_rows
from fmnist_lib.eda.discriminative import correlation_ratio, discriminative_features
from fmnist_lib.eda.embedding import embed
from fmnist_lib.eda.feature_figures import correlations_picture, distributions_picture
from fmnist_lib.eda.figures import (
    average_images_picture,
    class_counts_picture,
    embedding_picture,
    samples_picture,
)
from fmnist_lib.eda.summary import class_counts, describe_findings, feature_summary
from fmnist_lib.eda.sweetviz_report import sweetviz_report
from fmnist_lib.features.images import as_images
from fmnist_lib.features.named import named_features

if TYPE_CHECKING:
    import pandas as pd

    from fmnist_lib.common.plotting import Picture
    from fmnist_lib.config.training import EdaConfig

#: Features shown as violins: two rows of three stay readable.
_DRAWN_FEATURES = 6
#: Images used for the violins: more do not change their outlines.
_DRAWN_ROWS = 4000
_MIN_IMAGES = 20


@dataclass(frozen=True)
class EdaReport:
    """Result of the exploration.

    Attributes
    ----------
    pictures : tuple of Picture
        Figures, captioned with the main finding of each.
    class_counts : DataFrame of shape (10, 2)
        Images per class, in train and test.
    feature_summary : DataFrame
        One row per named feature; see `fmnist_lib.eda.summary.feature_summary`.
    findings : tuple of str
        Sentences about the features, most important first.
    sweetviz_html : str
        The Sweetviz page, self-contained.
    sweetviz_rows : tuple of (int, int)
        Training and test images in it.
    seconds : float
        Wall time.
    """

    pictures: tuple[Picture, ...]
    class_counts: pd.DataFrame
    feature_summary: pd.DataFrame
    findings: tuple[str, ...]
    sweetviz_html: str
    sweetviz_rows: tuple[int, int]
    seconds: float


def explore(  # noqa: PLR0917 (two splits, each images and labels, and the settings)
    train_images: np.ndarray,
    train_labels: np.ndarray,
    test_images: np.ndarray,
    test_labels: np.ndarray,
    config: EdaConfig,
    seed: int,
) -> EdaReport:
    """Explore images, classes and named features, train against test.

    Parameters
    ----------
    train_images, test_images : ndarray of shape (n, 28, 28)
        uint8, at least 20 images each.
    train_labels, test_labels : ndarray of shape (n,)
        Integers in 0..9.
    config : EdaConfig
    seed : int
        For the images that are sampled and drawn.

    Raises
    ------
    DataError
        Images and labels do not match, or are too few.
    """
    start = time.perf_counter()
    train_images, test_images = as_images(train_images), as_images(test_images)
    _check("train", train_images, train_labels)
    _check("test", test_images, test_labels)
    rng = np.random.default_rng(seed)
    rows = stratified_rows(train_labels, config.embedding_rows, rng)
    drawn = stratified_rows(train_labels, _DRAWN_ROWS, rng)
    # t-SNE releases the interpreter lock, so that Sweetviz can draw on the other core meanwhile.
    with ThreadPoolExecutor(1) as other_core:
        embedding = other_core.submit(embed, train_images[rows], train_labels[rows], seed)
        train, test = named_features(train_images), named_features(test_images)
        ratios = correlation_ratio(train, train_labels)
        summary = feature_summary(train, test, ratios)
        discriminative = discriminative_features(train, ratios, config.sweetviz_features)
        counts = class_counts(train_labels, test_labels)
        pictures = [
            class_counts_picture(counts),
            samples_picture(train_images, train_labels, config.images_per_class, rng),
            average_images_picture(train_images, train_labels),
            *_feature_pictures(train, train_labels, discriminative, ratios, drawn),
        ]
        samples = [
            _sample(frame[discriminative], labels, config.sweetviz_rows, rng)
            for frame, labels in ((train, train_labels), (test, test_labels))
        ]
        html = sweetviz_report(*samples)
        pictures.append(embedding_picture(embedding.result()))
    return EdaReport(
        pictures=tuple(pictures),
        class_counts=counts,
        feature_summary=summary,
        findings=describe_findings(summary, discriminative, len(train), len(test)),
        sweetviz_html=html,
        sweetviz_rows=(len(samples[0]), len(samples[1])),
        seconds=time.perf_counter() - start,
    )


def _feature_pictures(
    features: pd.DataFrame,
    labels: np.ndarray,
    discriminative: list[str],
    ratios: pd.Series,
    rows: np.ndarray,
) -> list[Picture]:
    """Draw what varies: a constant feature has no distribution and no correlation."""
    found = []
    if discriminative:
        names = discriminative[:_DRAWN_FEATURES]
        found.append(distributions_picture(features.iloc[rows], labels[rows], names, ratios))
    if len(discriminative) > 1:
        found.append(correlations_picture(features))
    return found


def _sample(
    features: pd.DataFrame, labels: np.ndarray, rows: int, rng: np.random.Generator
) -> pd.DataFrame:
    """Return rows for Sweetviz, with the class as first column, named ``garment``."""
    chosen = stratified_rows(labels, rows, rng)
    sample = features.iloc[chosen].reset_index(drop=True)
    sample.insert(0, "garment", np.asarray(CLASS_NAMES, dtype=object)[labels[chosen]])
    return sample


def _check(split: str, images: np.ndarray, labels: np.ndarray) -> None:
    if len(images) < _MIN_IMAGES:
        raise DataError(
            f"{split}: expected at least {_MIN_IMAGES} images to explore, got {len(images)}. "
            "Use more rows."
        )
    if labels.shape != (len(images),):
        raise DataError(
            f"{split}: expected one label for each of {len(images)} images, got shape "
            f"{labels.shape}. Pass images and labels of the same split."
        )
    if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= N_CLASSES:
        raise DataError(
            f"{split}: expected integer labels within 0..{N_CLASSES - 1}, got {labels.dtype} "
            f"from {labels.min()} to {labels.max()}. Check the label file."
        )
