from __future__ import annotations

import os

import numpy as np
import pytest
from sklearn.preprocessing import FunctionTransformer

from fmnist_lib.features.block import FeatureBlock
from fmnist_lib.features.gradients import OrientedGradients
from fmnist_lib.search.recipes.column_cache import ColumnStore, _read_block, restore_columns
from fmnist_lib.search.recipes.recipe import Block, Recipe

EXTRACTOR = OrientedGradients(cells=4)


@pytest.fixture(scope="module")
def store(cache, data):
    return ColumnStore(cache, data, seed=3)


def test_columns_are_those_of_the_fitted_block(store, data):
    rows = slice(950, 2100)
    expected = store.block(EXTRACTOR).transform(data.images[rows])
    np.testing.assert_allclose(store.columns(EXTRACTOR, rows), expected, atol=1e-6)


def test_what_was_computed_once_is_not_computed_again(store, cache, data, monkeypatch):
    before = store.columns(EXTRACTOR, slice(0, 1000))
    assert store.missing(EXTRACTOR, slice(0, 1000)) == 0

    def refuse(*_):
        raise AssertionError("computed again")

    monkeypatch.setattr(FeatureBlock, "transform", refuse)
    monkeypatch.setattr(FeatureBlock, "fit", refuse)
    again = ColumnStore(cache, data, seed=3).columns(EXTRACTOR, slice(0, 1000))
    np.testing.assert_array_equal(again, before)


def test_another_machine_reads_the_files_and_computes_nothing(data, tmp_path, monkeypatch):
    here = ColumnStore(tmp_path / "here", data, seed=3)
    here.prepare([EXTRACTOR], processes=1)
    rows = slice(0, len(data.images))
    expected = here.columns(EXTRACTOR, rows)
    files = here.files([EXTRACTOR])

    def refuse(*_):
        raise AssertionError("computed again")

    monkeypatch.setattr(FeatureBlock, "transform", refuse)
    monkeypatch.setattr(FeatureBlock, "fit", refuse)
    restore_columns(files, tmp_path / "there")
    there = ColumnStore(tmp_path / "there", data, seed=3)
    np.testing.assert_array_equal(there.columns(EXTRACTOR, rows), expected)
    assert there.files([EXTRACTOR]) == files


def test_another_seed_or_extractor_is_another_entry(store, cache, data):
    assert ColumnStore(cache, data, seed=4).missing(EXTRACTOR, slice(0, 1000)) == 1000
    assert store.missing(OrientedGradients(cells=5), slice(0, 1000)) == 1000


def test_the_features_learn_nothing_from_held_out_or_validation_images(cache, data):
    """Other held-out and validation images, the same block."""
    import dataclasses

    images = data.images.copy()
    images[data.holdout_rows()] = 0
    images[data.validation_rows] = 0
    other = ColumnStore(cache, dataclasses.replace(data, images=images), seed=3)
    ours = ColumnStore(cache, data, seed=3).block(EXTRACTOR)
    np.testing.assert_array_equal(other.block(EXTRACTOR).components_, ours.components_)


def test_a_pipeline_gives_the_columns_its_learner_was_fitted_on(store, data):
    block = Block("gradients", EXTRACTOR, 30, 20, whitening=0.4, weight=0.7)

    recipe = Recipe((block,), FunctionTransformer())  # hands its input on
    rows = slice(100, 300)
    through_pipeline = recipe.pipeline(store, recipe.learner).transform(data.images[rows])
    np.testing.assert_allclose(recipe.columns(store, data, rows), through_pipeline, atol=1e-5)
    assert np.square(through_pipeline).sum(axis=1).mean() == pytest.approx(0.7, rel=0.2)


def test_columns_that_are_read_again_count_as_recently_used(data, tmp_path):
    ColumnStore(tmp_path, data, seed=3).columns(EXTRACTOR, slice(0, 1000))
    (directory,) = (tmp_path / "features").iterdir()
    os.utime(directory, (1e9, 1e9))
    ColumnStore(tmp_path, data, seed=3).columns(EXTRACTOR, slice(0, 1000))
    assert directory.stat().st_mtime > 1e9


def empty(_):
    return b""


def garble(_):
    return b"garbage"


def cut(content):
    return content[:200]


def flip_a_bit(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize("damage", [empty, garble, cut, flip_a_bit])
@pytest.mark.parametrize("name", ["block.pickle", "00000.npy"])
def test_a_damaged_file_is_computed_again(data, tmp_path, caplog, name, damage):
    before = ColumnStore(tmp_path, data, seed=3).columns(EXTRACTOR, slice(0, 1000))
    (file,) = tmp_path.glob(f"features/*/{name}")
    file.write_bytes(damage(file.read_bytes()))
    _read_block.cache_clear()
    again = ColumnStore(tmp_path, data, seed=3)
    np.testing.assert_allclose(again.columns(EXTRACTOR, slice(0, 1000)), before, atol=1e-6)
    again.prepare([EXTRACTOR], 1)
    assert f"{file} can't be read and is computed again" in caplog.text
