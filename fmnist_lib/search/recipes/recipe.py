"""A recipe: feature blocks and a learner, not fitted."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import FeatureUnion, Pipeline
from threadpoolctl import threadpool_limits

from fmnist_lib.common.labels import N_CLASSES
from fmnist_lib.features.block import leading, whitening_scale
from fmnist_lib.features.pixels import Pixels
from fmnist_lib.models.kernel import KernelClassifier

if TYPE_CHECKING:
    from fmnist_lib.features.block import FeatureBlock
    from fmnist_lib.search.recipes.column_cache import ColumnStore
    from fmnist_lib.search.recipes.search_data import SearchData


@dataclass(frozen=True)
class Block:
    """A feature block as a pipeline uses it.

    Attributes
    ----------
    name : str
    extractor : transformer
        Not fitted.
    symmetric, antisymmetric : int
        Components of each kind.
    whitening : float in [0, 1]
    weight : float
        Mean squared length of a row, beside those of the other blocks.
    """

    name: str
    extractor: Any
    symmetric: int
    antisymmetric: int
    whitening: float
    weight: float = 1.0

    def columns(self, store: ColumnStore, rows: slice) -> np.ndarray:
        """Columns of some images, float32, shape (n_rows, n_components)."""
        block = store.block(self.extractor)
        kept = self._kept(block)
        scale = whitening_scale(block.deviations_[kept], self.whitening) / block.column_scale()[0]
        columns = store.columns(self.extractor, rows)[:, kept]
        columns *= np.float32(np.sqrt(self.weight)) * scale
        return columns

    def fitted(self, store: ColumnStore) -> FeatureBlock:
        """Return the fitted transformer that gives these columns, but for the weight."""
        block = store.block(self.extractor)
        return block.narrowed(self.symmetric, self.antisymmetric, self.whitening)

    def parity(self, store: ColumnStore) -> np.ndarray:
        """Return a bool per column: True if it changes sign when the image is mirrored."""
        block = store.block(self.extractor)
        return block.antisymmetric_[self._kept(block)]

    def _kept(self, block: FeatureBlock) -> np.ndarray:
        return leading(block.antisymmetric_, self.symmetric, self.antisymmetric)


@dataclass(frozen=True)
class Recipe:
    """Feature blocks and a learner on their columns.

    Attributes
    ----------
    blocks : tuple of Block
        Empty: the learner takes raw pixels.
    learner : estimator
        Not fitted. One with a parameter ``antisymmetric`` is told which columns change sign when
        an image is mirrored.
    """

    blocks: tuple[Block, ...]
    learner: Any

    def columns(self, store: ColumnStore, data: SearchData, rows: slice) -> np.ndarray:
        """Columns of some images, float32, shape (n_rows, n_columns)."""
        if not self.blocks:
            return Pixels().transform(data.images[rows])
        return np.hstack([block.columns(store, rows) for block in self.blocks])

    def fit_learner(self, store: ColumnStore, data: SearchData, rows: slice) -> Any:
        """Return a copy of the learner fitted on some images."""
        return fit_quietly(
            self.unfitted_learner(store), self.columns(store, data, rows), data.labels[rows]
        )

    def pipeline(self, store: ColumnStore, learner: Any) -> Pipeline:
        """Put a fitted learner behind its fitted features.

        Returns
        -------
        Pipeline
            Fitted; takes uint8 images of shape (n, 28, 28) or (n, 784).
        """
        if not self.blocks:
            return Pipeline([("features", Pixels()), ("classify", learner)])
        features = FeatureUnion(
            [(block.name, block.fitted(store)) for block in self.blocks],
            transformer_weights={block.name: float(np.sqrt(block.weight)) for block in self.blocks},
        )
        return Pipeline([("features", features), ("classify", learner)])

    def megabytes(self, store: ColumnStore, n_rows: int) -> float:
        """Estimate the size of a kernel's pipeline fitted on so many images, in 10**6 bytes.

        Other learners do not grow with the images: 0.
        """
        if not isinstance(self.learner, KernelClassifier):
            return 0.0
        widths = [len(block.parity(store)) for block in self.blocks]
        raw = [len(store.block(block.extractor).mean_) for block in self.blocks]
        # Mirroring halves the components' length.
        components = sum(2 * long * wide for long, wide in zip(raw, widths, strict=True))
        # One byte per column, and a coefficient of four bytes per class.
        carriers = self.learner.landmarks or self.learner.hardest_share * n_rows
        kept = carriers * (sum(widths) + 4 * N_CLASSES)
        return (components + kept) / 1e6

    def with_learner(self, **parameters: Any) -> Recipe:
        """Return the recipe with some parameters of the learner changed."""
        return replace(self, learner=clone(self.learner).set_params(**parameters))

    def unfitted_learner(self, store: ColumnStore) -> Any:
        """Return a copy of the learner, told which columns change sign if it asks."""
        learner = clone(self.learner)
        if learner.get_params().get("antisymmetric", False) is True:
            parity = np.concatenate([block.parity(store) for block in self.blocks])
            learner.set_params(antisymmetric=tuple(parity.tolist()))
        return learner


def fit_quietly(learner: Any, columns: np.ndarray, labels: np.ndarray) -> Any:
    """Fit on one BLAS thread, as more could give other digits.

    Without warnings that the number of iterations was reached: it is a parameter.
    """
    with warnings.catch_warnings(), threadpool_limits(1, user_api="blas"):
        warnings.simplefilter("ignore", ConvergenceWarning)
        # Few rows may be less than a batch.
        warnings.filterwarnings("ignore", message="Got `batch_size`")
        return learner.fit(columns, labels)
