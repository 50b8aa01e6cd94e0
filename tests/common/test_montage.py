from __future__ import annotations

import numpy as np
import pytest

from fmnist_lib.common.montage import gallery, montage

PNG = b"\x89PNG"


def images(count):
    """Images of one shade each, from 1."""
    shades = np.arange(1, count + 1, dtype=np.uint8)
    return np.broadcast_to(shades[:, None, None], (count, 28, 28))


def test_all_images_are_on_one_sheet_in_rows():
    (axes,) = montage(images(5), 3, inches=1).axes
    sheet = axes.images[0].get_array()
    assert sheet[::32, ::32].tolist() == [[1, 2, 3], [4, 5, 0]]
    assert (sheet > 0).sum() == 5 * 28 * 28


@pytest.mark.parametrize(("left", "x"), [(False, [14, 46]), (True, [0, 32])])
def test_a_title_stands_above_its_image_without_covering_another(left, x):
    figure = montage(images(4), 2, ["", "Bag →\nCoat?", "Coat", ""], inches=1, left=left)
    (axes,) = figure.axes
    figure.draw_without_rendering()
    titles = {one.get_text(): one for one in axes.texts if one.get_text()}
    sheet = np.asarray(axes.images[0].get_array())
    for title, one in titles.items():
        box = one.get_window_extent().transformed(axes.transData.inverted())
        top, bottom = sorted((box.y0, box.y1))
        assert not sheet[round(top) : round(bottom), :].any(), title
    places = {title: one.get_position() for title, one in titles.items()}
    assert places["Bag →\nCoat?"][0] == x[1]
    assert places["Coat"][0] == x[0]
    assert places["Coat"][1] > places["Bag →\nCoat?"][1] + 28


def test_names_of_rows_and_columns_stand_at_the_middle_of_their_images():
    (axes,) = montage(images(4), 2, inches=1, rows=["a", "a long name"], columns=["c", "d"]).axes
    for ticks, labels, names in (
        (axes.get_yticks(), axes.get_yticklabels(), ["a", "a long name"]),
        (axes.get_xticks(), axes.get_xticklabels(), ["c", "d"]),
    ):
        assert ticks.tolist() == [14, 46]
        assert [one.get_text() for one in labels] == names


def test_names_of_rows_are_not_cut_off():
    figure = montage(images(4), 2, inches=0.75, rows=["a", "noise, standard deviation 10 of 255"])
    figure.draw_without_rendering()
    boxes = [one.get_window_extent() for one in figure.axes[0].get_yticklabels()]
    assert min(box.x0 for box in boxes) >= 0


@pytest.mark.parametrize("count", [1, 8, 11])
def test_the_gallery_takes_any_number_of_images(count):
    assert gallery("name", images(count), ["Bag"] * count, "title", "caption").png.startswith(PNG)


@pytest.mark.parametrize("name", ["$x_{.png", "price $5 and $6.png", "a" * 250, ""])
def test_a_title_is_not_parsed_as_a_formula(name):
    assert gallery("name", images(1), [name], "title", "caption").png.startswith(PNG)
