"""Patch dictionaries of several sizes side by side."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted


class PatchScales(TransformerMixin, BaseEstimator):
    """Columns of a dictionary of every size, one after the other.

    As one extractor, so that principal components are found across the sizes: patches of 3, 5 and
    7 pixels say much the same, and a few hundred components together keep more than as many of
    each.

    Parameters
    ----------
    dictionary : PatchDictionary
        Not fitted; its size and random state are set for each of the sizes.
    sizes : tuple of int, default=(3, 5, 7)
        Pixels along each side of the patches of every dictionary; odd.
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
        """Learn a dictionary of every size.

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
        """Where mirroring an image left to right moves its columns.

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
