from __future__ import annotations

import numpy as np
import pytest

from fmnist_lib.search.recipes.search_data import SearchData


@pytest.fixture
def data():
    n = np.zeros(13, dtype=np.uint8)
    return SearchData(np.zeros((13, 28, 28), np.uint8), n, n_holdout=2, n_train=10, numbers=n)


@pytest.mark.parametrize(
    ("n", "rows"), [(None, 8), (8, 8), (99, 8), (3, 3), (1, 1), (0, 1), (-3, 1)]
)
def test_a_request_for_hardly_any_rows_is_not_one_for_all(data, n, rows):
    fit = data.fit_rows(n)
    assert (fit.start, fit.stop) == (2, 2 + rows)
    held_out = data.holdout_rows(n)
    assert (held_out.start, held_out.stop) == (0, min(rows, 2))
