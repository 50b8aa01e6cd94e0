"""Concatenated patch dictionaries of several sizes."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted


class PatchScales(TransformerMixin, BaseEstimator):
    """Concatenate the columns of one patch dictionary per size.

    One extractor, so that principal components span all sizes: patches of 3, 5 and 7 pixels are
    highly correlated, and joint components retain more than as many separate ones.

    Parameters
    ----------
    dictionary : PatchDictionary
        Unfitted; its size and random state are set for each size.
    sizes : tuple of int, default=(3, 5, 7)
        Side lengths of the patches, pixels; odd.
    random_state : int, RandomState or None, default=None

    Attributes
    ----------
    dictionaries_ : list of PatchDictionary
    n_features_out_ : int
    """

    def __init__(
        self, dictionary: Any, sizes: tuple[int, ...] = (3, 5, 7), random_state: Any = None
    ) -> None:
        self.dictionary = dictionary
        self.sizes = sizes
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002 (scikit-learn's signature)
        """Learn one dictionary per size.

        Parameters
        ----------
        X : array-like of uint8, shape (n, 28, 28) or (n, 784)

        Raises
        ------
        ValueError
            A size is even or the number of atoms is odd.
        DataError
            No images.
        """
        random = check_random_state(self.random_state)
        self.dictionaries_ = [
            clone(self.dictionary).set_params(size=size, random_state=random.randint(2**31)).fit(X)
            for size in self.sizes
        ]
        self.n_features_out_ = sum(one.n_features_out_ for one in self.dictionaries_)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return float32 columns of shape (n, n_features_out_): dictionary by dictionary."""
        check_is_fitted(self)
        return np.hstack([dictionary.transform(X) for dictionary in self.dictionaries_])

    def mirror_columns(self) -> np.ndarray:
        """Return the column permutation that corresponds to mirroring an image left to right.

        Returns
        -------
        ndarray of intp, shape (n_features_out_,)
            As those of `fmnist_lib.features.patches.PatchDictionary`.
        """
        orders, start = [], 0
        for dictionary in self.dictionaries_:
            orders.append(start + dictionary.mirror_columns())
            start += dictionary.n_features_out_
        return np.concatenate(orders)
