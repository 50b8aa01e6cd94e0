from __future__ import annotations

import numpy as np
import pytest

from fmnist_lib.models.factorisation import factorise, reversed_product, solve_lower


@pytest.mark.parametrize("n", [3, 1024, 2100])
def test_the_tiled_factor_equals_that_of_lapack(n):
    """One incomplete tile, a complete one, and three by three of them."""
    X = np.random.default_rng(0).normal(size=(n, n + 5))
    matrix = X @ X.T
    expected = np.linalg.cholesky(matrix)
    factorise(matrix)
    np.testing.assert_allclose(np.tril(matrix), expected, atol=1e-10)
    product = reversed_product(matrix)
    np.testing.assert_allclose(np.tril(product), np.tril(expected.T @ expected), atol=1e-8)
    v = X[:, :2]
    np.testing.assert_allclose(expected @ solve_lower(matrix, v), v, atol=1e-8)
    np.testing.assert_allclose(expected.T @ solve_lower(matrix, v, transposed=True), v, atol=1e-8)


def test_a_matrix_that_is_not_positive_definite_is_refused():
    with pytest.raises(np.linalg.LinAlgError):
        factorise(np.diag([1.0, -1.0]))
