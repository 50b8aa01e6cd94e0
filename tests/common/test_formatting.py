from __future__ import annotations

from fmnist_lib.common.formatting import short_list, shorten_middle


def test_a_list_in_a_message_has_five_items():
    names = [f"pixel{number}" for number in range(1, 785)]
    assert short_list(names) == "pixel1, pixel2, pixel3, pixel4, pixel5 and 779 more"
    assert short_list(["a"]) == "a"
    assert short_list(iter(range(5))) == "0, 1, 2, 3, 4"


def test_a_long_name_is_cut():
    assert short_list(["x" * 41, "y" * 40]) == f"{'x' * 37}..., {'y' * 40}"


def test_the_middle_of_a_long_file_name_is_cut_and_control_characters_are_replaced():
    assert shorten_middle("20240131T235959-camera-0017.png", 18) == "20240131…-0017.png"
    assert shorten_middle("\n\t.png", 18) == "??.png"
    assert shorten_middle("", 18) == ""
