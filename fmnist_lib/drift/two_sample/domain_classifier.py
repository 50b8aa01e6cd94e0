"""Classifier two-sample test (domain classifier)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fmnist_lib.drift.two_sample.result import TwoSampleResult

if TYPE_CHECKING:
    from fmnist_lib.config.drift import DriftConfig
    from fmnist_lib.drift.batch import Batch

_COMPONENTS = 30


def domain_classifier(
    method: str, reference: Batch, current: Batch, config: DriftConfig, seed: int
) -> TwoSampleResult:
    """Two-sample test by a classifier; see `two_sample_test`.

    Equally many images of each side are split at random into halves. Gradient boosting on the
    model's outputs, named features and leading principal components is fitted on one half to
    separate the sides; its accuracy on the other half is tested against 0.5 (exact binomial).

    References
    ----------
    Lopez-Paz, Oquab, "Revisiting Classifier Two-Sample Tests", ICLR 2017.
    """
    from scipy import stats

    correct, tested = held_out_answers(reference, current, config.domain_rows, seed)
    p_value = stats.binomtest(correct, tested, 0.5, alternative="greater").pvalue
    accuracy = correct / tested
    return TwoSampleResult(
        method=method,
        columns=("batch or reference",),
        statistic=np.array([accuracy]),
        p_values=np.array([p_value]),
        adjusted_p_values=np.array([p_value]),
        alpha=config.alpha,
        effect_size=max(0.0, 2 * accuracy - 1),
        effect="twice the accuracy of a domain classifier above chance",
        n_reference=len(reference),
        n_current=len(current),
    )


def held_out_answers(reference: Batch, current: Batch, most: int, seed: int) -> tuple[int, int]:
    """Return the correct predictions on the test half, and the size of that half."""
    rng = np.random.default_rng(seed)
    size = min(len(reference), len(current), most)
    half = size // 2
    sides = [batch.rows(rng.permutation(len(batch))[:size]) for batch in (reference, current)]
    columns = _columns(sides[0], sides[1], half, seed)
    fitted = np.concatenate([side[:half] for side in columns])
    tested = np.concatenate([side[half:] for side in columns])
    model = _model(seed).fit(fitted, np.repeat([0, 1], half))
    predicted = model.predict(tested)
    return int((predicted == np.repeat([0, 1], size - half)).sum()), len(predicted)


def _columns(reference: Batch, current: Batch, half: int, seed: int) -> list[np.ndarray]:
    """Columns of both sides; PCA is fitted on the training half only."""
    from sklearn.decomposition import PCA

    pixels = [
        side.images.reshape(len(side), -1).astype(np.float32) for side in (reference, current)
    ]
    fitted_on = np.concatenate([side[:half] for side in pixels])
    components = min(_COMPONENTS, *fitted_on.shape)
    pca = PCA(components, svd_solver="randomized", random_state=seed).fit(fitted_on)
    return [
        np.concatenate([side.columns, pca.transform(flat)], axis=1)
        for side, flat in zip((reference, current), pixels, strict=True)
    ]


def _model(seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        max_iter=60, learning_rate=0.1, max_leaf_nodes=7, early_stopping=False, random_state=seed
    )
