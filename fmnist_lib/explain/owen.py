"""Owen values: SHAP values of image regions, split down to single pixels where they matter."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fmnist_lib.common.labels import IMAGE_SHAPE
from fmnist_lib.features.chunks import in_threads

if TYPE_CHECKING:
    from collections.abc import Callable

#: Masked images per call of `predict_proba`, and per image and round.
_CHUNK, _PER_ROUND = 256, 64
#: Coalitions of other pixels in which a region is shown and hidden.
_COALITIONS = 4
_SMALLEST = 1e-6


class _Box(NamedTuple):
    """Rows ``top`` to ``bottom`` and columns ``left`` to ``right``, ends excluded."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def area(self) -> int:
        return (self.bottom - self.top) * (self.right - self.left)

    @property
    def pixels(self) -> tuple[slice, slice]:
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def halves(self) -> tuple[_Box, _Box]:
        """Split across the longer side."""
        if self.bottom - self.top >= self.right - self.left:
            middle = (self.top + self.bottom) // 2
            return self._replace(bottom=middle), self._replace(top=middle)
        middle = (self.left + self.right) // 2
        return self._replace(right=middle), self._replace(left=middle)


class _Coalition(NamedTuple):
    """Pixels shown besides a region, and the outputs without and with the region."""

    shown: np.ndarray
    without: np.ndarray
    complete: np.ndarray

    def add(self, box: _Box) -> np.ndarray:
        """Return the pixels shown when a part of the region is shown too."""
        shown = self.shown.copy()
        shown[box.pixels] = True
        return shown


@dataclass(frozen=True)
class _Region:
    box: _Box
    value: np.ndarray
    coalitions: tuple[_Coalition, ...]


class _Image:
    """Regions of one image, first the one with the largest effect on the highest output."""

    def __init__(self, hidden_output: np.ndarray, output: np.ndarray) -> None:
        self._highest = int(output.argmax())
        self.values = np.zeros((*IMAGE_SHAPE, len(output)))
        self._queue: list[tuple[float, int, _Region]] = []
        self._pushed = 0
        nothing = _Coalition(np.zeros(IMAGE_SHAPE, dtype=bool), hidden_output, output)
        whole = _Box(0, IMAGE_SHAPE[0], 0, IMAGE_SHAPE[1])
        self._push(_Region(whole, output - hidden_output, (nothing,)))

    def next_regions(self, evaluations: int) -> list[_Region]:
        """Remove and return the regions to split, for at most so many evaluations."""
        regions: list[_Region] = []
        while self._queue:
            cost = 2 * len(self._queue[0][2].coalitions)
            if cost > evaluations:
                break
            evaluations -= cost
            regions.append(heapq.heappop(self._queue)[2])
        return regions

    def split(self, region: _Region, outputs: np.ndarray) -> None:
        """Share the value of a region between its halves.

        Parameters
        ----------
        region : _Region
        outputs : ndarray of shape (n_coalitions, 2, n_classes)
            With only the first, and only the second half shown besides each coalition.
        """
        halves = region.box.halves()
        without = np.stack([one.without for one in region.coalitions])
        complete = np.stack([one.complete for one in region.coalitions])
        for box, other, alone, rest in (
            (halves[0], halves[1], outputs[:, 0], outputs[:, 1]),
            (halves[1], halves[0], outputs[:, 1], outputs[:, 0]),
        ):
            value = ((alone - without) + (complete - rest)).mean(axis=0) / 2
            found = (complete - without).mean(axis=0)
            # The region's own value is a mean over other coalitions: share out the rest.
            value = value + (region.value - found) * box.area / region.box.area
            coalitions = [
                _Coalition(one.shown, one.without, alone[place])
                for place, one in enumerate(region.coalitions)
            ] + [
                _Coalition(one.add(other), rest[place], one.complete)
                for place, one in enumerate(region.coalitions)
            ]
            self._push(_Region(box, value, _spread(coalitions)))

    def _push(self, region: _Region) -> None:
        self.values[region.box.pixels] = region.value / region.box.area
        if region.box.area > 1:
            # The counter breaks ties, so that regions are never compared.
            self._pushed += 1
            priority = -abs(float(region.value[self._highest]))
            heapq.heappush(self._queue, (priority, self._pushed, region))


