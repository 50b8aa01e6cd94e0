"""Maximum mean discrepancy with a permutation test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.drift.two_sample.result import TwoSampleResult

if TYPE_CHECKING:
    from fmnist_lib.config.drift import DriftConfig
    from fmnist_lib.drift.batch import Batch

_COMPONENTS = 32


def mmd_test(
    method: str, reference: Batch, current: Batch, config: DriftConfig, seed: int
) -> TwoSampleResult:
    """Unbiased squared MMD of leading principal components; see `two_sample_test`.

    The kernel is Gaussian with the median distance of the pooled rows as its width. The p-value
    comes from random relabellings and counts the observed one: never 0, deterministic given the
    seed. At most ``config.mmd_rows`` images of each side are drawn.

    References
    ----------
    Gretton, Borgwardt, Rasch, Schölkopf, Smola, "A Kernel Two-Sample Test", JMLR 2012.
    """
    rng = np.random.default_rng(seed)
    drawn = [
        batch.images[rng.permutation(len(batch))[: config.mmd_rows]].reshape(-1, 784)
        for batch in (reference, current)
    ]
    n_reference = len(drawn[0])
    kernel = _kernel(np.concatenate(drawn).astype(np.float64), seed)
    signs = _memberships(len(kernel), n_reference, config.permutations, rng)
    values = unbiased_mmd(kernel, signs, n_reference)
    # Tolerance for rounding: a relabelling identical to the observed one must count as reached.
    reached = int((values[1:] >= values[0] - 1e-12).sum())
    p_value = (1 + reached) / (1 + config.permutations)
    within = kernel[np.ix_(~signs[0], ~signs[0])].mean()
    return TwoSampleResult(
        method=method,
        columns=("images",),
        statistic=values[:1],
        p_values=np.array([p_value]),
        adjusted_p_values=np.array([p_value]),
        alpha=config.alpha,
        effect_size=float(np.clip(values[0] / within, 0, 1)),
        effect="squared MMD over the mean similarity of reference images",
        n_reference=n_reference,
        n_current=len(drawn[1]),
    )


def unbiased_mmd(kernel: np.ndarray, current: np.ndarray, n_reference: int) -> np.ndarray:
    """Squared MMD of several splits of the same rows into reference and current.

    Parameters
    ----------
    kernel : ndarray of shape (n, n)
        Its diagonal must be 0: a row is not compared with itself.
    current : ndarray of shape (n_splits, n), bool
        Rows assigned to current in each split.
    n_reference : int
        Number of the other rows.

    Returns
    -------
    ndarray of shape (n_splits,)
    """
    membership = current.astype(np.float64)
    n_current = kernel.shape[0] - n_reference
    to_current = membership @ kernel
    both_current = (to_current * membership).sum(axis=1)
    across = to_current.sum(axis=1) - both_current
    both_reference = kernel.sum() - both_current - 2 * across
    return (
        both_reference / (n_reference * (n_reference - 1))
        + both_current / (n_current * (n_current - 1))
        - 2 * across / (n_reference * n_current)
    )


def _memberships(
    n: int, n_reference: int, permutations: int, rng: np.random.Generator
) -> np.ndarray:
    """Masks of current rows: the observed one first, then random permutations."""
    observed = np.arange(n) >= n_reference
    shuffled = rng.permuted(np.tile(observed, (permutations, 1)), axis=1)
    return np.concatenate([observed[None], shuffled])


def _kernel(rows: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.decomposition import PCA
    from sklearn.metrics.pairwise import euclidean_distances

    components = min(_COMPONENTS, *rows.shape)
    rows = PCA(components, svd_solver="randomized", random_state=seed).fit_transform(rows)
    squared = euclidean_distances(rows, squared=True)
    width = np.median(squared[np.triu_indices(len(squared), 1)]) or 1.0
    kernel = np.exp(-squared / width)
    np.fill_diagonal(kernel, 0)
    return kernel
