from __future__ import annotations

import io

import numpy as np
from PIL import Image

from fmnist_lib.common.plotting import DIVERGING, new_figure, picture


def test_a_palette_keeps_size_and_looks_of_a_picture_in_fewer_bytes():
    def drawn(*, palette):
        figure = new_figure(4, 3)
        values = np.random.default_rng(0).normal(size=(28, 28))
        figure.subplots().imshow(values, cmap=DIVERGING)
        return picture(figure, "name", "title", "caption", palette=palette).png

    plain, few = drawn(palette=False), drawn(palette=True)
    assert len(few) < 0.7 * len(plain)
    before, after = (np.asarray(Image.open(io.BytesIO(one)).convert("RGB")) for one in (plain, few))
    assert before.shape == after.shape
    assert np.abs(before.astype(int) - after).mean() < 2
    assert drawn(palette=True) == few
