"""Column-wise tests of several views of a batch: outputs, named features, pixels, projections."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.common.labels import N_PIXELS
from fmnist_lib.drift.columns import OUTPUT_COLUMNS, default_columns
from fmnist_lib.drift.two_sample.ks import ks_per_feature

if TYPE_CHECKING:
    from collections.abc import Callable

    from fmnist_lib.config.drift import DriftConfig
    from fmnist_lib.drift.batch import Batch
    from fmnist_lib.drift.two_sample.result import TwoSampleResult

#: Column names, columns of the reference, columns of the current batch.
View = tuple[tuple[str, ...], np.ndarray, np.ndarray]


def ks_test(
    method: str, reference: Batch, current: Batch, config: DriftConfig, seed: int
) -> TwoSampleResult:
    """Kolmogorov-Smirnov test of every column of a view; see `two_sample_test`."""
    columns, before, now = VIEWS[method](reference, current, config, seed)
    return ks_per_feature(
        before, now, config.alpha, config.correction, columns=columns, method=method
    )


def _default(reference: Batch, current: Batch, config: DriftConfig, seed: int) -> View:  # noqa: ARG001 (one signature for every view)
    return default_columns(), reference.columns, current.columns


def _outputs(reference: Batch, current: Batch, config: DriftConfig, seed: int) -> View:  # noqa: ARG001 (as above)
    return OUTPUT_COLUMNS, reference.probabilities, current.probabilities


def _features(reference: Batch, current: Batch, config: DriftConfig, seed: int) -> View:
    columns, before, now = _default(reference, current, config, seed)
    first = len(OUTPUT_COLUMNS)
    return columns[first:], before[:, first:], now[:, first:]


def _pixels(reference: Batch, current: Batch, config: DriftConfig, seed: int) -> View:  # noqa: ARG001 (as above)
    names = tuple(f"pixel {number // 28},{number % 28}" for number in range(N_PIXELS))
    return names, _flat(reference), _flat(current)


def _pca(reference: Batch, current: Batch, config: DriftConfig, seed: int) -> View:
    """Principal components, fitted on the reference only.

    The reference is projected with components fitted on itself. With thousands of rows for tens
    of components the resulting bias is below what the test can detect.
    """
    from sklearn.decomposition import PCA

    model = PCA(config.components, svd_solver="randomized", random_state=seed)
    before = model.fit_transform(_flat(reference))
    names = tuple(f"component {number + 1}" for number in range(before.shape[1]))
    return names, before, model.transform(_flat(current))


def _projection(reference: Batch, current: Batch, config: DriftConfig, seed: int) -> View:
    from sklearn.random_projection import SparseRandomProjection

    model = SparseRandomProjection(config.components, dense_output=True, random_state=seed)
    before = model.fit_transform(_flat(reference))
    names = tuple(f"projection {number + 1}" for number in range(before.shape[1]))
    return names, before, model.transform(_flat(current))


def _flat(batch: Batch) -> np.ndarray:
    return batch.images.reshape(len(batch), -1).astype(np.float32)


VIEWS: dict[str, Callable[[Batch, Batch, DriftConfig, int], View]] = {
    "ks-default": _default,
    "ks-outputs": _outputs,
    "ks-features": _features,
    "ks-pixels": _pixels,
    "ks-pca": _pca,
    "ks-projection": _projection,
}
