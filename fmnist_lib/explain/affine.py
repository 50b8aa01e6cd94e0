"""Probe whether the transformers of a pipeline are an affine map of the pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fmnist_lib.common.labels import IMAGE_SHAPE, N_PIXELS

if TYPE_CHECKING:
    from collections.abc import Callable

_WHITE = 255
#: Largest error of the reconstructed features, relative to their largest value: float32
#: rounding is far below, clipping or normalising an image far above.
_TOLERANCE = 1e-3


@dataclass(frozen=True)
class AffineMap:
    """``features = pixels @ matrix + offset``, pixels on the 0-255 scale.

    Attributes
    ----------
    matrix : ndarray of shape (784, n_features)
    offset : ndarray of shape (n_features,)
    """

    matrix: np.ndarray
    offset: np.ndarray

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Return the features of images of shape (n, 28, 28)."""
        return images.reshape(len(images), -1).astype(np.float64) @ self.matrix + self.offset


def front_and_classifier(model: Any) -> tuple[Callable[[np.ndarray], Any], Any]:
    """Split a (possibly nested) pipeline into its transformers and its last step."""
    steps = list(flat_steps(model))

    def front(images: np.ndarray) -> Any:
        features: Any = images
        for transformer in steps[:-1]:
            features = transformer.transform(features)
        return features

    return front, steps[-1]


def probe_affine(
    front: Callable[[np.ndarray], Any], real_images: np.ndarray
) -> tuple[AffineMap | None, str]:
    """Return the affine map equal to a transformation of images, if there is one.

    The matrix is measured with 785 probes (a black image, and each single pixel white) and must
    reproduce the features of real images. Types of steps are not sufficient: a scaler may
    normalise every image by its own norm.

    Parameters
    ----------
    front : callable
        uint8 images (n, 28, 28) to features (n, n_features).
    real_images : ndarray of shape (n, 28, 28)

    Returns
    -------
    map : AffineMap or None
        None when the transformation is not affine.
    finding : str
        Description of the result.
    """
    features = _dense(front(real_images))
    if features.ndim != 2:  # noqa: PLR2004 (2-D array)
        return None, "the steps before the classifier do not return a 2-D array"
    probes = np.zeros((N_PIXELS + 1, N_PIXELS), dtype=np.uint8)
    probes[np.arange(N_PIXELS), np.arange(N_PIXELS)] = _WHITE
    responses = _dense(front(probes.reshape(-1, *IMAGE_SHAPE)))
    offset = responses[-1]
    affine = AffineMap(matrix=(responses[:-1] - offset) / _WHITE, offset=offset)
    error = np.abs(affine(real_images) - features).max() / max(np.abs(features).max(), 1e-12)
    finding = (
        f"a matrix reproduces the steps before the classifier on {len(features)} real images "
        f"to {error:.1g} of their range"
    )
    if error <= _TOLERANCE:
        return affine, finding
    return None, f"no fixed matrix reproduces the steps before the classifier (error {error:.1g})"


def flat_steps(estimator: Any) -> list[Any]:
    """Return the steps of a pipeline, those of nested pipelines in their place."""
    from sklearn.pipeline import Pipeline

    if not isinstance(estimator, Pipeline):
        return [estimator]
    parts = [step for _, step in estimator.steps if step is not None and step != "passthrough"]
    return [inner for part in parts for inner in flat_steps(part)]


def _dense(features: Any) -> np.ndarray:
    dense = features.toarray() if hasattr(features, "toarray") else features
    return np.asarray(dense, dtype=np.float64)
