"""Card of the step `explain`.

It answers without scrolling: whether the attributions can be trusted and why not, by how much they
are better than controls, and how many images were explained.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metaflow.cards import Markdown

from cards.parts.components import box, details, header, pictures, table
from fmnist_lib.common.formatting import percent
from fmnist_lib.common.labels import CLASS_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metaflow.cards import MetaflowCardComponent

    from fmnist_lib.common.data_version import DataVersion
    from fmnist_lib.common.statistics import Estimate
    from fmnist_lib.explain.result import Explanation

_GOOD = {"yes": True, "with care": None, "no": False}


def explain_card(explanation: Explanation, version: DataVersion) -> list[MetaflowCardComponent]:
    """Card of an explanation: verdict on trust, scores and thresholds, SHAP maps, and method."""
    trust = explanation.trust
    return [
        *header(
            trust.sentence,
            version,
            f"SHAP attributions of {len(explanation.images)} test images, "
            f"{explanation.n_mistakes} of them misclassified.",
            _boxes(explanation),
        ),
        Markdown("## Scores, and the threshold each is held to"),
        table(
            ["family", "score", "result", "threshold", "passed"],
            [
                (one.family, one.name, one.value, one.threshold, _yes_no(one.passed))
                for one in trust.checks
            ],
        ),
        *pictures(one for one in explanation.pictures if one.name == "faithfulness"),
        *pictures(one for one in explanation.pictures if one.name != "faithfulness"),
        _by_class(explanation),
        _method(explanation),
        Markdown(f"Time: {explanation.seconds:.0f} s."),
    ]


def _boxes(explanation: Explanation) -> Iterator[Any]:
    checks = explanation.trust.checks
    passed = sum(one.passed is True for one in checks)
    yield box(
        "Trust the maps",
        explanation.trust.level,
        f"{passed} of {len(checks)} checks passed",
        good=_GOOD[explanation.trust.level],
    )
    faithfulness = explanation.scores.faithfulness
    for title, curves in (
        ("Deletion", faithfulness.deletion),
        ("Insertion", faithfulness.insertion),
    ):
        smallest = curves.smallest
        yield box(
            title,
            f"{smallest.value:+.3f}",
            "mean advantage in probability over the strongest control; "
            f"{percent(smallest.confidence, 0)} interval {smallest.low:.3f} to "
            f"{smallest.high:.3f}",
            f"{percent(curves.over_random.share, 0)} of the images better than random pixels",
            good=curves.passed,
        )
    yield box("Images explained", f"{len(explanation.images)}", _explainer(explanation))


def _by_class(explanation: Explanation) -> MetaflowCardComponent:
    test = explanation.scores.faithfulness
    both = zip(CLASS_NAMES, test.deletion.by_class, test.insertion.by_class, strict=True)
    return details(
        "Faithfulness by class",
        ["class", "deletion", "insertion"],
        [(name, _estimate(deletion), _estimate(insertion)) for name, deletion, insertion in both],
    )


def _estimate(estimate: Estimate | None) -> str:
    if estimate is None:
        return "fewer than two images"
    return f"{estimate.value:+.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def _yes_no(passed: bool | None) -> str:
    return {True: "yes", False: "NO", None: "not tested"}[passed]


def _explainer(explanation: Explanation) -> str:
    name = explanation.explainer
    return f"by {name}" if name == "Owen values" else f"by shap.{name}"


def _method(explanation: Explanation) -> MetaflowCardComponent:
    return details(
        "Method",
        ["choice", "value"],
        [
            ("explainer", _explainer(explanation).removeprefix("by ")),
            ("reason", explanation.reason),
            ("explained output", "log-odds"),
            ("background images", explanation.background_rows),
            ("images in the checks of robustness and randomisation", explanation.scores.n_retested),
            ("maps that are zero everywhere", explanation.scores.zero_maps),
            ("localisation", "not checked in a run, as it is slow: benchmarks/planted_patch.py"),
        ],
    )
