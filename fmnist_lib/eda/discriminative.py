"""Selection of discriminative features."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

#: Absolute correlation above which one of two features is redundant.
REDUNDANT = 0.9


def correlation_ratio(features: pd.DataFrame, labels: np.ndarray) -> pd.Series:
    """Return the share of every feature's variance that the class accounts for (eta squared).

    Parameters
    ----------
    features : DataFrame of shape (n, n_features)
        Finite numbers.
    labels : ndarray of shape (n,)

    Returns
    -------
    Series
        Within [0, 1], one value per feature; 0 for a constant feature.

    References
    ----------
    Fisher, "Statistical Methods for Research Workers", 1925 (the correlation ratio).
    """
    values = features.astype("float64")
    groups = values.groupby(labels)
    deviations = (groups.mean() - values.mean()) ** 2
    between = deviations.mul(groups.size(), axis=0).sum()
    total = ((values - values.mean()) ** 2).sum()
    return (between / total.where(total > 0, 1.0)).clip(0, 1)


def discriminative_features(features: pd.DataFrame, ratios: pd.Series, count: int) -> list[str]:
    """Return the most discriminative features, without redundant ones.

    Parameters
    ----------
    features : DataFrame of shape (n, n_features)
    ratios : Series
        See `correlation_ratio`.
    count : int
        Fewer are returned if the rest are constant or redundant.

    Returns
    -------
    list of str
        Best first.
    """
    varying = features.columns[features.min() < features.max()]
    correlation = features[varying].corr().abs()
    chosen: list[str] = []
    for name in ratios[varying].sort_values(ascending=False, kind="stable").index:
        if len(chosen) == count:
            break
        if not (correlation.loc[name, chosen] > REDUNDANT).any():
            chosen.append(name)
    return chosen
