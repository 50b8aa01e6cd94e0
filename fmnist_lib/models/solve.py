"""Kernel ridge regression by preconditioned conjugate gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import cho_factor, cho_solve, cholesky, solve_triangular
from scipy.linalg.blas import ssyrk

from fmnist_lib.features.chunks import in_threads
from fmnist_lib.models.factorisation import factorise, reversed_product, solve_lower
from fmnist_lib.models.gaussian import gaussian
from fmnist_lib.models.stored_kernel import LandmarkKernel, SymmetricKernel

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from fmnist_lib.models.gaussian import Points

    Operator = Callable[[np.ndarray], np.ndarray]

#: Up to this number of rows a direct solution is faster than iterations.
DIRECT_ROWS = 2000
#: Rank of the Nystroem preconditioner of the whole kernel: a share of the rows, within bounds.
_RANK_SHARE, _MIN_RANK, _MAX_RANK = 1 / 20, 500, 1500
#: Rows per chunk and thread.
_CHUNK = 1024
#: Jitter on the diagonal of the landmarks' kernel, against rounding to float32; tried in order. The
#: first is nearly always enough; few columns and a narrow kernel may need more.
_JITTERS = (1e-5, 1e-4, 1e-3, 1e-2)


def solve_all(
    points: Points,
    targets: NDArray[np.float32],
    ridge: float,
    iterations: int,
    tolerance: float = 0.0,
) -> NDArray[np.float32]:
    """Solve (K + ridge I) a = targets with the kernel K of all rows.

    The preconditioner is the same system with a Nystroem approximation of K on the first rows
    (Frangella, Tropp and Udell, "Randomized Nystroem Preconditioning", 2023).

    Parameters
    ----------
    points : Points
        n rows in random order.
    targets : ndarray of float32, shape (n, k)
    ridge : float
    iterations : int
    tolerance : float
        Stopping criterion: norm of the residual relative to that of the targets.

    Returns
    -------
    ndarray of float32, shape (n, k)
    """
    if len(points) <= DIRECT_ROWS:
        whole = gaussian(points, points).astype(np.float64)
        whole[np.diag_indices_from(whole)] += ridge
        return np.asarray(cho_solve(cho_factor(whole, overwrite_a=True), targets), np.float32)
    # The preconditioner first: its temporaries are freed before the kernel is allocated.
    precondition = _nystroem_preconditioner(points, ridge)
    kernel = SymmetricKernel(points)
    return _conjugate_gradients(
        lambda v: kernel @ v + np.float32(ridge) * v, precondition, targets, iterations, tolerance
    )


def solve_landmarks(  # noqa: PLR0917 (those of `solve_all` and the landmarks)
    points: Points,
    landmarks: Points,
    targets: NDArray[np.float32],
    ridge: float,
    iterations: int,
    tolerance: float = 0.0,
) -> NDArray[np.float32]:
    """Minimise |K a - targets|^2 + ridge a' M a: K of rows and landmarks, M of the landmarks.

    With M = L L' the unknowns are A' L' a, where A A' = L' L n / m + ridge I approximates the
    matrix of the system from the landmarks: FALKON (Rudi, Carratino and Rosasco, "FALKON: An
    Optimal Large Scale Kernel Method", 2017).

    Parameters
    ----------
    points, landmarks : Points
        n and m rows.
    targets : ndarray of float32, shape (n, k)
    ridge : float
    iterations : int
    tolerance : float
        As in `solve_all`.

    Returns
    -------
    ndarray of float32, shape (m, k)
    """
    kernel = LandmarkKernel(points, landmarks)
    lower = _factor_of_own_kernel(landmarks)
    inner = reversed_product(lower)
    inner *= len(points) / len(landmarks)
    inner[np.diag_indices_from(inner)] += ridge
    factorise(inner)

    def outward(v: np.ndarray) -> np.ndarray:
        return solve_lower(lower, v, transposed=True).astype(np.float32)

    def inward(v: np.ndarray) -> np.ndarray:
        return solve_lower(inner, solve_lower(lower, v.astype(np.float64)))

    def operator(v: np.ndarray) -> np.ndarray:
        w = solve_lower(inner, v, transposed=True)
        return inward(kernel.normal_product(outward(w))) + ridge * solve_lower(inner, w)

    right = inward(kernel.transposed_product(targets))
    unknowns = _conjugate_gradients(operator, lambda v: v, right, iterations, tolerance)
    return outward(solve_lower(inner, unknowns, transposed=True))


def _factor_of_own_kernel(landmarks: Points) -> NDArray[np.float64]:
    """Return the Cholesky factor of the landmarks' kernel with the smallest sufficient jitter."""
    for jitter in _JITTERS:
        lower = _own_kernel(landmarks)
        lower[np.diag_indices_from(lower)] += jitter
        try:
            factorise(lower)
        except np.linalg.LinAlgError:
            continue
        return lower
    raise np.linalg.LinAlgError(
        f"the kernel of {len(landmarks)} landmarks: expected a positive definite matrix, got one "
        f"that is not, even with {_JITTERS[-1]:g} on its diagonal. Use a wider kernel or fewer "
        "landmarks."
    )


def _own_kernel(landmarks: Points) -> NDArray[np.float64]:
    """Return the lower triangle of the landmarks' kernel, by blocks."""
    kernel = np.empty((len(landmarks), len(landmarks)))

    def fill(start: int) -> None:
        stop = start + _CHUNK
        kernel[start:stop, :stop] = gaussian(landmarks[start:stop], landmarks[:stop])

    in_threads(fill, range(0, len(landmarks), _CHUNK))
    return kernel


def _nystroem_preconditioner(points: Points, ridge: float) -> Operator:
    """Return the inverse of F F' + s I, up to a factor; F F' is a Nystroem approximation.

    s is the ridge plus the mean residual of F F' on the diagonal: it compensates for the truncated
    eigenvalues, which saves a quarter of the iterations.
    """
    n = len(points)
    sample = points[: int(np.clip(_RANK_SHARE * n, _MIN_RANK, _MAX_RANK))]
    own = gaussian(sample, sample).astype(np.float64)
    # Negligible beside the ridge, but large enough for float32 below.
    own[np.diag_indices_from(own)] += ridge * len(sample) / n / 10
    factor = cholesky(own, lower=True, check_finite=False).astype(np.float32)
    features = np.empty((n, len(sample)), dtype=np.float32)

    def fill(start: int) -> np.ndarray:
        rows = gaussian(points[start : start + _CHUNK], sample).T
        rows = solve_triangular(factor, rows, lower=True, overwrite_b=True, check_finite=False)
        features[start : start + _CHUNK] = rows.T
        return np.asarray(ssyrk(1.0, rows))

    inner = np.zeros_like(own)
    group = 8 * _CHUNK
    # In groups, so that not all products are in memory at once.
    for first in range(0, n, group):
        for product in in_threads(fill, range(first, min(first + group, n), _CHUNK)):
            inner += product
    mean_residual = max(0.0, float(points.diagonal().sum() - np.trace(inner)) / n)
    inner[np.diag_indices_from(inner)] += ridge + mean_residual
    inner_factor = cho_factor(inner, overwrite_a=True, check_finite=False)

    def precondition(v: np.ndarray) -> np.ndarray:
        correction = cho_solve(inner_factor, (features.T @ v).astype(np.float64))
        return v - features @ correction.astype(np.float32)

    return precondition


def _conjugate_gradients(
    operator: Operator,
    precondition: Operator,
    targets: np.ndarray,
    iterations: int,
    tolerance: float,
) -> np.ndarray:
    """Solve for every column of the targets by preconditioned conjugate gradients."""
    solution = np.zeros_like(targets)
    residual = targets.copy()
    conditioned = precondition(residual)
    direction = conditioned.copy()
    energy = _dots(residual, conditioned)
    threshold = tolerance * np.linalg.norm(targets)
    for _ in range(iterations):
        image = operator(direction)
        step = _ratio(energy, _dots(direction, image), targets.dtype)
        solution += step * direction
        residual -= step * image
        if np.linalg.norm(residual) <= threshold:
            break
        conditioned = precondition(residual)
        previous, energy = energy, _dots(residual, conditioned)
        direction = conditioned + _ratio(energy, previous, targets.dtype) * direction
    return solution


def _dots(a: np.ndarray, b: np.ndarray) -> NDArray[np.float64]:
    """Return the dot products of the columns, in double precision."""
    return np.asarray(np.einsum("ij,ij->j", a, b, dtype=np.float64))


def _ratio(a: np.ndarray, b: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return a / b; 0 where b is not positive (rounding), which leaves the column unchanged."""
    return np.divide(a, b, out=np.zeros_like(a), where=b > 0).astype(dtype)
