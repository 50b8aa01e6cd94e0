"""One factor for all columns together."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data


class OverallScaler(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Divide every column by the same number, so that the mean variance of the columns is 1.

    Unlike `sklearn.preprocessing.StandardScaler` it keeps the columns' relative sizes: after a
    principal component analysis the leading components stay the leading ones.

    Attributes
    ----------
    scale_ : float
        Root of the mean variance seen in `fit`.
    """

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002 (scikit-learn's signature)
        """Learn the factor from columns of shape (n, n_columns)."""
        X = validate_data(self, X, dtype=[np.float64, np.float32])
        self.scale_ = float(np.sqrt(X.var(axis=0).mean())) or 1.0
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return the scaled columns in the dtype they came in."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        return X / X.dtype.type(self.scale_)
