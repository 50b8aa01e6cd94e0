"""Tables of the exploration: images per class, and the named features in train and test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.common.formatting import percent
from fmnist_lib.common.labels import CLASS_NAMES, N_CLASSES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd


def class_counts(train_labels: np.ndarray, test_labels: np.ndarray) -> pd.DataFrame:
    """Count the images of every class.

    Parameters
    ----------
    train_labels, test_labels : ndarray of shape (n,)
        Integers in 0..9.

    Returns
    -------
    DataFrame of shape (10, 2)
        Columns ``train`` and ``test``, class names as the index.
    """
    import pandas as pd

    return pd.DataFrame(
        {
            "train": np.bincount(train_labels, minlength=N_CLASSES),
            "test": np.bincount(test_labels, minlength=N_CLASSES),
        },
        index=pd.Index(CLASS_NAMES, name="class"),
    )


def feature_summary(train: pd.DataFrame, test: pd.DataFrame, ratios: pd.Series) -> pd.DataFrame:
    """Summarise every feature in train, and its difference in test.

    Parameters
    ----------
    train, test : DataFrame
        Named features, the same columns in both.
    ratios : Series
        Share of each feature's variance that the class accounts for.

    Returns
    -------
    DataFrame
        One row per feature, in column order: ``mean``, ``std``, ``min``, ``max`` over train,
        ``missing`` over both, ``class_share`` (from `ratios`), ``test_mean``, and ``difference``:
        test mean minus train mean in standard deviations of train (0 for a constant feature).
    """
    import pandas as pd

    values = train.astype("float64")
    mean, std, test_mean = values.mean(), values.std(ddof=0), test.astype("float64").mean()
    return pd.DataFrame(
        {
            "mean": mean,
            "std": std,
            "min": values.min(),
            "max": values.max(),
            "missing": train.isna().sum() + test.isna().sum(),
            "class_share": ratios,
            "test_mean": test_mean,
            "difference": (test_mean - mean) / std.where(std > 0, np.inf),
        }
    )


def critical_difference(n_train: int, n_test: int, n_features: int) -> float:
    """Return the critical difference of means when train and test have one distribution.

    In standard deviations, for samples of these sizes; Bonferroni-corrected to a family-wise
    error rate of 5 % over all features.

    Examples
    --------
    >>> round(critical_difference(50_000, 10_000, 23), 3)
    0.034
    """
    from scipy.stats import norm

    quantile = norm.ppf(1 - 0.025 / n_features)
    return float(quantile * np.sqrt(1 / n_train + 1 / n_test))


def describe_findings(
    summary: pd.DataFrame, discriminative: Sequence[str], n_train: int, n_test: int
) -> tuple[str, ...]:
    """Return the findings of a feature summary as sentences.

    Parameters
    ----------
    summary : DataFrame
        See `feature_summary`.
    discriminative : sequence of str
        Most discriminative features without redundant ones, best first.
    n_train, n_test : int
        Number of images in each split.
    """
    return (
        _class_shares(summary, discriminative),
        _differing(summary, critical_difference(n_train, n_test, len(summary))),
        _missing(summary),
    )


def _class_shares(summary: pd.DataFrame, discriminative: Sequence[str]) -> str:
    shares = summary["class_share"]
    if 100 * shares.max() < 1:
        return "The class accounts for less than 1 % of the variance of every feature."
    best = ", ".join(f"{name} ({percent(shares[name], 0)})" for name in discriminative[:3])
    least = shares.idxmin()
    return (
        f"The class accounts for the largest share of the variance of {best}, for the smallest of "
        f"{least} ({percent(shares[least], 0)}). Of highly correlated features only one is listed."
    )


def _differing(summary: pd.DataFrame, chance: float) -> str:
    size = summary["difference"].abs().sort_values(ascending=False)
    beyond = size[size > chance]
    if beyond.empty:
        return (
            f"Train and test look alike: the mean of {size.index[0]} differs most, by "
            f"{size.iloc[0]:.3f} standard deviations, and chance alone reaches {chance:.3f}."
        )
    names = ", ".join(f"{name} ({difference:.3f})" for name, difference in beyond[:3].items())
    return (
        f"Train and test differ beyond chance in the mean of {len(beyond)} of {len(size)} "
        f"features, in standard deviations: {names}. Chance alone reaches {chance:.3f}."
    )


def _missing(summary: pd.DataFrame) -> str:
    missing = int(summary["missing"].sum())
    return "No value is missing." if missing == 0 else f"Values missing: {missing:,}."
