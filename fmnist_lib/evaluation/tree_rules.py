"""Rules that describe where errors are frequent: the leaves of a shallow decision tree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

Condition = tuple[str, str, float]


@dataclass(frozen=True)
class Rule:
    """A conjunction of thresholds on named features.

    Attributes
    ----------
    conditions : tuple of (str, str, float)
        Feature, "above" or "at most", and threshold.
    """

    conditions: tuple[Condition, ...]

    @property
    def text(self) -> str:
        """The rule in words.

        Examples
        --------
        >>> Rule((("mean_ink", "above", 40.0), ("box_width", "at most", 19.5))).text
        'mean ink above 40, box width at most 19.5'
        """
        return ", ".join(
            f"{name.replace('_', ' ')} {side} {threshold:.3g}"
            for name, side, threshold in self.conditions
        )

    def covers(self, features: pd.DataFrame) -> np.ndarray:
        """Return a mask of shape (n,) of the rows that meet every condition."""
        chosen = np.ones(len(features), dtype=bool)
        for name, side, threshold in self.conditions:
            values = features[name].to_numpy()
            chosen &= values > threshold if side == "above" else values <= threshold
        return chosen


def tree_rules(
    features: pd.DataFrame, errors: np.ndarray, depth: int, min_rows: int
) -> tuple[Rule, ...]:
    """Fit a decision tree to errors, and return its leaves with more errors than on average.

    Parameters
    ----------
    features : DataFrame of shape (n, n_features)
    errors : ndarray of bool, shape (n,)
    depth : int
    min_rows : int
        Fewest rows of a leaf.

    Returns
    -------
    tuple of Rule
        Most errors first; empty if all rows or none are errors, or no split helps.
    """
    from sklearn.tree import DecisionTreeClassifier

    if errors.all() or not errors.any():
        return ()
    fitted = DecisionTreeClassifier(max_depth=depth, min_samples_leaf=min_rows, random_state=0)
    tree = fitted.fit(features.to_numpy(), errors).tree_
    leaves = [(tree.value[node][0][1], path) for node, path in _leaves(tree, list(features))]
    frequent = [(share, path) for share, path in leaves if share > errors.mean() and path]
    return tuple(Rule(path) for _, path in sorted(frequent, key=lambda leaf: -leaf[0]))


def _leaves(
    tree: Any, names: list[str], node: int = 0, path: tuple[Condition, ...] = ()
) -> Iterator[tuple[int, tuple[Condition, ...]]]:
    if tree.children_left[node] < 0:
        yield node, path
        return
    name, threshold = names[tree.feature[node]], float(tree.threshold[node])
    for child, side in ((tree.children_left, "at most"), (tree.children_right, "above")):
        # A later threshold on the same side of the same feature is the narrower one.
        others = tuple(one for one in path if one[:2] != (name, side))
        yield from _leaves(tree, names, int(child[node]), (*others, (name, side, threshold)))
