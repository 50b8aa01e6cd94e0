"""Kernel ridge regression by preconditioned conjugate gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import cho_factor, cho_solve, cholesky, solve_triangular

from fmnist_lib.features.chunks import in_chunks, in_threads
from fmnist_lib.models.gaussian import STRIP, gaussian
from fmnist_lib.models.stored_kernel import LandmarkKernel, SymmetricKernel

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from fmnist_lib.models.gaussian import Points

    Operator = Callable[[NDArray[np.float32]], NDArray[np.float32]]

#: Below this number of rows a factorisation is quicker than iterations.
DIRECT_ROWS = 1500
#: Rows of the low-rank approximation that preconditions the whole kernel.
_RANK = 1000


def solve_all(
    points: Points, targets: NDArray[np.float32], ridge: float, iterations: int
) -> NDArray[np.float32]:
    """Solve (K + ridge I) a = targets with the kernel K of all rows.

    The preconditioner is the same system with a Nystroem approximation of K on the first rows
    (Frangella, Tropp and Udell, "Randomized Nystroem Preconditioning", 2023).

    Parameters
    ----------
    points : Points
        Of n rows in random order.
    targets : ndarray of float32, shape (n, k)
    ridge : float
    iterations : int

    Returns
    -------
    ndarray of float32, shape (n, k)
    """
    if len(points) <= DIRECT_ROWS:
        matrix = gaussian(points, points).astype(np.float64)
        matrix[np.diag_indices_from(matrix)] += ridge
        return cho_solve(cho_factor(matrix, overwrite_a=True), targets).astype(np.float32)
    kernel = SymmetricKernel(points)
    precondition = _nystroem_preconditioner(points, ridge)
    return _conjugate_gradients(
        lambda v: kernel @ v + np.float32(ridge) * v, precondition, targets, iterations
    )


def solve_landmarks(
    points: Points,
    landmarks: Points,
    targets: NDArray[np.float32],
    ridge: float,
    iterations: int,
) -> NDArray[np.float32]:
    """Minimise |K a - targets|^2 + ridge a' M a: K of rows and landmarks, M of the landmarks.

    FALKON (Rudi, Carratino and Rosasco, "FALKON: An Optimal Large Scale Kernel Method", 2017).

    Parameters
    ----------
    points, landmarks : Points
        Of n and m rows.
    targets : ndarray of float32, shape (n, k)
    ridge : float
    iterations : int

    Returns
    -------
    ndarray of float32, shape (m, k)
    """
    n, m = len(points), len(landmarks)
    kernel = LandmarkKernel(points, landmarks)
    starts = range(0, m, STRIP)
    own = np.concatenate(
        in_threads(lambda start: gaussian(landmarks[start : start + STRIP], landmarks), starts)
    )
    upper = _upper_factor(own)
    # Of the rows the landmarks are a sample: m of n.
    inner = upper @ upper.T
    inner *= np.float32(n / m)
    inner[np.diag_indices_from(inner)] += np.float32(ridge)
    inner = cholesky(inner, overwrite_a=True, check_finite=False)

    def outward(v: np.ndarray) -> np.ndarray:
        return _triangular(upper, _triangular(inner, v))

    def inward(v: np.ndarray) -> np.ndarray:
        return _triangular(inner, _triangular(upper, v, trans=1), trans=1)

    def operator(v: np.ndarray) -> np.ndarray:
        w = _triangular(inner, v)
        data = _triangular(upper, kernel.normal_product(_triangular(upper, w)), trans=1)
        return _triangular(inner, data + np.float32(ridge) * w, trans=1)

    right = inward(kernel.transposed_product(targets))
    return outward(_conjugate_gradients(operator, lambda v: v, right, iterations))


def _triangular(factor: np.ndarray, v: np.ndarray, trans: int = 0) -> np.ndarray:
    return solve_triangular(factor, v, trans=trans, check_finite=False)


def _upper_factor(matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cholesky factor, of a matrix with as little added to its diagonal as it takes."""
    added = np.float32(1e-6 * len(matrix))
    while True:
        trial = matrix.copy()
        trial[np.diag_indices_from(trial)] += added
        try:
            return cholesky(trial, overwrite_a=True, check_finite=False)
        except np.linalg.LinAlgError:
            added *= 10


def _nystroem_preconditioner(points: Points, ridge: float) -> Operator:
    sample = points[:_RANK]
    values, vectors = np.linalg.eigh(gaussian(sample, sample).astype(np.float64))
    used = values > values[-1] * 1e-6
    whiten = (vectors[:, used] / np.sqrt(values[used])).astype(np.float32)
    indices = np.arange(len(points))
    features = in_chunks(
        lambda chunk: gaussian(points[chunk], sample) @ whiten, indices, whiten.shape[1], STRIP
    )
    inner = sum(
        in_threads(
            lambda start: features[start : start + 4096].T @ features[start : start + 4096],
            range(0, len(features), 4096),
        )
    ).astype(np.float64)
    inner[np.diag_indices_from(inner)] += ridge
    factor = cho_factor(inner)

    def precondition(v: np.ndarray) -> np.ndarray:
        correction = cho_solve(factor, (features.T @ v).astype(np.float64)).astype(np.float32)
        return v - features @ correction

    return precondition


def _conjugate_gradients(
    operator: Operator, precondition: Operator, targets: NDArray[np.float32], iterations: int
) -> NDArray[np.float32]:
    """Preconditioned conjugate gradients for every column of the targets, side by side."""
    solution = np.zeros_like(targets)
    residual = targets.copy()
    conditioned = precondition(residual)
    direction = conditioned.copy()
    energy = _dots(residual, conditioned)
    for _ in range(iterations):
        image = operator(direction)
        step = energy / np.maximum(_dots(direction, image), 1e-30)
        solution += (step * direction).astype(np.float32)
        residual -= (step * image).astype(np.float32)
        conditioned = precondition(residual)
        previous, energy = energy, _dots(residual, conditioned)
        direction = (
            conditioned + (energy / np.maximum(previous, 1e-30)).astype(np.float32) * direction
        )
    return solution


def _dots(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Scalar products of the columns, in double precision."""
    return np.einsum("ij,ij->j", a, b, dtype=np.float64)
