"""Contents of the exploration report."""

from __future__ import annotations

import struct

import numpy as np
import pandas as pd
import pytest

from fmnist_lib.common.errors import DataError
from fmnist_lib.eda.feature_figures import correlations_picture
from fmnist_lib.eda.report import explore
from fmnist_lib.features.named import FEATURES


def test_every_picture_is_a_png_with_a_fact(report):
    names = [picture.name for picture in report.pictures]
    assert names == [
        "class-counts",
        "samples",
        "average-images",
        "feature-distributions",
        "feature-correlations",
        "embedding",
    ]
    for picture in report.pictures:
        assert picture.png.startswith(b"\x89PNG")
        width, height = struct.unpack(">II", picture.png[16:24])
        assert min(width, height) > 200
        assert len(picture.caption) > 40


def test_class_counts_are_those_of_the_labels(report, train_labels, test_labels):
    assert report.class_counts["train"].sum() == len(train_labels)
    assert report.class_counts.loc["Bag", "test"] == (test_labels == 8).sum()


def test_captions_hold_computed_facts(report):
    captions = {picture.name: picture.caption for picture in report.pictures}
    assert "6,000 images" in captions["class-counts"]
    assert "box_left" in captions["feature-correlations"]
    assert "400 images" in captions["embedding"]
    assert "ten nearest neighbours" in captions["embedding"]


def test_train_and_test_of_one_source_look_alike(report):
    assert "Train and test look alike" in report.findings[1]
    assert report.findings[2] == "No value is missing."
    assert list(report.feature_summary.index) == list(FEATURES)


def test_a_darker_test_set_is_reported(train_images, train_labels, eda_config):
    few, labels = train_images[:300], train_labels[:300]
    shifted = explore(few, labels, few // 2, labels, eda_config, seed=0)
    assert "Train and test differ beyond chance" in shifted.findings[1]
    assert shifted.feature_summary.loc["mean_ink", "difference"] < -0.5


def test_the_wall_time_is_kept(report):
    assert report.seconds > 0


def test_identical_images_do_not_raise(eda_config):
    images, labels = np.zeros((60, 28, 28), np.uint8), np.arange(60, dtype=np.uint8) % 10
    report = explore(images, labels, images, labels, eda_config, seed=0)
    assert [p.name for p in report.pictures][-1] == "embedding"
    assert "nothing to embed" in report.pictures[-1].caption
    assert "garment" in report.sweetviz_html


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros(59, np.uint8), "one label for each of 60 images"),
        (np.full(60, 10, np.uint8), r"within 0\.\.9"),
        (np.zeros(60, np.float32), "integer labels"),
    ],
)
def test_labels_that_do_not_fit_are_refused(train_images, eda_config, labels, message):
    images = train_images[:60]
    with pytest.raises(DataError, match=message):
        explore(images, labels, images, np.zeros(60, np.uint8), eda_config, seed=0)


def test_too_few_images_are_refused(train_images, train_labels, eda_config):
    few, labels = train_images[:5], train_labels[:5]
    with pytest.raises(DataError, match="at least 20 images"):
        explore(few, labels, few, labels, eda_config, seed=0)


def test_the_title_of_the_correlations_is_the_strongest_of_either_sign():
    rng = np.random.default_rng(0)
    height = rng.normal(size=200)
    noisy = height + rng.normal(size=200)
    frame = pd.DataFrame({"height": height, "top": -height, "noisy": noisy})
    title = correlations_picture(frame).title
    assert "height" in title
    assert "top" in title
