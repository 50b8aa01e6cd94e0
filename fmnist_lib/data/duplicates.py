"""Find duplicates and near-duplicates without comparing every pair pixel by pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.common.labels import N_PIXELS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Indices = NDArray[np.intp]

#: Principal components used in the first, cheap comparison.
_DIRECTIONS = 48
_ROWS_FOR_DIRECTIONS = 5_000
_BLOCK = 512
_PIXELS_BLOCK = 4_096
#: Limit of pairs compared pixel by pixel, so that the search takes seconds, not hours.
MAX_COMPARISONS = 3_000_000


@dataclass(frozen=True, eq=False)
class NearPairs:
    """Pairs of near-duplicates.

    Attributes
    ----------
    first, second : ndarray of int, shape (n_pairs,)
        Rows of the images; every unordered pair once.
    distance : ndarray of float32, shape (n_pairs,)
        Root-mean-square difference of the pixels, 0-255.
    complete : bool
        False if the search stopped after `MAX_COMPARISONS`: the pairs found are correct, but
        there may be more.
    """

    first: Indices
    second: Indices
    distance: Floats
    complete: bool


def distinct(images: NDArray[np.uint8]) -> tuple[Indices, Indices]:
    """Group images that are equal in every pixel.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, 28, 28)

    Returns
    -------
    first : ndarray of int, shape (n_groups,)
        The first row of every group.
    group : ndarray of int, shape (n,)
        Every row's group.
    """
    groups: dict[bytes, int] = {}
    group = np.array([groups.setdefault(image.tobytes(), len(groups)) for image in images])
    _, first = np.unique(group, return_index=True)
    return first, group


def near_pairs(images: NDArray[np.uint8], distance: float) -> NearPairs:
    """Find every pair of images within a distance; exact, not approximate.

    Images are projected onto the leading principal components of a sample. An orthogonal
    projection never increases a distance, so pairs too far apart in the projection are
    discarded; sorting by the first component avoids most of these comparisons too. The remaining
    pairs are compared pixel by pixel.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, 28, 28)
        Preferably distinct: the pairs among identical images grow quadratically.
    distance : float
        Largest root-mean-square difference of the pixels, 0-255.
    """
    from threadpoolctl import threadpool_limits

    flat = images.reshape(len(images), -1)
    radius = distance * np.sqrt(N_PIXELS)
    kept: list[tuple[Indices, Indices, Floats]] = []
    compared, complete = 0, True
    # One thread needs about a second; several threads on busy cores take far longer.
    with threadpool_limits(1, user_api="blas"):
        for first, second in _candidates(_project(flat), radius):
            room = MAX_COMPARISONS - compared
            compared += min(room, len(first))
            kept += list(_confirmed(flat, first[:room], second[:room], distance))
            if len(first) > room:
                complete = False
                break
    return NearPairs(
        first=np.concatenate([np.empty(0, np.intp), *(part[0] for part in kept)]),
        second=np.concatenate([np.empty(0, np.intp), *(part[1] for part in kept)]),
        distance=np.concatenate([np.empty(0, np.float32), *(part[2] for part in kept)]),
        complete=complete,
    )


def _project(flat: NDArray[np.uint8]) -> Floats:
    """Return the projection onto the principal components of a sample, float32."""
    step = max(1, len(flat) // _ROWS_FOR_DIRECTIONS)
    sample = flat[::step].astype(np.float32)
    mean = sample.mean(axis=0)
    sample -= mean
    _, vectors = np.linalg.eigh(sample.T @ sample)
    directions = np.ascontiguousarray(vectors[:, ::-1][:, :_DIRECTIONS])
    blocks = (flat[i : i + _PIXELS_BLOCK] for i in range(0, len(flat), _PIXELS_BLOCK))
    return np.concatenate([(block - mean) @ directions for block in blocks])


def _candidates(projected: Floats, radius: float) -> Iterator[tuple[Indices, Indices]]:
    """Yield, per block, the pairs within the radius in the projection."""
    order = np.argsort(projected[:, 0], kind="stable")
    points = projected[order]
    half_norms = (points * points).sum(axis=1) / 2
    # |a - b|^2 <= r^2 is a.b >= |a|^2/2 + |b|^2/2 - r^2/2; the margin covers float32 rounding.
    margin = 1e-3 * radius**2 / 2 + 1e-5 * float(half_norms.max()) + 1e-3
    reach = radius * 1.001 + 1e-5 * float(np.abs(points[:, 0]).max()) + 1e-3
    ends = np.searchsorted(points[:, 0], points[:, 0] + np.float32(reach), side="right")
    for start in range(0, len(points), _BLOCK):
        stop = min(start + _BLOCK, len(points))
        end = int(ends[stop - 1])
        closeness = points[start:stop] @ points[start:end].T
        closeness -= half_norms[start:end]
        needed = half_norms[start:stop] - np.float32(radius**2 / 2 + margin)
        hits = np.flatnonzero(closeness >= needed[:, None])
        first, second = np.divmod(hits, end - start)
        once = second > first
        yield order[first[once] + start], order[second[once] + start]


def _confirmed(
    flat: NDArray[np.uint8], first: Indices, second: Indices, distance: float
) -> Iterator[tuple[Indices, Indices, Floats]]:
    """Yield the pairs within the distance by all their pixels."""
    for start in range(0, len(first), _PIXELS_BLOCK):
        a, b = first[start : start + _PIXELS_BLOCK], second[start : start + _PIXELS_BLOCK]
        difference = flat[a].astype(np.float32) - flat[b]
        squares = np.einsum("ij,ij->i", difference, difference)
        found = np.sqrt(squares / np.float32(N_PIXELS))
        near = found <= distance
        yield a[near], b[near], found[near]
