"""Measure what the parts of a model add to its accuracy."""

from __future__ import annotations

from functools import cache
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING, Any

import numpy as np

from fmnist_lib.common.contributions import Contribution, RefitContribution
from fmnist_lib.common.statistics import mcnemar, paired_difference, t_interval

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd

    Answers = Callable[[frozenset[str]], np.ndarray]


def permuted_answers(
    learner: Any,
    columns: np.ndarray,
    widths: Mapping[str, int],
    labels: np.ndarray,
    *,
    seed: int,
) -> Answers:
    """Return a function that removes blocks of columns by permutation, and says what stays right.

    The rows of a removed block are permuted among the images, which breaks its relation to the
    label and to the other blocks, and keeps the relations within it.

    Parameters
    ----------
    learner : fitted classifier
        Takes ``columns``.
    columns : ndarray of shape (n_images, n_columns)
        Of images that the learner was not fitted on.
    widths : mapping of str to int
        Number of columns per block, in order; they add up to ``n_columns``.
    labels : ndarray of int, shape (n_images,)
    seed : int
        Draws the permutations.

    Returns
    -------
    callable
        From the names of the blocks that stay to a bool per image: True where the learner is
        right. Every set of names is evaluated once.
    """
    random = np.random.default_rng(seed)
    orders = {name: random.permutation(len(columns)) for name in widths}
    ends = np.cumsum(list(widths.values()))
    blocks = {
        name: slice(end - width, end)
        for (name, width), end in zip(widths.items(), ends, strict=True)
    }

    @cache
    def answers(kept: frozenset[str]) -> np.ndarray:
        shown = columns.copy()
        for name in widths.keys() - kept:
            shown[:, blocks[name]] = columns[orders[name], blocks[name]]
        return np.asarray(learner.predict(shown) == labels)

    return answers


def block_contributions(
    answers: Answers, names: Sequence[str], confidence: float = 0.95
) -> tuple[Contribution, ...]:
    """Permutation importance of blocks of columns: the accuracy lost without one of them.

    Parameters
    ----------
    answers : callable
        As `permuted_answers` returns it.
    names : sequence of str
        Of all blocks.
    confidence : float in (0, 1)

    Returns
    -------
    tuple of Contribution
        In the order of ``names``.

    References
    ----------
    Breiman, "Random Forests", Machine Learning 2001, section 10.
    """
    everything = frozenset(names)
    return tuple(
        Contribution(
            name,
            paired_difference(answers(everything), answers(everything - {name}), confidence),
        )
        for name in names
    )


def shapley_contributions(
    answers: Answers, names: Sequence[str], confidence: float = 0.95
) -> tuple[Contribution, ...]:
    """Shapley values of blocks of columns: the accuracy with all of them, shared out among them.

    A block gets the accuracy that it adds, averaged over all orders in which the blocks can be
    added. What two blocks both know is shared between them, while permutation importance gives it
    to neither.

    Parameters
    ----------
    answers : callable
        As `permuted_answers` returns it; called for each of the ``2 ** len(names)`` sets of blocks.
    names : sequence of str
        Of all blocks.
    confidence : float in (0, 1)

    Returns
    -------
    tuple of Contribution
        In the order of ``names``; the values add up to the accuracy with all blocks minus that
        with none.

    References
    ----------
    Covert, Lundberg and Lee, "Understanding global feature contributions with additive importance
    measures", NeurIPS 2020.
    """
    found = []
    for name in names:
        others = [other for other in names if other != name]
        gained = np.zeros(len(answers(frozenset(names))))
        for size in range(len(names)):
            share = 1 / (len(names) * comb(len(others), size))
            for before in map(frozenset, combinations(others, size)):
                gained += share * (answers(before | {name}).astype(float) - answers(before))
        found.append(Contribution(name, t_interval(gained, confidence)))
    return tuple(found)


def refit_contributions(
    correct: Callable[[tuple[str, ...]], np.ndarray], names: Sequence[str], confidence: float
) -> tuple[float, tuple[RefitContribution, ...]]:
    """Accuracy that a pipeline loses when it is fitted without one of its feature blocks.

    Unlike a permutation, which shows a fitted learner images that cannot exist, this says what the
    block adds to the others.

    Parameters
    ----------
    correct : callable
        From the names of the blocks to fit with to a bool per held-out image: True where the
        fitted pipeline is right. Always the same training and held-out images.
    names : sequence of str
        Of all blocks; at least two.
    confidence : float in (0, 1)

    Returns
    -------
    float, tuple of RefitContribution
        Accuracy with all blocks, and what is lost without each, in the order of ``names``.
    """
    everything = correct(tuple(names))
    found = []
    for name in names:
        rest = correct(tuple(other for other in names if other != name))
        p_value = mcnemar(everything, rest).p_value * len(names)
        loss = paired_difference(everything, rest, confidence)
        found.append(RefitContribution(name, float(rest.mean()), loss, min(p_value, 1.0)))
    return float(everything.mean()), tuple(found)


def member_contributions(
    weights: Mapping[str, float],
    probabilities: Mapping[str, np.ndarray],
    labels: np.ndarray,
    confidence: float = 0.95,
) -> tuple[Contribution, ...]:
    """Accuracy that an ensemble loses without each of its members.

    Parameters
    ----------
    weights : mapping of str to float
        By member; at least two.
    probabilities : mapping of str to ndarray of shape (n_images, n_classes)
        By member.
    labels : ndarray of int, shape (n_images,)
    confidence : float in (0, 1)

    Returns
    -------
    tuple of Contribution
        In the order of ``weights``.
    """

    def correct(names: list[str]) -> np.ndarray:
        votes = sum(weights[name] * probabilities[name] for name in names)
        return np.asarray(votes).argmax(axis=1) == labels

    everyone = correct(list(weights))
    return tuple(
        Contribution(
            left_out,
            paired_difference(
                everyone, correct([name for name in weights if name != left_out]), confidence
            ),
        )
        for left_out in weights
    )


def agreement(predictions: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Return the share of images that every pair of candidates classifies alike.

    Parameters
    ----------
    predictions : mapping of str to ndarray of int, shape (n_images,)
        Classes, by candidate.

    Returns
    -------
    DataFrame of shape (n_candidates, n_candidates)
        Symmetric, in [0, 1], 1 on the diagonal.
    """
    import pandas as pd

    names = list(predictions)
    shares = [
        [float(np.mean(predictions[one] == predictions[other])) for other in names] for one in names
    ]
    return pd.DataFrame(shares, index=names, columns=names)