def _spread(coalitions: list[_Coalition]) -> tuple[_Coalition, ...]:
    """Return a few of the coalitions, from the smallest to the largest."""
    ordered = sorted(coalitions, key=lambda one: int(one.shown.sum()))
    places = np.linspace(0, len(ordered) - 1, min(len(ordered), _COALITIONS))
    return tuple(ordered[place] for place in places.round().astype(int))


def owen_values(
    predict: Callable[[np.ndarray], np.ndarray],
    images: np.ndarray,
    hidden: np.ndarray,
    evaluations: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Explain every output for every image by masking regions.

    The image is halved again and again, at each turn the region with the largest effect on the
    image's highest output. A half's value is the mean of its effects when it is shown before and
    after the other half, in four coalitions of pixels outside the region: from as few to as many
    as the halvings so far allow. So the cost per split is constant; with all coalitions it would
    grow fourfold with every depth. The values of the halves add up to that of the region.

    The masked images of all explained images are scored together, which takes half the time of
    ``shap.PartitionExplainer``. ``benchmarks/attributions.py`` compares them.

    Parameters
    ----------
    predict : callable
        uint8 images (n, 28, 28) to outputs (n, n_classes); thread-safe.
    images : ndarray of shape (n, 28, 28), uint8
    hidden : ndarray of shape (28, 28), uint8
        Values of hidden pixels.
    evaluations : int
        Masked images per image; about 6,200 reach every pixel.

    Returns
    -------
    values : ndarray of shape (n, 28, 28, n_classes)
    base_values : ndarray of shape (n_classes,)
        Output when all pixels are hidden.

    References
    ----------
    Owen, "Values of Games with a Priori Unions", 1977; Lundberg and Lee, "A Unified Approach to
    Interpreting Model Predictions", NeurIPS 2017.
    """
    base, *outputs = predict_chunks(predict, np.concatenate([hidden[None], images]))
    states = [_Image(base, output) for output in outputs]
    left = [evaluations] * len(images)
    while True:
        splits = [
            (place, region)
            for place, state in enumerate(states)
            for region in state.next_regions(min(left[place], _PER_ROUND))
        ]
        if not splits:
            break
        shown = [
            np.stack([one.add(half) for one in region.coalitions for half in region.box.halves()])
            for _, region in splits
        ]
        masked = [
            np.where(one, images[place], hidden)
            for (place, _), one in zip(splits, shown, strict=True)
        ]
        scores = predict_chunks(predict, np.concatenate(masked))
        ends = np.cumsum([len(one) for one in masked])
        for (place, region), found in zip(splits, np.split(scores, ends[:-1]), strict=True):
            left[place] -= len(found)
            states[place].split(region, found.reshape(-1, 2, found.shape[1]))
    return np.stack([state.values for state in states]), base


def log_odds(probabilities: np.ndarray) -> np.ndarray:
    """Return the log-odds of every class against all others, within ±14.

    Differences of probabilities below 1e-6 are rounding errors of a float32 softmax.

    Parameters
    ----------
    probabilities : ndarray of shape (n, n_classes)

    Examples
    --------
    >>> log_odds(np.array([[0.5, 0.25, 0.25]])).round(2).tolist()
    [[0.0, -1.1, -1.1]]
    """
    p = np.asarray(probabilities, dtype=np.float64)
    # Summing the others is exact where 1 - p would cancel.
    others = p @ (1 - np.eye(p.shape[1]))
    return np.log(np.maximum(p, _SMALLEST)) - np.log(np.maximum(others, _SMALLEST))


def predict_chunks(predict: Callable[[np.ndarray], np.ndarray], images: np.ndarray) -> np.ndarray:
    """Return float64 outputs for many images, chunks of them in parallel threads."""
    from threadpoolctl import threadpool_limits

    def score(start: int) -> np.ndarray:
        # OpenMP's limit holds for the calling thread only: set it in each.
        with threadpool_limits(1):
            return np.asarray(predict(images[start : start + _CHUNK]), dtype=np.float64)

    return np.concatenate(in_threads(score, range(0, len(images), _CHUNK)))
