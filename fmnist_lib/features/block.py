"""Principal components of the columns that an extractor computes from images."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils import check_random_state
from sklearn.utils.extmath import randomized_svd
from sklearn.utils.validation import check_is_fitted

from fmnist_lib.features.chunks import in_chunks, in_threads
from fmnist_lib.features.images import as_images

#: Images per chunk and thread: bounds the memory of the raw columns.
_CHUNK = 128
#: Sign under mirroring of symmetric and antisymmetric components, in this order everywhere.
_SIGNS = (1, -1)


class FeatureBlock(TransformerMixin, BaseEstimator):
    """Extract columns from images and reduce them to partially whitened principal components.

    PCA of the images and their mirror images together. Each component is either symmetric (equal
    for an image and its mirror image) or antisymmetric (of opposite sign). Symmetric components
    come first; each kind is sorted by decreasing variance.

    Extractor and components are learnt from a sub-sample, so that fitting on more images changes
    only the sub-sample. All columns are divided by one number, so that the mean squared length of
    a row is 1.

    Parameters
    ----------
    extractor : transformer
        Transforms images and has ``mirror_columns``, like `PatchDictionary`, `OrientedGradients`.
    symmetric, antisymmetric : int, default=200 and 100
        Components of each kind, at most.
    whitening : float in [0, 1], default=0.5
        Components are divided by their standard deviation to this power: 0 is no whitening, 1
        gives all of them the same variance.
    rows : int, default=6000
        Images to learn from.
    random_state : int, RandomState or None, default=None
        Draws the sub-sample.

    Attributes
    ----------
    extractor_ : transformer
        Fitted.
    mean_ : ndarray of float32, shape (n_raw_columns,)
        Equal for two columns that mirroring swaps.
    components_ : list of two ndarray of float32, shape (n_pairs, n_components)
        Orthonormal columns for the symmetric and for the antisymmetric part of the raw columns,
        one row per pair that mirroring swaps.
    deviations_ : ndarray of float32, shape (n_features_out_,)
        Standard deviations of the components.
    antisymmetric_ : ndarray of bool, shape (n_features_out_,)

    References
    ----------
    Halko, Martinsson and Tropp, "Finding Structure with Randomness", SIAM Review 2011.
    """

    def __init__(  # noqa: PLR0917 (hyper-parameters, as scikit-learn requires)
        self,
        extractor: Any,
        symmetric: int = 200,
        antisymmetric: int = 100,
        whitening: float = 0.5,
        rows: int = 6000,
        random_state: Any = None,
    ) -> None:
        self.extractor = extractor
        self.symmetric = symmetric
        self.antisymmetric = antisymmetric
        self.whitening = whitening
        self.rows = rows
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002 (scikit-learn's signature)
        """Learn extractor and components.

        Parameters
        ----------
        X : array-like of uint8, shape (n, 28, 28) or (n, 784)
        """
        images = as_images(X)
        random = check_random_state(self.random_state)
        images = images[random.permutation(len(images))[: self.rows]]
        self.extractor_ = clone(self.extractor)
        if "random_state" in self.extractor_.get_params():
            self.extractor_.set_params(random_state=random.randint(2**31))
        columns = self.extractor_.fit(images).transform(images)
        self.mean_ = columns.mean(axis=0)
        mirrored = self.extractor_.mirror_columns()
        self.mean_ = (self.mean_ + self.mean_[mirrored]) / 2
        columns -= self.mean_
        seeds = [random.randint(2**31) for _ in _SIGNS]
        numbers = (self.symmetric, self.antisymmetric)
        folds = [_Fold(mirrored, sign) for sign in _SIGNS]
        folded = [in_chunks(fold, columns, fold.n_pairs, _CHUNK) for fold in folds]
        parts = in_threads(
            lambda one: _components(*one), list(zip(folded, numbers, seeds, strict=True))
        )
        self.components_ = [components for components, _ in parts]
        self.deviations_ = np.concatenate([deviations for _, deviations in parts])
        self.antisymmetric_ = np.repeat([False, True], [len(part[1]) for part in parts])
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return float32 columns of shape (n, n_features_out_)."""
        check_is_fitted(self)
        images = as_images(X)
        mirrored = self.extractor_.mirror_columns()
        folds = [_Fold(mirrored, sign) for sign in _SIGNS]
        means = [fold(self.mean_[None]) for fold in folds]
        scales = np.split(self.column_scale(), [np.count_nonzero(~self.antisymmetric_)])
        projections = [one * scale for one, scale in zip(self.components_, scales, strict=True)]

        def project(images: np.ndarray) -> np.ndarray:
            columns = self.extractor_.transform(images)
            kinds = zip(folds, means, projections, strict=True)
            return np.hstack([(fold(columns) - mean) @ onto for fold, mean, onto in kinds])

        return in_chunks(project, images, self.n_features_out_, _CHUNK)

    def column_scale(self) -> np.ndarray:
        """Return the factors for partial whitening and mean squared row length 1.

        Returns
        -------
        ndarray of float32, shape (n_features_out_,)
        """
        return whitening_scale(self.deviations_, self.whitening)

    @property
    def n_features_out_(self) -> int:
        """Number of columns."""
        return len(self.deviations_)

    def narrowed(self, symmetric: int, antisymmetric: int, whitening: float) -> FeatureBlock:
        """Return a fitted block with fewer components and another whitening.

        Equals a block fitted with these parameters on the same images, up to the approximation
        error of the randomised SVD; nothing is recomputed.
        """
        check_is_fitted(self)
        kept = leading(self.antisymmetric_, symmetric, antisymmetric)
        parameters = self.get_params(deep=False)
        parameters |= {
            "symmetric": symmetric,
            "antisymmetric": antisymmetric,
            "whitening": whitening,
        }
        block = FeatureBlock(**parameters)
        block.extractor_ = self.extractor_
        block.mean_ = self.mean_
        numbers = (symmetric, antisymmetric)
        block.components_ = [
            np.ascontiguousarray(one[:, :number])
            for one, number in zip(self.components_, numbers, strict=True)
        ]
        block.deviations_ = self.deviations_[kept]
        block.antisymmetric_ = self.antisymmetric_[kept]
        return block


