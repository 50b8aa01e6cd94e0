"""Held-out reference of a model: calibration of its confidence and out-of-distribution flag."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Self

import numpy as np

from fmnist_lib.common.array_files import read_npz
from fmnist_lib.common.calibration import isotonic_accuracy
from fmnist_lib.common.errors import ModelError
from fmnist_lib.common.labels import N_PIXELS
from fmnist_lib.features.images import as_images

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_COMPONENTS, _FIT_ROWS = 50, 6000
#: A reference of 50 components and 100,000 groups takes 2 MB.
_MAX_BYTES = 50_000_000
#: Share of held-out images above each of the two thresholds.
FLAGGED_SHARE = 0.005


@dataclass(frozen=True, eq=False)
class HeldOutReference:
    """Calibration from held-out images, and PCA of training images with held-out thresholds.

    An image is flagged as out-of-distribution if its distance from the principal subspace of the
    training images, or from their mean within the subspace, exceeds that of all but
    `FLAGGED_SHARE` of the held-out images: up to twice this share of in-distribution images is
    flagged. The rule uses pixels, not the model, and cannot detect new kinds of garments that
    resemble the known ones.

    Attributes
    ----------
    probabilities : ndarray of float64, shape (n_groups,)
        Mean highest probability of groups of held-out images, ascending.
    accuracies : ndarray of float64, shape (n_groups,)
        Accuracy of each group, made monotone in the probability.
    mean : ndarray of float32, shape (784,)
    components : ndarray of float32, shape (784, n_components)
        Orthonormal columns.
    deviations : ndarray of float32, shape (n_components,)
        Standard deviations along the components.
    thresholds : ndarray of float32, shape (2,)
        Thresholds of the distances from and within the subspace.
    """

    probabilities: NDArray[np.float64]
    accuracies: NDArray[np.float64]
    mean: NDArray[np.float32]
    components: NDArray[np.float32]
    deviations: NDArray[np.float32]
    thresholds: NDArray[np.float32]

    @classmethod
    def fit(
        cls,
        training_images: NDArray[np.uint8],
        held_out_images: NDArray[np.uint8],
        held_out_labels: NDArray[np.uint8],
        held_out_probabilities: NDArray[np.floating],
    ) -> Self:
        """Fit on training images, and on held-out ones with the model's probabilities.

        Parameters
        ----------
        training_images, held_out_images : ndarray of uint8, shape (n, 28, 28)
        held_out_labels : ndarray of int, shape (n,)
        held_out_probabilities : ndarray of shape (n, 10)
        """
        correct = held_out_probabilities.argmax(axis=1) == held_out_labels
        probabilities, accuracies = isotonic_accuracy(held_out_probabilities.max(axis=1), correct)
        step = max(1, len(training_images) // _FIT_ROWS)
        mean, components, deviations = _principal_components(_pixels(training_images[::step]))
        no_limits = np.full(2, np.inf, dtype=np.float32)
        draft = cls(probabilities, accuracies, mean, components, deviations, no_limits)
        limits = np.quantile(draft.distances(held_out_images), 1 - FLAGGED_SHARE, axis=0)
        thresholds = limits.astype(np.float32)
        return cls(probabilities, accuracies, mean, components, deviations, thresholds)

    def confidence(self, probability: NDArray[np.floating]) -> NDArray[np.float64]:
        """Accuracy on held-out images of this highest probability (interpolated), in [0, 1]."""
        return np.interp(probability, self.probabilities, self.accuracies)

    def distances(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Distances from the subspace and from the mean within it, shape (n, 2)."""
        centred = _pixels(images) - self.mean
        inside = centred @ self.components
        squares = np.einsum("ij,ij->i", centred, centred) - np.einsum("ij,ij->i", inside, inside)
        scaled = inside / self.deviations
        within = np.sqrt(np.einsum("ij,ij->i", scaled, scaled))
        return np.stack([np.sqrt(np.maximum(squares, 0)), within], axis=1)

    def is_out_of_distribution(self, images: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Out-of-distribution flag of every image, shape (n,)."""
        return np.any(self.distances(images) > self.thresholds, axis=1)

    def save(self, path: Path) -> None:
        """Write an ``.npz`` file, byte-for-byte reproducible."""
        with path.open("wb") as file:
            np.savez(file, **{one.name: getattr(self, one.name) for one in fields(self)})

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read an ``.npz`` file.

        Raises
        ------
        ModelError
            The file does not contain the expected arrays.
        """
        try:
            content = read_npz(path, [one.name for one in fields(cls)], _MAX_BYTES)
            arrays = {one.name: content[one.name] for one in fields(cls)}
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(
                f"{path.name}: expected the reference of a model, got: {error}. "
                "Take the model from a run or a bundle you trust."
            ) from None
        reference = cls(**arrays)
        reference._check(path.name)
        return reference

    def _check(self, name: str) -> None:
        texts = [one.name for one in fields(self) if getattr(self, one.name).dtype.kind != "f"]
        if texts:
            raise ModelError(
                f"{name}: expected arrays of floating-point numbers, got others for "
                f"{', '.join(texts)}. Take the model from a run or a bundle you trust."
            )
        width = len(self.deviations) if self.deviations.ndim == 1 else -1
        shapes = {"mean": (N_PIXELS,), "components": (N_PIXELS, width), "thresholds": (2,)}
        wrong = [key for key, shape in shapes.items() if getattr(self, key).shape != shape]
        ascending = self.probabilities.ndim == 1 and bool(np.all(np.diff(self.probabilities) >= 0))
        if wrong or not ascending or self.accuracies.shape != self.probabilities.shape:
            raise ModelError(
                f"{name}: expected the reference of a model, got arrays of other shapes "
                f"({', '.join(wrong) or 'probabilities'}). Take the model from a run or a bundle "
                "you trust."
            )


def _pixels(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    return as_images(images).reshape(-1, N_PIXELS).astype(np.float32) / np.float32(255)


def _principal_components(
    pixels: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Mean, leading principal components (in columns) and their standard deviations."""
    mean = pixels.mean(axis=0)
    covariance = np.cov(pixels, rowvar=False, dtype=np.float64)
    variances, vectors = np.linalg.eigh(covariance)
    components = vectors[:, ::-1][:, :_COMPONENTS].astype(np.float32)
    deviations = np.sqrt(np.maximum(variances[::-1][:_COMPONENTS], 1e-12)).astype(np.float32)
    return mean, np.ascontiguousarray(components), deviations
