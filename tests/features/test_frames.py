"""Pixel columns are identified by name, never by position."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fmnist_lib.common.errors import DataError
from fmnist_lib.features.frames import frame_images, id_column, label_column_of, pixel_columns

NAMES = [f"pixel{number}" for number in range(1, 785)]
STYLES = {
    "Kaggle": NAMES,
    "from zero": [f"Pixel_{number}" for number in range(784)],
    "padded": [f"px {number:03}" for number in range(784)],
    "plain numbers": [str(number) for number in range(784)],
    "plain numbers from one": [str(number) for number in range(1, 785)],
    "MNIST in CSV": [f"{row}x{column}" for row in range(1, 29) for column in range(1, 29)],
    "row and column": [f"pixel_{row}_{column}" for row in range(28) for column in range(28)],
    "a version beside the number": [f"v2_pixel{number}" for number in range(784)],
}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("others", [[], ["Label"], ["", "class", "ImageId"], ["Unnamed: 0", "y"]])
def test_pixels_come_in_order_of_their_numbers(style, others):
    names = [*others[:1], *sorted(STYLES[style]), *others[1:]]
    assert list(pixel_columns(names, "b.csv").pixels) == STYLES[style]


@pytest.mark.parametrize(
    ("columns", "label", "ids"),
    [
        (["label", *NAMES], "label", None),
        ([*NAMES, "LABEL"], "LABEL", None),
        ([*NAMES, "target", "Image ID"], "target", "Image ID"),
        (["index", *NAMES, "file"], None, "file"),
        (["__index_level_0__", "level_0", *NAMES], None, None),
    ],
)
def test_labels_and_names_of_images_are_known_by_name(columns, label, ids):
    found = pixel_columns(columns, "b.csv")
    assert (found.label, found.ids) == (label, ids)


@pytest.mark.parametrize(
    ("place", "label", "first"), [("first", "0", "1"), ("last", "784", "0")], ids=["first", "last"]
)
def test_785_numbers_are_refused_unless_the_place_of_the_labels_is_given(place, label, first):
    numbers = [str(number) for number in range(785)]
    with pytest.raises(DataError, match=r"--label-column first\|last\|none"):
        pixel_columns(numbers, "b.csv")
    found = pixel_columns(numbers, "b.csv", place)
    assert (found.label, found.pixels[0]) == (label, first)


def test_no_labels_are_taken_when_none_are_wanted():
    assert pixel_columns(["label", *NAMES], "b.csv", "none").label is None


@pytest.mark.parametrize(
    "names",
    [
        NAMES[:-1],
        [*NAMES, "weight"],
        [*NAMES, "pixel3"],
        [f"pixel{number}" for number in range(2, 786)],
        [*NAMES[:-1], "pixel900"],
        [*NAMES[:-1], "Pixel1"],
        [f"x{column}y{row}" for row in range(28) for column in range(28)],
        [f"{row}x{column}" for row in range(14) for column in range(56)],
        [f"column {'a' * number}" for number in range(784)],
        ["label", *NAMES, "Label"],
        [";".join(NAMES)],
        [*NAMES[:-1], f"pixel{'9' * 5000}"],
        [],
    ],
)
def test_ambiguous_column_names_are_refused_in_a_short_message(names):
    with pytest.raises(DataError, match=r"^b\.csv: expected") as raised:
        pixel_columns(names, "b.csv")
    assert len(str(raised.value)) < 500


def test_a_frame_is_aligned_by_name():
    frame = pd.DataFrame(np.arange(784 * 2).reshape(2, 784), columns=NAMES)
    np.testing.assert_array_equal(frame_images(frame[sorted(NAMES)]), frame.to_numpy())
    numbered = frame.set_axis(range(784), axis=1)
    np.testing.assert_array_equal(frame_images(numbered[numbered.columns[::-1]]), frame)


def test_the_rule_for_names_is_the_same_for_every_table():
    assert label_column_of(["id", "class", "Label"]) == "Label"
    assert label_column_of(["id", "weight"]) is None
    assert id_column(["ImageId", "Label"]) == "ImageId"
