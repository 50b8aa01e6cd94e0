"""The two-sample tests by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from fmnist_lib.common.errors import ConfigError, DataError
from fmnist_lib.config.drift import TestMethod
from fmnist_lib.drift.two_sample.class_counts import chi2_classes
from fmnist_lib.drift.two_sample.domain_classifier import domain_classifier
from fmnist_lib.drift.two_sample.mmd import mmd_test
from fmnist_lib.drift.two_sample.univariate import VIEWS, ks_test

if TYPE_CHECKING:
    from collections.abc import Callable

    from fmnist_lib.config.drift import DriftConfig
    from fmnist_lib.drift.batch import Batch
    from fmnist_lib.drift.two_sample.result import TwoSampleResult

#: The multivariate tests need at least this many images to split.
_MIN_ROWS = 4

_TESTS: dict[str, Callable[[str, Batch, Batch, DriftConfig, int], TwoSampleResult]] = {
    **dict.fromkeys(VIEWS, ks_test),
    "chi2-classes": chi2_classes,
    "domain-classifier": domain_classifier,
    "mmd": mmd_test,
}


def two_sample_test(
    method: TestMethod, reference: Batch, current: Batch, config: DriftConfig, seed: int
) -> TwoSampleResult:
    """Test whether two sets of images come from the same distribution.

    Parameters
    ----------
    method : str
        ``ks-default``: KS of the model's ten outputs (BBSDs) and 23 named features together;
        ``ks-outputs``, ``ks-features``: of each separately; ``ks-pixels``, ``ks-pca``,
        ``ks-projection``: of 784 pixels, principal components, a sparse random projection;
        ``chi2-classes``: of the predicted classes (BBSDh); ``domain-classifier``: a classifier
        tested on a held-out half; ``mmd``: maximum mean discrepancy with permutations.
    reference : Batch
        Images the model was *not* fitted on.
    current : Batch
    config : DriftConfig
        ``alpha`` over all columns together, ``correction``, row limits of the costly tests.
    seed : int
        Of sub-samples, splits and permutations; KS of outputs, features and pixels and the
        chi-square test are deterministic.

    Raises
    ------
    ConfigError
        Unknown method.
    DataError
        Fewer than four images, or an output is not finite.

    References
    ----------
    Rabanser, Günnemann, Lipton, "Failing Loudly", NeurIPS 2019.
    """
    if method not in _TESTS:
        raise ConfigError(
            f"drift test: expected one of {', '.join(get_args(TestMethod))}, got {method!r}."
        )
    if min(len(reference), len(current)) < _MIN_ROWS:
        raise DataError(
            f"drift test: expected at least {_MIN_ROWS} images on each side, "
            f"got {len(reference)} and {len(current)}."
        )
    return _TESTS[method](method, reference, current, config, seed)
