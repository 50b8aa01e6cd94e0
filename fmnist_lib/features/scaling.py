"""Scaling of all columns by one factor."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data


class OverallScaler(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Divide every column by the same number, so that the mean variance of the columns is 1.

    Unlike `sklearn.preprocessing.StandardScaler` it keeps the relative variances: after PCA the
    order of the components is kept.

    Attributes
    ----------
    scale_ : float
        Square root of the mean variance in `fit`.
    """

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002 (scikit-learn's signature)
        """Compute the factor from columns of shape (n, n_columns)."""
        X = validate_data(self, X, dtype=[np.float64, np.float32])
        self.scale_ = float(np.sqrt(X.var(axis=0).mean())) or 1.0
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return the scaled columns in their original dtype."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        return X / X.dtype.type(self.scale_)
