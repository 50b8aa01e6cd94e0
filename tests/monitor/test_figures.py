from __future__ import annotations

import numpy as np
import pytest

from fmnist_lib.monitor.figures import gallery, shortened

PNG = b"\x89PNG"


@pytest.mark.parametrize("count", [1, 8, 11])
def test_the_gallery_takes_any_number_of_images(count):
    images = np.zeros((count, 28, 28), np.uint8)
    assert gallery("name", images, ["Bag"] * count, "title", "caption").png.startswith(PNG)


@pytest.mark.parametrize("name", ["$x_{.png", "price $5 and $6.png", "a" * 250, "\n\t.png", ""])
def test_a_file_name_is_not_parsed_as_a_formula(name):
    images = np.zeros((1, 28, 28), np.uint8)
    assert gallery("name", images, [name], "title", "caption").png.startswith(PNG)


def test_a_long_file_name_is_shortened_in_the_middle():
    assert shortened("20240131T235959-camera-0017.png") == "20240131…-0017.png"
    assert shortened("17.png") == "17.png"