def whitening_scale(deviations: np.ndarray, whitening: float) -> np.ndarray:
    """Return the whitening factors for these standard deviations; see `FeatureBlock`.

    Parameters
    ----------
    deviations : ndarray of float32, shape (n_components,)
    whitening : float in [0, 1]
    """
    factors = np.maximum(deviations, deviations.max() * 1e-6) ** -whitening
    length = np.sqrt(np.sum((factors * deviations) ** 2))
    return np.asarray(factors / length, dtype=np.float32)


def leading(antisymmetric: np.ndarray, n_symmetric: int, n_antisymmetric: int) -> np.ndarray:
    """Return the positions of the leading components of each kind.

    Parameters
    ----------
    antisymmetric : ndarray of bool, shape (n_components,)
    n_symmetric, n_antisymmetric : int
        Maximum number of each kind.
    """
    return np.concatenate(
        [
            np.flatnonzero(~antisymmetric)[:n_symmetric],
            np.flatnonzero(antisymmetric)[:n_antisymmetric],
        ]
    )


class _Fold:
    """The symmetric (sign 1) or antisymmetric (-1) part of raw columns.

    One column per pair that mirroring swaps is enough, which halves the width of the matrix.

    Parameters
    ----------
    mirrored : ndarray of intp, shape (n_raw_columns,)
        Position of each column after mirroring.
    sign : {1, -1}
    """

    def __init__(self, mirrored: np.ndarray, sign: int) -> None:
        position = np.arange(len(mirrored))
        self._first = np.flatnonzero(position < mirrored if sign < 0 else position <= mirrored)
        self._partner = mirrored[self._first]
        self._add = np.add if sign > 0 else np.subtract
        # Orthonormal: (a + b) / sqrt(2) for a pair, a itself for a column that stays.
        alone = self._first == self._partner
        self._share = np.where(alone, 0.5, np.sqrt(0.5)).astype(np.float32)
        self.n_pairs = len(self._first)

    def __call__(self, columns: np.ndarray) -> np.ndarray:
        """Return float32 of shape (n, n_pairs)."""
        part = columns[:, self._first]
        self._add(part, columns[:, self._partner], out=part)
        part *= self._share
        return part


def _components(part: np.ndarray, number: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the leading principal components, one per column, and their standard deviations."""
    number = min(number, *part.shape)
    if not number:
        return np.zeros((part.shape[1], 0), dtype=np.float32), np.zeros(0, dtype=np.float32)
    _, lengths, axes = randomized_svd(
        part, number, n_iter=2, power_iteration_normalizer="QR", random_state=seed
    )
    components = np.ascontiguousarray(axes.T, dtype=np.float32)
    return components, (lengths / np.sqrt(len(part))).astype(np.float32)
