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

#: Up to this number of rows a factorisation is quicker than iterations.
DIRECT_ROWS = 2000
#: Rows of the low-rank approximation that preconditions the whole kernel: a share of them all,
#: within bounds.
_RANK_SHARE, _LEAST_RANK, _MOST_RANK = 1 / 20, 500, 1500
#: Rows of which it is computed at once, by one thread.
_CHUNK = 1024
#: Added to the diagonal of the landmarks' kernel: what rounding to float32 may have taken away. The
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
        Of n rows in random order.
    targets : ndarray of float32, shape (n, k)
    ridge : float
    iterations : int
    tolerance : float
        Length of the residual, relative to that of the targets, that is small enough.

    Returns
    -------
    ndarray of float32, shape (n, k)
    """
    if len(points) <= DIRECT_ROWS:
        whole = gaussian(points, points).astype(np.float64)
        whole[np.diag_indices_from(whole)] += ridge
        return np.asarray(cho_solve(cho_factor(whole, overwrite_a=True), targets), np.float32)
    # First the preconditioner: its temporaries are gone when the kernel takes its memory.
    precondition = _nystroem_preconditioner(points, ridge)
    kernel = SymmetricKernel(points)
    return _conjugate_gradients(
        lambda v: kernel @ v + np.float32(ridge) * v, precondition, targets, iterations, tolerance
    )


def solve_landmarks(  # noqa: PLR0917 (as many as `solve_all` and the landmarks)
    points: Points,
    landmarks: Points,
    targets: NDArray[np.float32],
    ridge: float,
    iterations: int,
    tolerance: float = 0.0,
) -> NDArray[np.float32]:
    """Minimise |K a - targets|^2 + ridge a' M a: K of rows and landmarks, M of the landmarks.

    With M = L L' the unknowns are A' L' a, where A A' = L' L n / m + ridge I approximates the
    system's matrix by the landmarks, as a sample of the rows: FALKON (Rudi, Carratino and Rosasco,
    "FALKON: An Optimal Large Scale Kernel Method", 2017).

    Parameters
    ----------
    points, landmarks : Points
        Of n and m rows.
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
    """Cholesky factor of the landmarks' kernel and the least jitter that it takes."""
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
        f"that is not, even with {_JITTERS[-1]:g} on its diagonal. Take a wider kernel or fewer "
        "landmarks."
    )


def _own_kernel(landmarks: Points) -> NDArray[np.float64]:
    """Lower triangle of the landmarks' kernel, by blocks."""
    kernel = np.empty((len(landmarks), len(landmarks)))

    def fill(start: int) -> None:
        stop = start + _CHUNK
        kernel[start:stop, :stop] = gaussian(landmarks[start:stop], landmarks[:stop])

    in_threads(fill, range(0, len(landmarks), _CHUNK))
    return kernel


def _nystroem_preconditioner(points: Points, ridge: float) -> Operator:
    """Inverse of F F' + s I, up to a factor, where F F' approximates the kernel from below.

    s is the ridge and the mean of what F F' lacks on the diagonal: it puts the eigenvalues that
    the approximation does not reach beside the others, which saves a quarter of the steps.
    """
    n = len(points)
    sample = points[: int(np.clip(_RANK_SHARE * n, _LEAST_RANK, _MOST_RANK))]
    own = gaussian(sample, sample).astype(np.float64)
    # Small enough to disappear behind the ridge, large enough for float32 below.
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
    # Group by group, or the products of all chunks would be in memory side by side.
    for first in range(0, n, group):
        for product in in_threads(fill, range(first, min(first + group, n), _CHUNK)):
            inner += product
    lacking = max(0.0, float(points.diagonal().sum() - np.trace(inner)) / n)
    inner[np.diag_indices_from(inner)] += ridge + lacking
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
    """Preconditioned conjugate gradients for every column of the targets, side by side."""
    solution = np.zeros_like(targets)
    residual = targets.copy()
    conditioned = precondition(residual)
    direction = conditioned.copy()
    energy = _dots(residual, conditioned)
    enough = tolerance * np.linalg.norm(targets)
    for _ in range(iterations):
        image = operator(direction)
        step = _ratio(energy, _dots(direction, image), targets.dtype)
        solution += step * direction
        residual -= step * image
        if np.linalg.norm(residual) <= enough:
            break
        conditioned = precondition(residual)
        previous, energy = energy, _dots(residual, conditioned)
        direction = conditioned + _ratio(energy, previous, targets.dtype) * direction
    return solution


def _dots(a: np.ndarray, b: np.ndarray) -> NDArray[np.float64]:
    """Scalar products of the columns, in double precision."""
    return np.asarray(np.einsum("ij,ij->j", a, b, dtype=np.float64))


def _ratio(a: np.ndarray, b: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Quotients; 0 where rounding has left nothing to divide by: the column stays as it is."""
    return np.divide(a, b, out=np.zeros_like(a), where=b > 0).astype(dtype)
