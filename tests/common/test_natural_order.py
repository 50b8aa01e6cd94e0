from __future__ import annotations

import pytest

from fmnist_lib.common.natural_order import natural_key


@pytest.mark.parametrize(
    "expected",
    [
        ["0.png", "1.png", "2.png", "10.png", "100.png"],
        ["07", "7", "008", "8", "9", "10"],
        ["10", "-9", "-10"],
        ["IMG_2", "img_10", "IMG_11"],
        ["a1b2", "a1b10", "a2b1"],
        ["x", "x1", "y"],
        ["", "1", "a"],
        ["٩", "10", "11"],
        ["²1", "²2"],
    ],
    ids=str,
)
def test_numbers_within_names_count_as_numbers(expected):
    assert sorted(expected, key=natural_key) == expected


def test_names_that_differ_in_zeros_or_case_have_a_unique_order():
    names = ["001", "01", "1", "A", "a"]
    assert sorted(["a", "1", "A", "001", "01"], key=natural_key) == names


def test_no_name_is_too_long():
    assert natural_key("9" * 10_000) > natural_key("8" * 10_000)
