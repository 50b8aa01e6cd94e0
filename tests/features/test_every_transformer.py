"""Checks that every image transformer must pass.

Scikit-learn's own checks pass arrays of any shape, which are not images: those without data are
run as they are, the others are reimplemented on images.
"""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils import estimator_checks

from fmnist_lib.common.errors import DataError
from fmnist_lib.data.synthetic import generate
from fmnist_lib.features.block import FeatureBlock
from fmnist_lib.features.chunks import THREADS
from fmnist_lib.features.gradients import OrientedGradients
from fmnist_lib.features.patch_scales import PatchScales
from fmnist_lib.features.patches import PatchDictionary
from fmnist_lib.features.pixels import Pixels

#: With learnt ones small enough to be fitted often.
TRANSFORMERS = [
    Pixels(),
    Pixels("contrast"),
    Pixels("length"),
    OrientedGradients(),
    OrientedGradients(cells=(9, 4), orientations=6),
    PatchDictionary(atoms=6, cells=4, random_state=0),
    PatchScales(PatchDictionary(atoms=4, cells=3), (3, 5), random_state=0),
    FeatureBlock(OrientedGradients(cells=4), symmetric=6, antisymmetric=3, random_state=0),
]
#: Scikit-learn's checks of an unfitted estimator.
CHECKS_WITHOUT_DATA = [
    estimator_checks.check_estimator_cloneable,
    estimator_checks.check_estimator_repr,
    estimator_checks.check_get_params_invariance,
    estimator_checks.check_mixin_order,
    estimator_checks.check_no_attributes_set_in_init,
    estimator_checks.check_parameters_default_constructible,
    estimator_checks.check_set_params,
    estimator_checks.check_valid_tag_types,
]
every_transformer = pytest.mark.parametrize("transformer", TRANSFORMERS, ids=str)


@pytest.fixture(scope="module")
def images():
    """Return enough images for more than one chunk of every transformer."""
    return generate(600, seed=0)[0]


@every_transformer
@pytest.mark.parametrize("check", CHECKS_WITHOUT_DATA, ids=lambda check: check.__name__)
def test_it_is_a_scikit_learn_estimator(transformer, check):
    check(type(transformer).__name__, transformer)


@every_transformer
def test_a_clone_has_the_parameters_and_nothing_learnt(transformer, images):
    copy = clone(clone(transformer).fit(images[:200]))
    assert repr(copy) == repr(transformer)
    assert vars(copy).keys() == copy.get_params(deep=False).keys()


@every_transformer
def test_columns_are_float32_finite_and_as_many_as_announced(transformer, images):
    fitted = clone(transformer).fit(images)
    columns = fitted.transform(images)
    assert columns.dtype == np.float32
    assert columns.shape == (len(images), fitted.n_features_out_)
    assert np.isfinite(columns).all()
    assert columns.std(axis=0).max() > 0


@every_transformer
def test_fitting_again_changes_nothing(transformer, images):
    fitted = clone(transformer)
    assert fitted.fit(images[:200]) is fitted
    once = fitted.transform(images[:50])
    np.testing.assert_array_equal(fitted.fit(images[:200]).transform(images[:50]), once)
    together = clone(transformer).fit_transform(images[:200])[:50]
    np.testing.assert_allclose(together, once, rtol=1e-4, atol=1e-5)


@every_transformer
def test_transforming_changes_neither_the_images_nor_the_transformer(transformer, images):
    given = images[:200].copy()
    given.setflags(write=False)
    fitted = clone(transformer).fit(given)
    before = pickle.dumps(fitted)
    fitted.transform(given)
    assert pickle.dumps(fitted) == before
    np.testing.assert_array_equal(given, images[:200])


@every_transformer
def test_a_pickle_gives_the_same_columns(transformer, images):
    fitted = clone(transformer).fit(images[:200])
    expected = fitted.transform(images[:70])
    copy = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(copy.transform(images[:70]), expected)


@every_transformer
def test_an_image_has_the_same_columns_in_every_batch(transformer, images):
    fitted = clone(transformer).fit(images)
    together = fitted.transform(images)
    for some in (slice(1), slice(3, 68), slice(127, 129), slice(250, None)):
        alone = fitted.transform(images[some])
        np.testing.assert_allclose(alone, together[some], rtol=1e-4, atol=1e-5)


@every_transformer
def test_the_number_of_threads_changes_no_bit(transformer, images, monkeypatch):
    fitted = clone(transformer).fit(images)
    outputs = []
    for threads in ("1", "2"):
        monkeypatch.setenv(THREADS, threads)
        outputs.append(fitted.transform(images))
    np.testing.assert_array_equal(*outputs)


@every_transformer
@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_all_ways_to_write_the_same_images_give_the_same_columns(transformer, dtype, images):
    square = images[:200]
    flat = square.reshape(-1, 784).astype(dtype)
    expected = clone(transformer).fit(square).transform(square)
    np.testing.assert_array_equal(clone(transformer).fit(flat).transform(flat), expected)


@every_transformer
def test_blank_images_and_empty_batches_are_accepted(transformer, images):
    fitted = clone(transformer).fit(images[:200])
    blank = fitted.transform(np.zeros((3, 28, 28), np.uint8))
    assert np.isfinite(blank).all()
    assert fitted.transform(images[:0]).shape == (0, *blank.shape[1:])


@every_transformer
def test_invalid_images_are_refused(transformer, images):
    with pytest.raises(DataError, match="expected shape"):
        clone(transformer).fit(images[:50, :14])
    fitted = clone(transformer).fit(images[:50])
    with pytest.raises(DataError, match="as if divided by 255"):
        fitted.transform(images[:50] / 255)
    with pytest.raises(DataError, match="got fractions"):
        fitted.transform(images[:50] / 2)


@pytest.mark.parametrize(
    "transformer",
    [
        Pixels(),
        Pixels("contrast"),
        OrientedGradients(),
        OrientedGradients(cells=(9, 7, 4)),
        OrientedGradients(cells=5, orientations=6),
        PatchDictionary(atoms=6, cells=4, random_state=0),
        PatchScales(PatchDictionary(atoms=4, cells=3), (3, 5), random_state=0),
    ],
    ids=str,
)
def test_mirroring_only_reorders_the_columns(transformer):
    noise = np.random.default_rng(0).integers(0, 256, (70, 28, 28)).astype(np.uint8)
    fitted = clone(transformer).fit(noise)
    columns, order = fitted.transform(noise), fitted.mirror_columns()
    mirrored = fitted.transform(noise[:, :, ::-1])
    np.testing.assert_allclose(mirrored, columns[:, order], rtol=1e-4, atol=1e-5)
    assert order.dtype == np.intp
    np.testing.assert_array_equal(order[order], np.arange(fitted.n_features_out_))
    assert not np.allclose(mirrored, columns, atol=1e-2)
